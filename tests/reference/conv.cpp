// Convolution against a scatter over an explicitly zero-padded copy of the input: one loop over
// all products x * w, from which the output and all three gradients follow.
#include <catch2/catch.hpp>

#include "kernels/include/conv.h"
#include "tests/reference/array.h"

using namespace fovea;
using namespace fovea::tests;
namespace reference = fovea::kernels::reference;

namespace {

using Index = std::int64_t;

struct Case {
    Shape x;        // [N,H,W,I]
    Index O, R, S;  // output channels, kernel
    ConvParams params;
};

struct Gradients {
    std::vector<double> y, dx, dw, db;
};

template <class T>
Gradients scatter(const Case& c, const Array<T>& x, const Array<T>& w, const Array<T>& b,
                  const Array<T>& dy) {
    const ConvParams& p = c.params;
    const Index N = c.x[0], H = c.x[1], W = c.x[2], I = c.x[3], P = dy.shape[1], Q = dy.shape[2];
    const Index top = p.padding[0], left = p.padding[1], rows = H + 2 * top, columns = W + 2 * left;
    const auto padded_at = [&](Index n, Index h, Index j, Index i) {
        return static_cast<std::size_t>(((n * rows + h) * columns + j) * I + i);
    };
    std::vector<double> padded(static_cast<std::size_t>(N * rows * columns * I), 0.0);
    for (Index i = 0; i < x.size(); ++i)
        padded[padded_at(i / I / W / H, i / I / W % H + top, i / I % W + left, i % I)] = x[i];

    auto padded_grad = std::vector<double>(padded.size(), 0.0);
    Gradients g;
    g.dw.assign(static_cast<std::size_t>(w.size()), 0.0);
    g.db.assign(static_cast<std::size_t>(c.O), 0.0);
    const Index in = I / p.groups, out = c.O / p.groups;
    for (Index n = 0; n < N; ++n)
        for (Index row = 0; row < P; ++row)
            for (Index column = 0; column < Q; ++column)
                for (Index o = 0; o < c.O; ++o) {
                    const double grad = dy[((n * P + row) * Q + column) * c.O + o];
                    double sum = b[o];
                    g.db[static_cast<std::size_t>(o)] += grad;
                    for (Index k = 0; k < c.R * c.S * in; ++k) {
                        const Index r = k / in / c.S, s = k / in % c.S, i = o / out * in + k % in;
                        const auto source = padded_at(n, row * p.stride[0] + r * p.dilation[0],
                                                      column * p.stride[1] + s * p.dilation[1], i);
                        const Index weight = o * c.R * c.S * in + k;
                        sum += padded[source] * w[weight];
                        padded_grad[source] += grad * w[weight];
                        g.dw[static_cast<std::size_t>(weight)] += grad * padded[source];
                    }
                    g.y.push_back(sum);
                }
    for (Index i = 0; i < x.size(); ++i)
        g.dx.push_back(
            padded_grad[padded_at(i / I / W / H, i / I / W % H + top, i / I % W + left, i % I)]);
    return g;
}

}  // namespace

TEMPLATE_TEST_CASE("Convolution and its gradients", "[reference]", float, double) {
    const auto c = GENERATE(Case{{2, 7, 8, 3}, 5, 3, 3, {{1, 1}, {1, 1}, {1, 1}, 1}},
                            Case{{1, 9, 6, 4}, 6, 3, 2, {{2, 3}, {0, 1}, {1, 1}, 2}},
                            Case{{2, 8, 9, 4}, 4, 3, 5, {{1, 2}, {2, 4}, {1, 2}, 4}},
                            Case{{1, 5, 5, 2}, 8, 3, 3, {{2, 2}, {1, 1}, {1, 1}, 2}},
                            Case{{1, 8, 8, 3}, 33, 4, 4, {{4, 4}, {0, 0}, {1, 1}, 1}},
                            Case{{1, 1, 1, 1}, 1, 1, 1, {{1, 1}, {0, 0}, {1, 1}, 1}},
                            Case{{2, 4, 4, 31}, 32, 1, 1, {{3, 3}, {0, 0}, {1, 1}, 1}},
                            Case{{0, 4, 4, 2}, 3, 3, 3, {{1, 1}, {1, 1}, {1, 1}, 1}});
    CAPTURE(c.x[1], c.x[3], c.O, c.R, c.S);
    const Shape w_shape{c.O, c.R, c.S, c.x[3] / c.params.groups};
    const Shape y_shape{c.x[0], c.params.out(0, c.x[1], c.R), c.params.out(1, c.x[2], c.S), c.O};
    const auto x = Array<TestType>::random(c.x, 1), w = Array<TestType>::random(w_shape, 2);
    const auto b = Array<TestType>::random({c.O}, 3), dy = Array<TestType>::random(y_shape, 4);
    Array<TestType> y(y_shape), dx(c.x), dw(w_shape), db({c.O});
    Gradients want = scatter(c, x, w, b, dy);

    reference::conv2d_forward(on_reference, y, x, w, b, c.params);
    CHECK(error(y, want.y) < tolerance<TestType>);
    reference::conv2d_backward_input(on_reference, dx, dy, w, c.params);
    CHECK(error(dx, want.dx) < tolerance<TestType>);
    reference::conv2d_backward_weight(on_reference, dw, db, dy, x, c.params, GradMode::Overwrite);
    CHECK(error(dw, want.dw) < tolerance<TestType>);
    CHECK(error(db, want.db) < tolerance<TestType>);

    reference::conv2d_backward_weight(on_reference, dw, View(), dy, x, c.params,
                                      GradMode::Accumulate);
    for (double& g : want.dw) g *= 2.0;
    CHECK(error(dw, want.dw) < tolerance<TestType>);
    CHECK(error(db, want.db) < tolerance<TestType>);

    reference::conv2d_forward(on_reference, y, x, w, CView(), c.params);
    for (std::size_t i = 0; i < want.y.size(); ++i) want.y[i] -= b[static_cast<Index>(i) % c.O];
    CHECK(error(y, want.y) < tolerance<TestType>);
}
