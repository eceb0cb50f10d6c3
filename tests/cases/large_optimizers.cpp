// Large cases of optimizer steps: an arena of a million parameters, as a ViT's layers fill it.
#include <cstring>

#include "kernels/include/optimizer.h"
#include "tests/cases/families.h"
#include "tests/cases/large.h"

namespace fovea::tests {
namespace {

constexpr std::int64_t arena = 1 << 20;
constexpr std::int64_t matrix = 384 * 384 * 2 + 16;  // not a multiple of any block

/// Matrices with decay, vectors without, and no gaps: all of the arena is used.
std::vector<Segment> segments() {
    std::vector<Segment> list;
    for (std::int64_t at = 0; at < arena;) {
        const std::int64_t wish = list.size() % 2 == 0 ? matrix : 384;
        const std::int64_t size = std::min(wish, arena - at);
        list.push_back({at, size, 1.0, list.size() % 2 == 0 ? 0.05 : 0.0, false});
        at += size;
    }
    return list;
}

Tensor row(const Tensor& t, std::int64_t i) { return t.slice(0, i, i + 1).reshape({t.size(1)}); }

using Step = std::function<void(const Tensor& state, const Tensor& g, Segments segments)>;

/// Inputs: gradient [n], state [rows, n], and in prepare the table of segments as bytes.
void add_step(std::vector<LargeCase>& list, const std::string& name, const std::string& kernel,
              std::int64_t rows, Step step) {
    const auto segment_count = static_cast<std::int64_t>(segments().size());
    list.push_back(
        {.row = {.name = name + " 1M parameters",
                 .op = kernel,
                 .kernels = {kernel},
                 .inputs = {constant({arena}), constant({rows, arena}, Values::Positive)},
                 .build =
                     [=](const auto& in) {
                         step(in[1], in[0], {in[2].template data<Segment>(), segment_count});
                         return in[1];
                     },
                 .flops = 12.0 * arena},
         .forward = {static_cast<double>((2 * rows + 1) * arena)},
         .prepare = [](std::vector<Tensor>& in) {
             const std::vector<Segment> table = segments();
             const auto bytes = static_cast<std::int64_t>(table.size() * sizeof(Segment));
             const Tensor host = Tensor::empty({bytes}, DType::U8);
             std::memcpy(host.data(), table.data(), static_cast<std::size_t>(bytes));
             in.push_back(host.to(in[0].device()));
         }});
}

}  // namespace

void add_large_optimizers(std::vector<LargeCase>& list) {
    AdamArgs adam;
    adam.step = 1000;
    add_step(list, "adam_step", "adam_step", 3,
             [adam](const Tensor& s, const Tensor& g, Segments t) {
                 kernels::adam_step(s.stream(), row(s, 0).view(), row(s, 1).view(),
                                    row(s, 2).view(), View{}, g, t, adam);
             });
    SgdArgs sgd;
    sgd.momentum = 0.9;
    sgd.step = 7;
    add_step(list, "sgd_step momentum", "sgd_step", 2,
             [sgd](const Tensor& s, const Tensor& g, Segments t) {
                 kernels::sgd_step(s.stream(), row(s, 0).view(), row(s, 1).view(), g, t, sgd);
             });
    RmspropArgs rmsprop;
    rmsprop.momentum = 0.9;
    add_step(list, "rmsprop_step momentum", "rmsprop_step", 3,
             [rmsprop](const Tensor& s, const Tensor& g, Segments t) {
                 kernels::rmsprop_step(s.stream(), row(s, 0).view(), row(s, 1).view(), View{},
                                       row(s, 2).view(), g, t, rmsprop);
             });
    RadamArgs radam;
    radam.step = 1000;
    add_step(list, "radam_step", "radam_step", 3,
             [radam](const Tensor& s, const Tensor& g, Segments t) {
                 kernels::radam_step(s.stream(), row(s, 0).view(), row(s, 1).view(),
                                     row(s, 2).view(), g, t, radam);
             });

    list.push_back({.row = {.name = "clip_values 1M parameters",
                            .op = "clip_values",
                            .kernels = {"clip_values"},
                            .inputs = {constant({arena})},
                            .build =
                                [](const auto& in) {
                                    kernels::clip_values(in[0].stream(), in[0].view(), 0.25);
                                    return in[0];
                                },
                            .flops = 2.0 * arena},
                    .forward = {2.0 * arena}});
    list.push_back({.row = {.name = "ema_update 1M parameters",
                            .op = "ema_update",
                            .kernels = {"ema_update"},
                            .inputs = {constant({arena}), constant({arena})},
                            .build =
                                [](const auto& in) {
                                    kernels::ema_update(in[0].stream(), in[0].view(), in[1], 0.999);
                                    return in[0];
                                },
                            .flops = 3.0 * arena},
                    .forward = {3.0 * arena}});
}

}  // namespace fovea::tests
