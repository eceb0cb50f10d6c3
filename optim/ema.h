// Ema: exponential moving average of the weights and of BatchNorm's statistics (Polyak and Juditsky
// 1992; timm's ModelEmaV2).
#pragma once

#include <vector>

#include "optim/param_store.h"

namespace fovea {

class Ema {
public:
    /// Starts as a copy of the model's present state. With `warmup` step t uses
    /// min(decay, (1 + t) / (10 + t)), so early averages follow the model.
    Ema(Module& model, const ParamStore& store, double decay, bool warmup = true);

    /// e = d e + (1 - d) p, after each optimizer step. Integer buffers are copied.
    void update();

    /// Exchanges the model's state and the averages; twice restores.
    void swap();

    const Tensor& values() const { return values_; }  ///< the averaged arena
    const std::vector<Tensor>& buffers() const { return buffers_; }
    std::int64_t updates() const { return updates_; }
    void set_updates(std::int64_t updates) { updates_ = updates; }

private:
    Tensor model_values_, values_;
    std::vector<NamedBuffer> model_buffers_;
    std::vector<Tensor> buffers_;
    double decay_;
    bool warmup_;
    std::int64_t updates_ = 0;
};

/// While it lives, the model holds its averages.
class EmaScope {
public:
    explicit EmaScope(Ema* ema) : ema_(ema) {
        if (ema_ != nullptr) ema_->swap();
    }
    ~EmaScope() {
        if (ema_ != nullptr) ema_->swap();
    }
    EmaScope(const EmaScope&) = delete;
    EmaScope& operator=(const EmaScope&) = delete;

private:
    Ema* ema_;
};

}  // namespace fovea
