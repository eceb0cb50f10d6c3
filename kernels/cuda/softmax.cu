// Softmax and log-softmax over the last axis of [rows, C].
//     y = exp(x - max) / sum                 dx = y (dy - sum(dy y))
//     y = x - max - log(sum)                 dx = dy - exp(y) sum(dy)
// A team of threads owns a row and keeps it in registers (row.cuh); rows longer than 12,288 elements are
// read twice, with a running maximum. x is read and y written once: 4 bytes an element in BF16; backward
// 6 bytes. Sums are in float, in a fixed order. A row of -inf has softmax 0.
#include "kernels/cuda/softmax_row.cuh"
#include "kernels/include/softmax.h"

namespace fovea::kernels::cuda {
namespace {

template <class T, class Plan, bool Log>
__global__ void __launch_bounds__(Plan::kThreads, Plan::kResident)
    forward_rows(T* __restrict__ y, const T* __restrict__ x, Index rows, int C) {
    constexpr int V = Plan::V;
    __shared__ float scratch[2][Plan::kWarps];
    const Index row = Plan::row();
    // Teams behind the last row go along with it, so that every lane takes part in the sums.
    const Index offset = (row < rows ? row : rows - 1) * C;

    auto in = make_row<Plan>(C, [&](float(&v)[V], int c) { load_chunk<V>(v, x + offset + c); });
    constexpr bool kept = decltype(in)::kept;
    const RowExponents e = row_exponents<Plan>(in, scratch, [](float& z, int) {
        const float term = expf(z);
        if constexpr (!Log) z = term;
        return term;
    });
    if (row >= rows) return;

    const float inverse = e.sum == 0.0f ? 0.0f : 1.0f / e.sum, log_sum = logf(e.sum);
    in.visit([&](const float(&v)[V], int c) {
        float out[V];
#pragma unroll
        for (int i = 0; i < V; ++i) {
            const float z = kept ? v[i] : v[i] - e.shift;
            if constexpr (Log)
                out[i] = z - log_sum;
            else
                out[i] = (kept ? z : expf(z)) * inverse;
        }
        store_chunk<V>(y + offset + c, out);
    });
}

template <class Plan>
struct Gradient {
    float dy[Plan::V], y[Plan::V];
};

template <class T, class Plan, bool Log>
__global__ void __launch_bounds__(Plan::kThreads, Plan::kResident)
    backward_rows(T* __restrict__ dx, const T* __restrict__ dy, const T* __restrict__ y, Index rows,
                  int C) {
    constexpr int V = Plan::V;
    using Item = Gradient<Plan>;
    __shared__ float scratch[Plan::kWarps];
    const Index row = Plan::row(), offset = (row < rows ? row : rows - 1) * C;

    auto in = make_row<Plan, Item>(C, [&](Item& item, int c) {
        load_chunk<V>(item.dy, dy + offset + c);
        load_chunk<V>(item.y, y + offset + c);
    });
    float sum = 0.0f;
    in.visit([&](const Item& item, int) {
#pragma unroll
        for (int i = 0; i < V; ++i) sum += Log ? item.dy[i] : item.dy[i] * item.y[i];
    });
    sum = team_reduce<Plan>(sum, scratch);
    if (row >= rows) return;

    in.visit([&](const Item& item, int c) {
        float out[V];
#pragma unroll
        for (int i = 0; i < V; ++i)
            out[i] = Log ? item.dy[i] - expf(item.y[i]) * sum : item.y[i] * (item.dy[i] - sum);
        store_chunk<V>(dx + offset + c, out);
    });
}

template <bool Log>
void forward(const Stream& stream, View y, CView x) {
    if (x.numel() == 0) return;
    const Index C = x.dim(-1), rows = x.numel() / C;
    with_float(x.dtype, [&]<class T>(std::type_identity<T>) {
        with_row_plan<T, 6>(C, chunks_fit<T>(C, y.as<T>(), x.as<T>()), [&]<class Plan>(Plan) {
            launch(stream, Plan::launch(rows), forward_rows<T, Plan, Log>, y.as<T>(), x.as<T>(),
                   rows, static_cast<int>(C));
        });
    });
}

template <bool Log>
void backward(const Stream& stream, View dx, CView dy, CView y) {
    if (y.numel() == 0) return;
    const Index C = y.dim(-1), rows = y.numel() / C;
    with_float(y.dtype, [&]<class T>(std::type_identity<T>) {
        const bool fits = chunks_fit<T>(C, dx.as<T>(), dy.as<T>(), y.as<T>());
        with_row_plan<T, 3>(C, fits, [&]<class Plan>(Plan) {
            launch(stream, Plan::launch(rows), backward_rows<T, Plan, Log>, dx.as<T>(), dy.as<T>(),
                   y.as<T>(), rows, static_cast<int>(C));
        });
    });
}

}  // namespace

void softmax_forward(const Stream& stream, View y, CView x) { forward<false>(stream, y, x); }
void log_softmax_forward(const Stream& stream, View y, CView x) { forward<true>(stream, y, x); }

void softmax_backward(const Stream& stream, View dx, CView dy, CView y) {
    backward<false>(stream, dx, dy, y);
}
void log_softmax_backward(const Stream& stream, View dx, CView dy, CView y) {
    backward<true>(stream, dx, dy, y);
}

}  // namespace fovea::kernels::cuda
