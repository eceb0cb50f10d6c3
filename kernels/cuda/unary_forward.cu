// y = f(x), elementwise (Unary in elementwise.h).
//
// Dense arrays of n elements; reads n and writes n. Each function is a kernel of its own where the
// pointers are aligned to 16 bytes, which tensors and slices of whole rows are.
#include "kernels/cuda/activation.cuh"
#include "kernels/cuda/fixed.cuh"
#include "kernels/cuda/map.cuh"

namespace fovea::kernels::cuda {
namespace {

/// F: Unary, or a Fixed one.
template <class F>
struct Apply {
    F f;
    __device__ float operator()(float x) const { return apply(f, x); }
};

}  // namespace

void unary_forward(const Stream& stream, View y, CView x, Unary f) {
    with_float(y.dtype, [&]<class T>(std::type_identity<T>) {
        T* const to = y.as<T>();
        const T* const from = x.as<T>();
        if (!all_aligned(to, from))
            return map_chunks<1>(stream, y.numel(), Apply<Unary>{f}, to, from);
        with_fixed(f, [&](auto fixed) {
            map_chunks<kLanes<T>>(stream, y.numel(), Apply<decltype(fixed)>{}, to, from);
        });
    });
}

}  // namespace fovea::kernels::cuda
