#include "core/autocast.h"

#include "core/tape.h"
#include "core/tensor_impl.h"

namespace fovea {
namespace {

thread_local DType low_dtype = DType::F32;

bool castable(const Tensor& x) { return x.defined() && is_floating(x.dtype()); }

struct CastOp : Node {
    const char* name() const override { return "cast"; }

    Tensor forward(const Tensor& x, DType dtype) {
        dx_ = sink(x);
        dtype_ = x.dtype();
        return x.to(dtype);
    }

    void backward(const Tensor& dy) override { dx_.add(dy.to(dtype_)); }

private:
    GradSink dx_;
    DType dtype_ = DType::F32;
};

Tensor cast(const Tensor& x, DType dtype) {
    return x.dtype() == dtype ? x : apply<CastOp>(x, dtype);
}

}  // namespace

Autocast::Autocast(DType low) : previous_(low_dtype) { low_dtype = low; }
Autocast::~Autocast() { low_dtype = previous_; }

namespace autocast {

Tensor low(const Tensor& x) {
    return low_dtype == DType::F32 || !castable(x) || x.dtype() != DType::F32 ? x
                                                                              : cast(x, low_dtype);
}

Tensor low_weight(const Tensor& w) {
    if (low_dtype == DType::F32 || !castable(w) || w.dtype() != DType::F32) return w;
    const bool leaf = !w.requires_grad() || w.grad_slot()->leaf;
    return leaf ? w.low_copy(low_dtype) : cast(w, low_dtype);
}

Tensor follow(const Tensor& x, const Tensor& other) {
    return low_dtype == DType::F32 || !castable(x) || !castable(other) || other.dtype() != low_dtype
               ? x
               : cast(x, other.dtype());
}

}  // namespace autocast
}  // namespace fovea
