// Direct convolution. Each output is summed in double in the order r, s, channel; the innermost loop
// runs over channels, which are dense.
#include "kernels/include/conv.h"

#include <algorithm>

#include "kernels/reference/support.h"

namespace fovea::kernels::reference {
namespace {

struct Geometry {
    Index N, H, W, I, O, R, S, P, Q;
    Index group_inputs, group_outputs;
    ConvParams params;

    Geometry(const CView& x, const CView& w, const CView& y, const ConvParams& conv)
        : N(x.dim(0)), H(x.dim(1)), W(x.dim(2)), I(x.dim(3)), O(w.dim(0)), R(w.dim(1)), S(w.dim(2)),
          P(y.dim(1)), Q(y.dim(2)), group_inputs(I / conv.groups), group_outputs(O / conv.groups),
          params(conv) {}

    /// Input row under output row p and kernel row r; outside [0, H) it lies in the padding.
    Index row(Index p, Index r) const {
        return p * params.stride[0] - params.padding[0] + r * params.dilation[0];
    }
    Index column(Index q, Index s) const {
        return q * params.stride[1] - params.padding[1] + s * params.dilation[1];
    }
    bool has_row(Index h) const { return h >= 0 && h < H; }
    bool has_column(Index w) const { return w >= 0 && w < W; }

