#include "optim/optimizer.h"

namespace fovea {

Adam::Adam(const ParamStore& store, const AdamOptions& options)
    : options_(options), exp_avg_(store.new_arena()), exp_avg_sq_(store.new_arena()) {
    if (options.amsgrad) max_exp_avg_sq_ = store.new_arena();
}

void Adam::step(ParamStore& store, double lr, double grad_scale) {
    AdamArgs args;
    args.lr = lr;
    args.beta1 = options_.beta1;
    args.beta2 = options_.beta2;
    args.eps = options_.eps;
    args.grad_scale = grad_scale;
    args.step = ++steps_;
    args.decoupled = options_.decoupled;
    args.amsgrad = options_.amsgrad;
    args.low = store.low_copy().view();
    store.values().bump_version();
    kernels::adam_step(store.values().stream(), store.values().view(), exp_avg_.view(),
                       exp_avg_sq_.view(), max_exp_avg_sq_.view(), store.gradients(),
                       store.segments(), args);
    store.low_copy_is_current();
}

std::vector<std::pair<std::string, Tensor>> Adam::state() const {
    std::vector<std::pair<std::string, Tensor>> out = {{"exp_avg", exp_avg_},
                                                       {"exp_avg_sq", exp_avg_sq_}};
    if (max_exp_avg_sq_.defined()) out.emplace_back("max_exp_avg_sq", max_exp_avg_sq_);
    return out;
}

Sgd::Sgd(const ParamStore& store, const SgdOptions& options) : options_(options) {
    if (options.momentum != 0.0) momentum_buffer_ = store.new_arena();
}

void Sgd::step(ParamStore& store, double lr, double grad_scale) {
    SgdArgs args;
    args.lr = lr;
    args.momentum = options_.momentum;
    args.dampening = options_.dampening;
    args.grad_scale = grad_scale;
    args.step = ++steps_;
    args.nesterov = options_.nesterov;
    args.low = store.low_copy().view();
    store.values().bump_version();
    kernels::sgd_step(store.values().stream(), store.values().view(), momentum_buffer_.view(),
                      store.gradients(), store.segments(), args);
    store.low_copy_is_current();
}

std::vector<std::pair<std::string, Tensor>> Sgd::state() const {
    if (!momentum_buffer_.defined()) return {};
    return {{"momentum", momentum_buffer_}};
}

Rmsprop::Rmsprop(const ParamStore& store, const RmspropOptions& options)
    : options_(options), square_avg_(store.new_arena()) {
    if (options.centered) grad_avg_ = store.new_arena();
    if (options.momentum != 0.0) momentum_buffer_ = store.new_arena();
}

void Rmsprop::step(ParamStore& store, double lr, double grad_scale) {
    RmspropArgs args;
    args.lr = lr;
    args.alpha = options_.alpha;
    args.eps = options_.eps;
    args.momentum = options_.momentum;
    args.grad_scale = grad_scale;
    args.centered = options_.centered;
    ++steps_;
    args.low = store.low_copy().view();
    store.values().bump_version();
    kernels::rmsprop_step(store.values().stream(), store.values().view(), square_avg_.view(),
                          grad_avg_.view(), momentum_buffer_.view(), store.gradients(),
                          store.segments(), args);
    store.low_copy_is_current();
}

std::vector<std::pair<std::string, Tensor>> Rmsprop::state() const {
    std::vector<std::pair<std::string, Tensor>> out = {{"square_avg", square_avg_}};
    if (grad_avg_.defined()) out.emplace_back("grad_avg", grad_avg_);
    if (momentum_buffer_.defined()) out.emplace_back("momentum", momentum_buffer_);
    return out;
}

Radam::Radam(const ParamStore& store, const RadamOptions& options)
    : options_(options), exp_avg_(store.new_arena()), exp_avg_sq_(store.new_arena()) {}

void Radam::step(ParamStore& store, double lr, double grad_scale) {
    RadamArgs args;
    args.lr = lr;
    args.beta1 = options_.beta1;
    args.beta2 = options_.beta2;
    args.eps = options_.eps;
    args.grad_scale = grad_scale;
    args.step = ++steps_;
    args.low = store.low_copy().view();
    store.values().bump_version();
    kernels::radam_step(store.values().stream(), store.values().view(), exp_avg_.view(),
                        exp_avg_sq_.view(), store.gradients(), store.segments(), args);
    store.low_copy_is_current();
}

std::vector<std::pair<std::string, Tensor>> Radam::state() const {
    return {{"exp_avg", exp_avg_}, {"exp_avg_sq", exp_avg_sq_}};
}

}  // namespace fovea
