// Swin's attention within shifted windows, with the windows as tensors: shift, partition, attention with
// bias and mask, and all of it back.
#include "apps/onnx/ops.h"
#include "kernels/include/window_attention.h"

namespace fovea::apps {
namespace {

/// Moves every element of a map [N,H,W,C] by `by` places along an axis, round the edge.
std::string rolled(OnnxBuilder& b, const std::string& map, const Extents& extents, std::size_t axis,
                   std::int64_t by) {
    const std::int64_t extent = extents[axis].size;
    const std::int64_t cut = ((extent - by) % extent + extent) % extent;
    if (cut == 0) return map;
    const auto a = static_cast<std::int64_t>(axis);
    return b.node("Concat", {b.slice(map, a, cut, extent), b.slice(map, a, 0, cut)}, {{"axis", a}});
}

/// Rows of the bias table for all pairs of a window's tokens, [n,n].
std::string bias_rows(OnnxBuilder& b, const WindowGrid& grid) {
    const std::int64_t n = grid.tokens();
    std::vector<double> rows;
    for (std::int64_t query = 0; query < n; ++query)
        for (std::int64_t key = 0; key < n; ++key)
            rows.push_back(static_cast<double>(grid.bias_row(query, key)));
    const std::string name =
        "relative_position_index_" + std::to_string(grid.rows) + "x" + std::to_string(grid.columns);
    return b.constant(name, Tensor::from(rows, {n, n}, DType::I64));
}

/// What is added to scores between tokens that only the shift has brought together, [windows,1,n,n].
std::string mask(OnnxBuilder& b, const WindowGrid& grid, double masked_value) {
    const std::int64_t n = grid.tokens(), windows = grid.windows();
    std::vector<double> values;
    for (std::int64_t window = 0; window < windows; ++window)
        for (std::int64_t query = 0; query < n; ++query)
            for (std::int64_t key = 0; key < n; ++key)
                values.push_back(
                    grid.region(window, query) == grid.region(window, key) ? 0.0 : masked_value);
    std::string name = "window_mask";
    for (const std::int64_t part :
         {grid.height, grid.width, grid.rows, grid.columns, grid.shift_rows, grid.shift_columns})
        name += "_" + std::to_string(part);
    return b.constant(name, Tensor::from(values, {windows, 1, n, n}));
}

void window_attention(OnnxBuilder& b, const OnnxCall& c) {
    const auto p = c.value<WindowParams>(2);
    const Extents in = b.extents(c.tensor(0)), out = b.extents(c.result());
    const Extent batch = in[0];
    const std::int64_t channels = out[3].size, width = channels / p.heads;
    const WindowGrid grid(in[1].size, in[2].size, p);
    const Extent down{grid.height / grid.rows}, across{grid.across()}, rows{grid.rows},
        columns{grid.columns}, windows{grid.windows()}, n{grid.tokens()};
    const std::vector<std::int64_t> swap_middle = {0, 1, 3, 2, 4, 5};

    std::string qkv = b.plain(c.tensor(0));
    qkv = rolled(b, qkv, in, 1, -p.shift[0]);
    qkv = rolled(b, qkv, in, 2, -p.shift[1]);
    const Extents cut = {batch, down, rows, across, columns, {3 * channels}},
                  tiled = {batch, down, across, rows, columns, {3 * channels}};
    qkv = b.transpose(b.reshape(qkv, in, cut), swap_middle);
    // [N, windows, n, 3 heads, width], a head being as good as another until they are split.
    const Extents tokens = {batch, windows, n, {3 * p.heads}, {width}};
    qkv = b.reshape(qkv, tiled, tokens);
    const std::vector<std::string> parts = b.nodes("Split", {qkv}, 3, {{"axis", std::int64_t{3}}});

    std::vector<std::string> added;
    if (c.has(1)) {
        const std::string bias = b.node("Gather", {b.plain(c.tensor(1)), bias_rows(b, grid)},
                                        {{"axis", std::int64_t{0}}});
        added.push_back(b.transpose(bias, {2, 0, 1}));
    }
    if (p.shift[0] > 0 || p.shift[1] > 0) added.push_back(mask(b, grid, p.masked_value));
    const std::vector<std::int64_t> heads_first = {0, 1, 3, 2, 4};
    const std::string q = b.transpose(parts[0], heads_first),
                      k = b.transpose(parts[1], {0, 1, 3, 4, 2}),
                      v = b.transpose(parts[2], heads_first);
    std::string mixed = onnx_attention(b, q, k, v, p.scale, added);

    mixed = b.transpose(mixed, heads_first);  // [N, windows, n, heads, width]
    const Extents mixed_tokens = {batch, windows, n, {p.heads}, {width}},
                  mixed_tiled = {batch, down, across, rows, columns, {channels}};
    mixed = b.transpose(b.reshape(mixed, mixed_tokens, mixed_tiled), swap_middle);
    mixed = b.reshape(mixed, {batch, down, rows, across, columns, {channels}}, out);
    mixed = rolled(b, mixed, out, 1, p.shift[0]);
    b.bind_plain(c.result(), rolled(b, mixed, out, 2, p.shift[1]));
}

}  // namespace

void add_window_ops(OnnxOps& ops) { ops["window_attention"] = window_attention; }

}  // namespace fovea::apps
