#include "optim/ema.h"

#include <algorithm>

namespace fovea {
namespace {

void swap_values(const Tensor& a, const Tensor& b) {
    const Tensor copy = a.clone();
    a.copy_from(b);
    b.copy_from(copy);
}

}  // namespace

Ema::Ema(Module& model, const ParamStore& store, double decay, bool warmup)
    : model_values_(store.values()), values_(store.values().clone()),
      model_buffers_(buffers_of(model)), decay_(decay), warmup_(warmup) {
    for (const NamedBuffer& b : model_buffers_) buffers_.push_back(b.buffer->value.clone());
}

void Ema::update() {
    const auto t = static_cast<double>(updates_++);
    const double decay = warmup_ ? std::min(decay_, (1.0 + t) / (10.0 + t)) : decay_;
    kernels::ema_update(values_.stream(), values_.view(), model_values_, decay);
    for (std::size_t i = 0; i < buffers_.size(); ++i) {
        const Tensor& source = model_buffers_[i].buffer->value;
        if (is_floating(source.dtype()))
            kernels::ema_update(source.stream(), buffers_[i].view(), source, decay);
        else
            buffers_[i].copy_from(source);
    }
}

void Ema::swap() {
    swap_values(model_values_, values_);
    for (std::size_t i = 0; i < buffers_.size(); ++i)
        swap_values(model_buffers_[i].buffer->value, buffers_[i]);
}

}  // namespace fovea
