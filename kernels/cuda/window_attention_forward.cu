// Window attention on CUDA cores, forward: o and lse per image, window and head, from qkv [B,H,W,3*C]
// and the bias table [table rows, heads]; see kernels/include/window_attention.h.
//
// A block owns up to 64 queries of one head in each of some windows, one after another; roll and
// partition are addresses (window_attention.cuh), the rest is attention_forward.cuh. Rows of a head
// are 2 D or 4 D contiguous bytes; blocks of the other heads of a window run beside. Bits do not depend
// on how many windows a block takes.
// Global memory: qkv is read once (k and v once for every 64 queries), o and lse are written once.
#include "kernels/cuda/attention_forward.cuh"
#include "kernels/cuda/window_attention.cuh"

namespace fovea::kernels::cuda {
namespace {

using namespace attention;

/// grid: heads fastest, then tiles of queries, then groups of windows.
template <class T, int Cap>
__global__ void __launch_bounds__(kThreads<kForwardRows<Cap>>, Cap <= 64 ? 3 : 2)
    forward(T* __restrict__ o, float* __restrict__ lse, const T* __restrict__ qkv,
            const float* __restrict__ table, const WindowSizes s, const Index windows_each,
            const bool vector) {
    extern __shared__ __align__(16) float shared[];
    Index block = blockIdx.x;
    const Index head = block % s.heads;
    block /= s.heads;
    const Index first_query = block % s.tiles() * kTile, group = block / s.tiles();
    const Index end = min(s.windows, (group + 1) * windows_each);

    WindowState state(shared + kForwardFloats<Cap>, s);
    state.load_bias(table, head);
    for (Index window = group * windows_each; window < end; ++window) {
        __syncthreads();
        state.enter(window);
        __syncthreads();
        const Index first = head * s.D;
        const ForwardRows<WindowRows<const T>, WindowRows<T>> rows = {
            .q = state.rows(qkv, 3 * s.C, first),
            .k = state.rows(qkv, 3 * s.C, s.C + first),
            .v = state.rows(qkv, 3 * s.C, 2 * s.C + first),
            .o = state.rows(o, s.C, first),
            .lse = lse == nullptr ? nullptr : lse + (window * s.heads + head) * s.tokens,
            .queries = s.tokens,
            .keys = s.tokens,
            .D = s.D,
            .vector = vector};
        forward_tile<Cap>(shared, rows, first_query, state.scores());
    }
}

}  // namespace

void window_attention_forward(const Stream& stream, View o, View lse, CView qkv, CView table,
                              const WindowParams& params) {
    if (o.numel() == 0) return;
    const WindowSizes s(qkv, params);
    const bool vector =
        in_fours(o.data, o.dtype, s.D, s.C) && in_fours(qkv.data, qkv.dtype, s.D, s.C);
    const Index blocks_a_window = s.heads * s.tiles();
    const Index each = windows_a_block(s, blocks_a_window, 132 * 16, 16);
    with_float(qkv.dtype, [&]<class T>(std::type_identity<T>) {
        with_cap(s.D, [&](auto cap) {
            constexpr int Cap = decltype(cap)::value;
            launch(stream,
                   {dim3(static_cast<unsigned>(ceil_div(s.windows, each) * blocks_a_window)),
                    dim3(kThreads<kForwardRows<Cap>>),
                    kForwardFloats<Cap> * sizeof(float) + s.shared_bytes()},
                   forward<T, Cap>, o.as<T>(), lse.as<float>(), qkv.as<T>(), table.as<float>(), s,
                   each, vector);
        });
    });
}

}  // namespace fovea::kernels::cuda
