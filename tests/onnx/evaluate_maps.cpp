// Convolution and pooling of maps [N,C,H,W].
#include <cmath>
#include <limits>

#include "tests/onnx/evaluator.h"

namespace test {
namespace {

/// Where the windows of a convolution or pooling lie; rows, then columns.
struct Windows {
    Extents in, kernel, strides, pads, dilations, out;

    Windows(const Operation& op, const Extents& map)
        : in{map.at(2), map.at(3)}, kernel(op.list("kernel_shape")),
          strides(op.list("strides")), pads{0, 0, 0, 0}, dilations{1, 1} {
        if (op.integers.count("pads") > 0) pads = op.list("pads");
        if (op.integers.count("dilations") > 0) dilations = op.list("dilations");
        for (std::size_t i = 0; i < 2; ++i)
            out.push_back((in[i] + pads[i] + pads[2 + i] - dilations[i] * (kernel[i] - 1) - 1) /
                              strides[i] +
                          1);
    }

    /// Calls f(number in the kernel, number in the map) for all that lies inside the map.
    template <class F>
    void visit(std::int64_t row, std::int64_t column, const F& f) const {
        for (std::int64_t r = 0; r < kernel[0]; ++r)
            for (std::int64_t s = 0; s < kernel[1]; ++s) {
                const std::int64_t h = row * strides[0] - pads[0] + r * dilations[0],
                                   w = column * strides[1] - pads[1] + s * dilations[1];
                if (h >= 0 && h < in[0] && w >= 0 && w < in[1]) f(r * kernel[1] + s, h * in[1] + w);
            }
    }
};

/// f(map number, row, column) for every element of y.
template <class F>
Array each(const Extents& shape, const F& f) {
    Array y = array(shape);
    std::int64_t i = 0;
    for (std::int64_t map = 0; map < shape[0] * shape[1]; ++map)
        for (std::int64_t row = 0; row < shape[2]; ++row)
            for (std::int64_t column = 0; column < shape[3]; ++column)
                element(y, i++) = f(map, row, column);
    return y;
}

Results conv(const Operation& op) {
    const Array &x = op.in(0), &w = op.in(1);  // w [O, I/group, R, S]
    const Windows windows(op, x.shape);
    const std::int64_t outputs = w.size(0), inputs = w.size(1), group = op.integer("group", 1);
    if (inputs * group != x.size(1)) throw std::runtime_error("Conv");
    const std::int64_t area = x.size(2) * x.size(3), taps = w.size(2) * w.size(3);
    const Extents shape = {x.size(0), outputs, windows.out[0], windows.out[1]};
    return {each(shape, [&](std::int64_t map, std::int64_t row, std::int64_t column) {
        const std::int64_t image = map / outputs, o = map % outputs;
        const std::int64_t first = o / (outputs / group) * inputs;
        double sum = op.has(2) ? element(op.in(2), o) : 0.0;
        windows.visit(row, column, [&](std::int64_t tap, std::int64_t pixel) {
            for (std::int64_t i = 0; i < inputs; ++i)
                sum += element(x, (image * x.size(1) + first + i) * area + pixel) *
                       element(w, (o * inputs + i) * taps + tap);
        });
        return sum;
    })};
}

Results max_pool(const Operation& op) {
    const Array& x = op.in(0);
    const Windows windows(op, x.shape);
    const Extents shape = {x.size(0), x.size(1), windows.out[0], windows.out[1]};
    return {each(shape, [&](std::int64_t map, std::int64_t row, std::int64_t column) {
        double largest = -std::numeric_limits<double>::infinity();
        windows.visit(row, column, [&](std::int64_t, std::int64_t pixel) {
            largest = std::max(largest, element(x, map * x.size(2) * x.size(3) + pixel));
        });
        return largest;
    })};
}

Results average_pool(const Operation& op) {
    const Array& x = op.in(0);
    const Windows windows(op, x.shape);
    const bool all = op.integer("count_include_pad", 0) == 1;
    const Extents shape = {x.size(0), x.size(1), windows.out[0], windows.out[1]};
    return {each(shape, [&](std::int64_t map, std::int64_t row, std::int64_t column) {
        double sum = 0.0, count = 0.0;
        windows.visit(row, column, [&](std::int64_t, std::int64_t pixel) {
            sum += element(x, map * x.size(2) * x.size(3) + pixel);
            count += 1.0;
        });
        return sum / (all ? static_cast<double>(elements(windows.kernel)) : count);
    })};
}

Results global_average_pool(const Operation& op) {
    const Array& x = op.in(0);
    const std::int64_t area = x.size(2) * x.size(3);
    return {each({x.size(0), x.size(1), 1, 1}, [&](std::int64_t map, std::int64_t, std::int64_t) {
        double sum = 0.0;
        for (std::int64_t i = 0; i < area; ++i) sum += element(x, map * area + i);
        return sum / static_cast<double>(area);
    })};
}

}  // namespace

void add_map_operators(Operators& operators) {
    operators["Conv"] = conv;
    operators["MaxPool"] = max_pool;
    operators["AveragePool"] = average_pool;
    operators["GlobalAveragePool"] = global_average_pool;
}

}  // namespace test
