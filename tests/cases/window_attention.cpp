// Attention within windows: shifted or not, on maps that are not square, and on padded ones.
#include "core/ops/window_attention.h"

#include <cmath>

#include "core/ops/shape_ops.h"
#include "tests/cases/families.h"

namespace fovea::tests {
namespace {

struct WindowShape {
    std::int64_t B, H, W, heads, D;
    std::int64_t window[2], shift[2];
};

std::string spell_shape(const WindowShape& s) {
    return std::to_string(s.B) + " maps " + std::to_string(s.H) + "x" + std::to_string(s.W) +
           " heads " + std::to_string(s.heads) + "x" + std::to_string(s.D) + " window " +
           std::to_string(s.window[0]) + "x" + std::to_string(s.window[1]) + " shift " +
           std::to_string(s.shift[0]) + "," + std::to_string(s.shift[1]);
}

std::int64_t round_up(std::int64_t n, std::int64_t step) { return (n + step - 1) / step * step; }

/// A map that is no multiple of the window is padded first, and the result cut to size.
void add_windows(std::vector<Case>& table, const WindowShape& s, bool bias = true,
                 Layout layout = Layout::Dense) {
    const WindowParams params = {{s.window[0], s.window[1]},
                                 {s.shift[0], s.shift[1]},
                                 s.heads,
                                 1.0 / std::sqrt(static_cast<double>(s.D))};
    const std::int64_t N = s.window[0] * s.window[1];
    const std::int64_t rows = round_up(s.H, s.window[0]), columns = round_up(s.W, s.window[1]);
    const bool padded = rows > s.H || columns > s.W;
    std::vector<Input> inputs = {
        {{s.B, s.H, s.W, 3 * s.heads * s.D}, Values::Uniform, true, layout, 0}};
    if (bias)
        inputs.push_back({{(2 * s.window[0] - 1) * (2 * s.window[1] - 1), s.heads},
                          Values::Uniform,
                          true,
                          layout == Layout::Dense ? Layout::Dense : Layout::Transposed,
                          0});
    std::vector<std::string> kernels = {"window_attention_forward", "window_attention_backward"};
    if (padded) kernels.insert(kernels.end(), {"copy", "fill", "binary"});
    const std::int64_t out = s.B * s.H * s.W * s.heads * s.D;
    table.push_back({.name = "window_attention " + spell_shape(s) + (bias ? "" : " without bias") +
                             (layout == Layout::Dense ? "" : " strided"),
                     .op = "window_attention",
                     .kernels = kernels,
                     .inputs = inputs,
                     .build =
                         [=](const auto& in) {
                             const Tensor o =
                                 ops::window_attention(ops::pad_map(in[0], rows, columns),
                                                       bias ? in[1] : Tensor(), params);
                             return ops::contiguous(ops::crop_map(o, s.H, s.W));
                         },
                     .flops = 4.0 * static_cast<double>(s.B * rows * columns * s.heads * s.D * N),
                     .bytes = traffic(inputs, out),
                     .terms = std::max(s.B * rows * columns, s.D)});
}

}  // namespace

void add_window_attention_cases(std::vector<Case>& table) {
    add_windows(table, {1, 2, 2, 1, 1, {2, 2}, {0, 0}});
    add_windows(table, {2, 4, 6, 2, 8, {2, 2}, {1, 1}});
    add_windows(table, {1, 6, 9, 3, 5, {3, 3}, {1, 1}});
    add_windows(table, {2, 9, 3, 1, 33, {3, 3}, {2, 0}});
    add_windows(table, {1, 4, 6, 3, 8, {2, 3}, {1, 2}});  // windows that are not square
    add_windows(table, {2, 14, 7, 2, 32, {7, 7}, {3, 0}});
    add_windows(table, {1, 14, 14, 3, 8, {7, 7}, {3, 3}});
    add_windows(table, {1, 6, 6, 2, 8, {3, 3}, {1, 1}}, false);
    add_windows(table, {2, 4, 4, 2, 8, {2, 2}, {1, 1}}, true, Layout::Sliced);
    add_windows(table, {0, 4, 4, 2, 8, {2, 2}, {1, 1}});
    // Padded up to whole windows; windows larger than the map.
    add_windows(table, {2, 5, 4, 2, 8, {3, 3}, {1, 1}});
    add_windows(table, {1, 2, 3, 1, 8, {7, 7}, {0, 0}});
    // The third stage of a Swin-T, and more windows than one task takes.
    add_windows(table, {2, 14, 14, 12, 32, {7, 7}, {3, 3}});
    add_windows(table, {9, 8, 8, 1, 16, {2, 2}, {1, 1}});
    // More than 64 tokens a window: several blocks on CUDA, and nine windows in groups.
    add_windows(table, {1, 12, 24, 2, 32, {12, 12}, {0, 6}});
    add_windows(table, {3, 9, 24, 1, 33, {9, 8}, {4, 3}});
}

}  // namespace fovea::tests
