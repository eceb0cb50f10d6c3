// Optimizer steps and the moving average: kernels without gradients, on an arena with a gap, a
// frozen segment and segments of odd sizes. A case's output holds everything that the step writes.
#include "kernels/include/optimizer.h"

#include <cstring>

#include "tests/cases/families.h"

namespace fovea::tests {
namespace {

constexpr std::int64_t arena_size = 1200;
constexpr Segment segments[] = {{0, 33, 1.0, 0.05, false},
                                {48, 1, 1.0, 0.0, false},
                                {64, 31, 0.5, 0.1, true},
                                {96, 0, 1.0, 0.0, false},
                                {112, 1024, 0.1, 0.05, false}};

/// The table in the memory of `device`.
Segments table_of_segments(Device device) {
    constexpr auto count = static_cast<std::int64_t>(std::size(segments));
    if (device.on_host()) return {segments, count};
    static const Tensor copy = [device] {
        const Tensor host = Tensor::empty({sizeof segments}, DType::U8);
        std::memcpy(host.data(), segments, sizeof segments);
        return host.to(device);
    }();
    return {copy.data<Segment>(), count};
}

/// The row [n] of a [rows, n] tensor.
Tensor row(const Tensor& t, std::int64_t i) { return t.slice(0, i, i + 1).reshape({t.size(1)}); }

/// Inputs: gradient [n], then the state [rows, n]. The step works on a clone of the state.
void add_step(std::vector<Case>& table, const std::string& name, const std::string& kernel,
              std::int64_t rows, std::function<void(const Tensor& state, const Tensor& g)> step) {
    const std::vector<Input> inputs = {constant({arena_size}),
                                       constant({rows, arena_size}, Values::Positive)};
    table.push_back({.name = name,
                     .op = kernel,
                     .kernels = {kernel},
                     .inputs = inputs,
                     .build =
                         [step](const auto& in) {
                             const Tensor state = in[1].clone();
                             step(state, in[0]);
                             return state;
                         },
                     .flops = 12.0 * static_cast<double>(arena_size),
                     .bytes = traffic(inputs, rows * arena_size)});
}

void add_adam(std::vector<Case>& table, const std::string& name, const AdamArgs& args) {
    add_step(table, name, "adam_step", args.amsgrad ? 4 : 3,
             [args](const Tensor& state, const Tensor& g) {
                 kernels::adam_step(state.stream(), row(state, 0).view(), row(state, 1).view(),
                                    row(state, 2).view(),
                                    args.amsgrad ? row(state, 3).view() : View{}, g,
                                    table_of_segments(state.device()), args);
             });
}

void add_sgd(std::vector<Case>& table, const std::string& name, const SgdArgs& args) {
    add_step(table, name, "sgd_step", args.momentum != 0.0 ? 2 : 1,
             [args](const Tensor& state, const Tensor& g) {
                 kernels::sgd_step(state.stream(), row(state, 0).view(),
                                   args.momentum != 0.0 ? row(state, 1).view() : View{}, g,
                                   table_of_segments(state.device()), args);
             });
}

/// State rows: p, square, then mean and momentum where they are used. The square must not be below
/// the mean's square, so the mean starts small.
void add_rmsprop(std::vector<Case>& table, const std::string& name, const RmspropArgs& args) {
    const bool momentum = args.momentum != 0.0;
    add_step(table, name, "rmsprop_step", 2 + args.centered + momentum,
             [args, momentum](const Tensor& state, const Tensor& g) {
                 View mean, velocity;
                 if (args.centered) {
                     row(state, 2).fill(0.125);
                     mean = row(state, 2).view();
                 }
                 if (momentum) velocity = row(state, args.centered ? 3 : 2).view();
                 kernels::rmsprop_step(state.stream(), row(state, 0).view(), row(state, 1).view(),
                                       mean, velocity, g, table_of_segments(state.device()), args);
             });
}

void add_radam(std::vector<Case>& table, const std::string& name, const RadamArgs& args) {
    add_step(table, name, "radam_step", 3, [args](const Tensor& state, const Tensor& g) {
        kernels::radam_step(state.stream(), row(state, 0).view(), row(state, 1).view(),
                            row(state, 2).view(), g, table_of_segments(state.device()), args);
    });
}

}  // namespace

void add_optimizer_cases(std::vector<Case>& table) {
    AdamArgs adam;
    adam.lr = 0.01;
    add_adam(table, "adam_step first step", adam);
    adam.step = 1000;
    adam.grad_scale = 0.25;
    add_adam(table, "adam_step clipped step 1000", adam);
    adam.amsgrad = true;
    add_adam(table, "adam_step amsgrad", adam);
    adam.decoupled = false;
    add_adam(table, "adam_step coupled amsgrad", adam);

    SgdArgs sgd;
    add_sgd(table, "sgd_step plain", sgd);
    sgd.momentum = 0.9;
    sgd.dampening = 0.1;
    add_sgd(table, "sgd_step momentum first step", sgd);
    sgd.step = 7;
    sgd.grad_scale = 0.5;
    add_sgd(table, "sgd_step momentum step 7", sgd);
    sgd.dampening = 0.0;
    sgd.nesterov = true;
    add_sgd(table, "sgd_step nesterov", sgd);

    RmspropArgs rmsprop;
    rmsprop.grad_scale = 0.5;
    add_rmsprop(table, "rmsprop_step plain", rmsprop);
    rmsprop.momentum = 0.9;
    rmsprop.centered = true;
    add_rmsprop(table, "rmsprop_step centered momentum", rmsprop);

    RadamArgs radam;
    radam.step = 3;  // too early to rectify
    add_radam(table, "radam_step step 3", radam);
    radam.step = 1000;
    radam.grad_scale = 0.25;
    add_radam(table, "radam_step step 1000", radam);

    for (const std::int64_t n : {0, 1, 33, 1024})
        table.push_back({.name = "clip_values " + std::to_string(n),
                         .op = "clip_values",
                         .kernels = {"clip_values"},
                         .inputs = {constant({n})},
                         .build =
                             [](const auto& in) {
                                 const Tensor g = in[0].clone();
                                 kernels::clip_values(g.stream(), g.view(), 0.25);
                                 return g;
                             },
                         .flops = 2.0 * static_cast<double>(n),
                         .bytes = 8.0 * static_cast<double>(n)});

    for (const std::int64_t n : {0, 1, 33, 1024})
        table.push_back({.name = "ema_update " + std::to_string(n),
                         .op = "ema_update",
                         .kernels = {"ema_update"},
                         .inputs = {constant({n}), constant({n})},
                         .build =
                             [](const auto& in) {
                                 const Tensor e = in[0].clone();
                                 kernels::ema_update(e.stream(), e.view(), in[1], 0.999);
                                 return e;
                             },
                         .flops = 3.0 * static_cast<double>(n),
                         .bytes = 12.0 * static_cast<double>(n)});
}

}  // namespace fovea::tests
