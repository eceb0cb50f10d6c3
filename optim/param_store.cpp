#include "optim/param_store.h"

#include <cmath>
#include <cstring>

#include "core/error.h"
#include "kernels/include/reduce.h"

namespace fovea {

ParamStore::ParamStore(Module& model, const ParamStoreOptions& options)
    : parameters_(parameters_of(model)) {
    if (parameters_.empty()) throw Error("B04", "the model has no parameters");
    const Tensor& first = parameters_.front().parameter->value;
    const auto line =
        static_cast<std::int64_t>(64 / size_of(first.dtype()));  // elements of a cache line
    std::int64_t total = 0;
    for (const NamedParameter& named : parameters_) {
        const Parameter& p = *named.parameter;
        Segment segment;
        segment.offset = total;
        segment.size = p.value.numel();
        const bool decays = options.decay_all || (p.value.rank() > 1 && !p.no_decay);
        segment.weight_decay = decays ? options.weight_decay : 0.0;
        segments_.push_back(segment);
        total += (segment.size + line - 1) / line * line;
    }
    values_ = Tensor::zeros({total}, first.dtype(), first.device());
    gradients_ = new_arena();
    for (std::size_t i = 0; i < parameters_.size(); ++i) {
        Parameter& p = *parameters_[i].parameter;
        const Tensor slice = slice_of(values_, i);
        slice.copy_from(p.value);
        p.value = slice;
        p.value.set_requires_grad().set_grad(slice_of(gradients_, i));
    }
}

Segments ParamStore::segments() const {
    const auto count = static_cast<std::int64_t>(segments_.size());
    if (values_.device().on_host()) return {segments_.data(), count};
    if (!device_segments_.defined()) {
        const auto bytes = static_cast<std::int64_t>(segments_.size() * sizeof(Segment));
        const Tensor host = Tensor::empty({bytes}, DType::U8);
        std::memcpy(host.data(), segments_.data(), static_cast<std::size_t>(bytes));
        device_segments_ = host.to(values_.device());
    }
    return {device_segments_.data<Segment>(), count};
}

void ParamStore::keep_low_copy(DType dtype) {
    low_ = values_.to(dtype);
    low_slices_.clear();
    for (std::size_t i = 0; i < parameters_.size(); ++i) low_slices_.push_back(slice_of(low_, i));
    low_copy_is_current();
}

void ParamStore::low_copy_is_current() const {
    for (std::size_t i = 0; i < low_slices_.size(); ++i)
        parameters_[i].parameter->value.set_low_copy(low_slices_[i], true);
}

double ParamStore::gradient_norm() const {
    const Tensor sum = Tensor::empty({1}, DType::F64, gradients_.device());
    kernels::sum_of_squares(gradients_.stream(), sum.view(), gradients_);
    return std::sqrt(sum.item());
}

Tensor ParamStore::new_arena() const {
    return Tensor::zeros(values_.shape(), values_.dtype(), values_.device());
}

Tensor ParamStore::slice_of(const Tensor& arena, std::size_t i) const {
    const Segment& s = segments_[i];
    return arena.slice(0, s.offset, s.offset + s.size)
        .reshape(parameters_[i].parameter->value.shape());
}

}  // namespace fovea
