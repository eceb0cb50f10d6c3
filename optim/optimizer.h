// Optimizers over the flat parameter arena. A step reads the gradients once and writes parameters and
// state once; schedules hand in the learning rate.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "optim/param_store.h"

namespace fovea {

class Optimizer {
public:
    virtual ~Optimizer() = default;

    /// One update with the gradients in `store`, multiplied by grad_scale first (clipping).
    virtual void step(ParamStore& store, double lr, double grad_scale = 1.0) = 0;

    /// State arenas by name, for checkpoints; and the number of steps taken.
    virtual std::vector<std::pair<std::string, Tensor>> state() const = 0;
    std::int64_t steps() const { return steps_; }
    void set_steps(std::int64_t steps) { steps_ = steps; }

protected:
    std::int64_t steps_ = 0;
};

struct AdamOptions {
    double beta1 = 0.9, beta2 = 0.999, eps = 1e-8;
    bool decoupled = true;  ///< AdamW; false: Adam with L2 in the gradient
    bool amsgrad = false;
};

/// AdamW (Loshchilov and Hutter 2019) and Adam (Kingma and Ba 2015), as PyTorch computes them.
class Adam : public Optimizer {
public:
    Adam(const ParamStore& store, const AdamOptions& options);
    void step(ParamStore& store, double lr, double grad_scale = 1.0) override;
    std::vector<std::pair<std::string, Tensor>> state() const override;

private:
    AdamOptions options_;
    Tensor exp_avg_, exp_avg_sq_, max_exp_avg_sq_;
};

struct SgdOptions {
    double momentum = 0.0, dampening = 0.0;
    bool nesterov = false;
};

/// Stochastic gradient descent with momentum, as PyTorch computes it.
class Sgd : public Optimizer {
public:
    Sgd(const ParamStore& store, const SgdOptions& options);
    void step(ParamStore& store, double lr, double grad_scale = 1.0) override;
    std::vector<std::pair<std::string, Tensor>> state() const override;

private:
    SgdOptions options_;
    Tensor momentum_buffer_;
};

struct RmspropOptions {
    double alpha = 0.99, eps = 1e-8, momentum = 0.0;
    bool centered = false;  ///< divides by the standard deviation, not by the root mean square
};

/// RMSprop (Hinton 2012, lecture 6e; centered: Graves 2013), as PyTorch computes it.
class Rmsprop : public Optimizer {
public:
    Rmsprop(const ParamStore& store, const RmspropOptions& options);
    void step(ParamStore& store, double lr, double grad_scale = 1.0) override;
    std::vector<std::pair<std::string, Tensor>> state() const override;

private:
    RmspropOptions options_;
    Tensor square_avg_, grad_avg_, momentum_buffer_;
};

struct RadamOptions {
    double beta1 = 0.9, beta2 = 0.999, eps = 1e-8;
};

/// RAdam (Liu et al. 2020), as PyTorch computes it: rectified from rho > 5 on.
class Radam : public Optimizer {
public:
    Radam(const ParamStore& store, const RadamOptions& options);
    void step(ParamStore& store, double lr, double grad_scale = 1.0) override;
    std::vector<std::pair<std::string, Tensor>> state() const override;

private:
    RadamOptions options_;
    Tensor exp_avg_, exp_avg_sq_;
};

}  // namespace fovea
