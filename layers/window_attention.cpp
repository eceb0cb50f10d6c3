#include "layers/window_attention.h"

#include <cmath>

#include "core/error.h"
#include "core/ops/shape_ops.h"
#include "core/ops/window_attention.h"

namespace fovea {
namespace {

constexpr std::int64_t round_up(std::int64_t n, std::int64_t step) {
    return (n + step - 1) / step * step;
}

Tensor rolled(const Tensor& x, const std::int64_t (&by)[2], std::int64_t sign) {
    return ops::roll(ops::roll(x, 1, sign * by[0]), 2, sign * by[1]);
}

}  // namespace

GridSize whole_windows(GridSize map, GridSize window) {
    return {round_up(map.rows, window.rows), round_up(map.columns, window.columns)};
}

WindowAttention::WindowAttention(const WindowAttentionConfig& c)
    : qkv(c.width, 3 * c.width, c.qkv_bias), proj(c.width, c.width), proj_drop(c.dropout),
      config(c) {
    const std::int64_t rows = (2 * c.window.rows - 1) * (2 * c.window.columns - 1);
    relative_position_bias_table.value = Tensor::zeros({rows, c.heads}).set_requires_grad();
    relative_position_bias_table.no_decay = true;
}

void WindowAttention::visit(Visitor& v) {
    v("relative_position_bias_table", relative_position_bias_table);
    v("qkv", qkv);
    v("proj", proj);
    v("proj_drop", proj_drop);
}

Tensor WindowAttention::forward(const Tensor& x, const Pass& pass) const {
    const GridSize map{x.size(1), x.size(2)}, whole = whole_windows(map, config.window);
    const bool padded = !(map == whole);
    if (padded && config.padding == WindowPadding::None)
        throw Error("C04",
                    "a map of " + std::to_string(map.rows) + "x" + std::to_string(map.columns) +
                        " tokens is no multiple of the window (" +
                        std::to_string(config.window.rows) + "x" +
                        std::to_string(config.window.columns) + ")",
                    "image size", "a size that fits, or a Swin that pads");
    const std::int64_t head_dim = config.width / config.heads;
    const WindowParams params = {{config.window.rows, config.window.columns},
                                 {whole.rows > config.window.rows ? config.shift.rows : 0,
                                  whole.columns > config.window.columns ? config.shift.columns : 0},
                                 config.heads,
                                 1.0 / std::sqrt(static_cast<double>(head_dim))};

    // The op shifts by addressing: padding first is the plain way. To pad a shifted map instead, it is
    // shifted and padded here, and shifted back for the op.
    const bool pads_shifted = padded && config.padding == WindowPadding::AfterShift;
    Tensor tokens = pads_shifted ? rolled(x, params.shift, -1) : x;
    tokens = ops::pad_map(tokens, whole.rows, whole.columns);
    if (pads_shifted) tokens = rolled(tokens, params.shift, 1);
    Tensor mixed = ops::window_attention(qkv.forward(tokens), relative_position_bias_table, params);
    if (pads_shifted) mixed = rolled(mixed, params.shift, -1);
    mixed = ops::crop_map(mixed, map.rows, map.columns);
    if (pads_shifted) mixed = rolled(mixed, params.shift, 1);
    return proj_drop.forward(proj.forward(mixed), pass);
}

std::int64_t window_attention_macs(GridSize map, GridSize window, std::int64_t width) {
    const std::int64_t tokens = whole_windows(map, window).area();
    return (3 * tokens + map.area()) * width * width + 2 * window.area() * tokens * width;
}

}  // namespace fovea
