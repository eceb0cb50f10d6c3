// Convolution, pooling and resampling of maps, in planes.
#include <algorithm>

#include "apps/onnx/ops.h"
#include "core/ops/pool.h"
#include "kernels/include/conv.h"

namespace fovea::apps {
namespace {

using Integers = std::vector<std::int64_t>;

void conv2d(OnnxBuilder& b, const OnnxCall& c) {
    const auto p = c.value<ConvParams>(3);
    const Extents w = b.extents(c.tensor(1));  // [O,R,S,I/groups]
    std::vector<std::string> inputs = {b.planes(c.tensor(0)), b.planes(c.tensor(1))};
    if (c.has(2)) inputs.push_back(b.plain(c.tensor(2)));
    b.bind_planes(
        c.result(),
        b.node("Conv", inputs,
               {{"kernel_shape", Integers{w[1].size, w[2].size}},
                {"strides", Integers{p.stride[0], p.stride[1]}},
                {"pads", Integers{p.padding[0], p.padding[1], p.padding[0], p.padding[1]}},
                {"dilations", Integers{p.dilation[0], p.dilation[1]}},
                {"group", p.groups}}));
}

/// Padding that makes exactly the windows of the result without ceil_mode, which ONNX and PyTorch count
/// differently: at the end as far as the last window reaches.
struct Windows {
    std::vector<OnnxAttribute> attributes;
    bool beyond_padding = false;  ///< does a window reach beyond the padded map?
};
Windows windows_of(OnnxBuilder& b, const OnnxCall& c, const PoolParams& p) {
    const Extents x = b.extents(c.tensor(0)), y = b.extents(c.result());
    Windows out;
    Integers pads = {p.padding[0], p.padding[1]};
    for (std::size_t axis = 0; axis < 2; ++axis) {
        const std::int64_t in = x[1 + axis].size,
                           end = (y[1 + axis].size - 1) * p.stride[axis] + p.kernel[axis];
        const std::int64_t behind = std::max<std::int64_t>(end - in - p.padding[axis], 0);
        out.beyond_padding = out.beyond_padding || behind > p.padding[axis];
        pads.push_back(behind);
    }
    out.attributes = {{"kernel_shape", Integers{p.kernel[0], p.kernel[1]}},
                      {"strides", Integers{p.stride[0], p.stride[1]}},
                      {"pads", pads}};
    return out;
}

void max_pool2d(OnnxBuilder& b, const OnnxCall& c) {
    const Windows windows = windows_of(b, c, c.value<PoolParams>(1));
    b.bind_planes(c.result(), b.node("MaxPool", {b.planes(c.tensor(0))}, windows.attributes));
}

void avg_pool2d(OnnxBuilder& b, const OnnxCall& c) {
    const auto p = c.value<PoolParams>(1);
    Windows windows = windows_of(b, c, p);
    const bool padded = p.padding[0] > 0 || p.padding[1] > 0;
    const bool counts = p.count_include_pad && padded;
    // Padding counts, but what a window reaches beyond it does not: ONNX has but one way for both.
    if (counts && windows.beyond_padding) c.refuse("windows that reach beyond the padding");
    windows.attributes.push_back({"count_include_pad", std::int64_t{counts}});
    b.bind_planes(c.result(), b.node("AveragePool", {b.planes(c.tensor(0))}, windows.attributes));
}

/// The matrix [to, from] of an op that treats rows alike: what it does to the unit vectors, which are
/// the channels of a map of one column.
template <class Op>
Tensor matrix_of(std::int64_t from, std::int64_t to, const Op& op) {
    std::vector<double> unit(static_cast<std::size_t>(from * from), 0.0);
    for (std::int64_t i = 0; i < from; ++i) unit[static_cast<std::size_t>(i * from + i)] = 1.0;
    return op(Tensor::from(unit, {1, from, 1, from}), to, std::int64_t{1}).reshape({to, from});
}

/// Rows times map times columns, for an op that is linear along either axis. op(map, rows, columns).
template <class Op>
void separable(OnnxBuilder& b, const OnnxCall& c, const std::string& name, const Op& op) {
    const Extents x = b.extents(c.tensor(0)), y = b.extents(c.result());
    const auto matrix = [&](std::size_t axis) {
        return b.constant(
            name + "_" + std::to_string(x[axis].size) + "_to_" + std::to_string(y[axis].size),
            matrix_of(x[axis].size, y[axis].size, op));
    };
    std::string map = b.planes(c.tensor(0));
    if (!(x[1] == y[1])) map = b.node("MatMul", {matrix(1), map});
    if (!(x[2] == y[2])) map = b.node("MatMul", {map, b.transpose(matrix(2), {1, 0})});
    b.bind_planes(c.result(), map);
}

void adaptive_avg_pool2d(OnnxBuilder& b, const OnnxCall& c) {
    const int x = c.tensor(0);
    const Extents from = b.extents(x), to = b.extents(c.result());
    const std::int64_t rows = from[1].size, columns = from[2].size;
    if (from == to) return b.alias(c.result(), x);
    if (to[1].size == 1 && to[2].size == 1)
        return b.bind_planes(c.result(), b.node("GlobalAveragePool", {b.planes(x)}));
    if (rows % to[1].size == 0 && columns % to[2].size == 0) {
        const Integers window = {rows / to[1].size, columns / to[2].size};
        return b.bind_planes(c.result(), b.node("AveragePool", {b.planes(x)},
                                                {{"kernel_shape", window}, {"strides", window}}));
    }
    separable(b, c, "adaptive_average", ops::adaptive_avg_pool2d);
}

void interpolate(OnnxBuilder& b, const OnnxCall& c) {
    const auto p = c.value<ResizeParams>(3);
    const std::string name = "resize_" + std::to_string(static_cast<int>(p.mode)) +
                             (p.align_corners ? "_aligned" : "") +
                             (p.antialias ? "_antialiased" : "");
    separable(b, c, name, [&](const Tensor& map, std::int64_t rows, std::int64_t columns) {
        return ops::interpolate(map, rows, columns, p);
    });
}

}  // namespace

void add_map_ops(OnnxOps& ops) {
    ops["conv2d"] = conv2d;
    ops["max_pool2d"] = max_pool2d;
    ops["avg_pool2d"] = avg_pool2d;
    ops["adaptive_avg_pool2d"] = adaptive_avg_pool2d;
    ops["interpolate"] = interpolate;
}

}  // namespace fovea::apps