    /// Flat indices of the first of a group's channels at a pixel.
    Index x_at(Index n, Index h, Index w, Index group) const {
        return ((n * H + h) * W + w) * I + group * group_inputs;
    }
    Index y_at(Index n, Index p, Index q, Index group) const {
        return ((n * P + p) * Q + q) * O + group * group_outputs;
    }
    Index w_at(Index o, Index r, Index s, Index i) const {
        return ((o * R + r) * S + s) * group_inputs + i;
    }
};

/// w[O,R,S,I/groups] as [groups][R][S][inputs][outputs], so that a group's outputs are dense.
template <class T>
Buffer outputs_last(const T* w, const Geometry& g) {
    Buffer packed;
    packed.reserve(g.O * g.R * g.S * g.group_inputs);
    for (Index group = 0; group < g.params.groups; ++group)
        for (Index r = 0; r < g.R; ++r)
            for (Index s = 0; s < g.S; ++s)
                for (Index i = 0; i < g.group_inputs; ++i)
                    for (Index o = 0; o < g.group_outputs; ++o)
                        packed.push_back(
                            static_cast<double>(w[g.w_at(group * g.group_outputs + o, r, s, i)]));
    return packed;
}

template <class T>
void forward(T* y, const T* x, const T* w, const T* bias, const Geometry& g) {
    const Index outputs = g.group_outputs;
    const Buffer packed = outputs_last(w, g);
    Buffer sum(g.Q * outputs);  // one row of one group's outputs

    for (Index n = 0; n < g.N; ++n)
        for (Index p = 0; p < g.P; ++p)
            for (Index group = 0; group < g.params.groups; ++group) {
                std::fill(sum.begin(), sum.end(), 0.0);
                for (Index r = 0; r < g.R; ++r) {
                    const Index h = g.row(p, r);
                    if (!g.has_row(h)) continue;
                    for (Index s = 0; s < g.S; ++s)
                        for (Index i = 0; i < g.group_inputs; ++i) {
                            const Index tap = ((group * g.R + r) * g.S + s) * g.group_inputs + i;
                            const double* weights = packed.data() + tap * outputs;
                            for (Index q = 0; q < g.Q; ++q) {
                                const Index c = g.column(q, s);
                                if (!g.has_column(c)) continue;
                                add_scaled(sum.data() + q * outputs, weights,
                                           static_cast<double>(x[g.x_at(n, h, c, group) + i]),
                                           outputs);
                            }
                        }
                }
                for (Index q = 0; q < g.Q; ++q)
                    for (Index o = 0; o < outputs; ++o) {
                        const double shift =
                            bias ? static_cast<double>(bias[group * outputs + o]) : 0.0;
                        y[g.y_at(n, p, q, group) + o] =
                            static_cast<T>(sum[q * outputs + o] + shift);
                    }
            }
}

template <class T>
void backward_input(T* dx, const T* dy, const T* w, const Geometry& g) {
    const Index inputs = g.group_inputs, outputs = g.group_outputs;
    Buffer sum(g.W * inputs);  // one row of one group's inputs

    for (Index n = 0; n < g.N; ++n)
        for (Index h = 0; h < g.H; ++h)
            for (Index group = 0; group < g.params.groups; ++group) {
                std::fill(sum.begin(), sum.end(), 0.0);
                for (Index r = 0; r < g.R; ++r) {
                    // The output row p with row(p, r) = h, if there is one.
                    const Index up = h - g.row(0, r);
                    const Index p = up / g.params.stride[0];
                    if (up < 0 || up % g.params.stride[0] != 0 || p >= g.P) continue;
                    for (Index s = 0; s < g.S; ++s)
                        for (Index o = 0; o < outputs; ++o) {
                            const T* weights = w + g.w_at(group * outputs + o, r, s, 0);
                            for (Index q = 0; q < g.Q; ++q) {
                                const Index c = g.column(q, s);
                                if (!g.has_column(c)) continue;
                                add_scaled(sum.data() + c * inputs, weights,
                                           static_cast<double>(dy[g.y_at(n, p, q, group) + o]),
                                           inputs);
                            }
                        }
                }
                for (Index c = 0; c < g.W; ++c)
                    for (Index i = 0; i < inputs; ++i)
                        dx[g.x_at(n, h, c, group) + i] = static_cast<T>(sum[c * inputs + i]);
            }
}

template <class T>
void backward_weight(T* dw, const T* dy, const T* x, const Geometry& g, GradMode mode) {
    const Index outputs = g.group_outputs;
    Buffer sum(outputs);

    for (Index group = 0; group < g.params.groups; ++group)
        for (Index r = 0; r < g.R; ++r)
            for (Index s = 0; s < g.S; ++s)
                for (Index i = 0; i < g.group_inputs; ++i) {
                    std::fill(sum.begin(), sum.end(), 0.0);
                    for (Index n = 0; n < g.N; ++n)
                        for (Index p = 0; p < g.P; ++p) {
                            const Index h = g.row(p, r);
                            if (!g.has_row(h)) continue;
                            for (Index q = 0; q < g.Q; ++q) {
                                const Index c = g.column(q, s);
                                if (!g.has_column(c)) continue;
                                add_scaled(sum.data(), dy + g.y_at(n, p, q, group),
                                           static_cast<double>(x[g.x_at(n, h, c, group) + i]),
                                           outputs);
                            }
                        }
                    for (Index o = 0; o < outputs; ++o)
                        store(dw[g.w_at(group * outputs + o, r, s, i)], sum[o], mode);
                }
}

}  // namespace

void conv2d_forward(const Stream&, View y, CView x, CView w, CView bias, const ConvParams& params) {
    with_float(y.dtype, [&]<class T>(std::type_identity<T>) {
        forward(y.as<T>(), x.as<T>(), w.as<T>(), bias.as<T>(), Geometry(x, w, y, params));
    });
}

void conv2d_backward_input(const Stream&, View dx, CView dy, CView w, const ConvParams& params) {
    with_float(dx.dtype, [&]<class T>(std::type_identity<T>) {
        backward_input(dx.as<T>(), dy.as<T>(), w.as<T>(), Geometry(dx, w, dy, params));
    });
}

void conv2d_backward_weight(const Stream&, View dw, View dbias, CView dy, CView x,
                            const ConvParams& params, GradMode mode) {
    with_float(dy.dtype, [&]<class T>(std::type_identity<T>) {
        if (wanted(dw, mode))
            backward_weight(dw.as<T>(), dy.as<T>(), x.as<T>(), Geometry(x, dw, dy, params), mode);
        if (wanted(dbias, mode)) {
            const Index O = dy.dim(3);
            Buffer sum(O, 0.0);
            for (Index row = 0; row < rows_of(dy); ++row)
                add_scaled(sum.data(), dy.as<T>() + row * O, 1.0, O);
            for (Index o = 0; o < O; ++o) store(dbias.as<T>()[o], sum[o], mode);
        }
    });
}

}  // namespace fovea::kernels::reference
