// y[.., c] (+)= scale * sum over t of x[.., t, c]: sums of columns, of which a bias gradient
// [M,C] -> [C], a mean over tokens [B,N,C] -> [B,C] and the undoing of a broadcast are examples.
//
// A block of 256 threads owns width * V columns: `width` threads side by side, each with V columns of
// 16 bytes, and 256 / width rows at a time, four deep. The threads' sums meet in shuffles (rows in one
// warp), then in shared memory (rows in several), in a fixed order. Reads x once.
#include "kernels/cuda/reduce.cuh"
#include "kernels/cuda/sum_stage.cuh"

namespace fovea::kernels::cuda {
namespace {

constexpr int kDepth = 4;

/// Shared memory of the sums: (slot, element of the chunk, thread), a slot for each of the rows that a
/// block has in different warps. Padding puts the V elements of a thread into different banks.
template <int V>
struct Meeting {
    static constexpr int kPadding = V > 1 ? 32 / V : 0;
    static constexpr int kSize = kSumThreads * V + 8 * V * kPadding;

    int width;
    __device__ int at(int slot, int e, int thread) const {
        return (slot * V + e) * (width + kPadding) + thread;
    }
};

/// Grid: column blocks (fastest) times outer outputs; parts. Terms of a part: part_size.
template <int V, class T, class Y>
__global__ void __launch_bounds__(kSumThreads)
    column_kernel(Y* y, const T* __restrict__ x, const __grid_constant__ Walk<2> outer,
                  const __grid_constant__ Walk<1> terms, const __grid_constant__ Divider blocks,
                  Index columns, Index y_step, Index count, Index part_size, Index part_stride,
                  int width, float scale, bool accumulate) {
    __shared__ float sums[Meeting<V>::kSize];
    const int thread = static_cast<int>(threadIdx.x) % width;
    const int row = static_cast<int>(threadIdx.x) / width, rows = kSumThreads / width;
    const std::uint32_t output = blocks.quotient(blockIdx.x);
    const Index first_column = static_cast<Index>(blockIdx.x - output * blocks.divisor) * width * V;
    const Index column = first_column + thread * V;
    Index start[2] = {0, column};
    outer.add_offsets(output, start);

    float sum[V] = {};
    const Index begin = blockIdx.y * part_size, end = min(count, begin + part_size);
    for (Index t = begin + row; column < columns && t < end; t += kDepth * rows) {
        float value[kDepth][V] = {};
#pragma unroll
        for (int d = 0; d < kDepth; ++d) {
            if (t + d * rows >= end) continue;
            Index at[1] = {start[1]};
            terms.add_offsets(static_cast<std::uint32_t>(t + d * rows), at);
            load_chunk<V>(value[d], x + at[0]);
        }
#pragma unroll
        for (int e = 0; e < V; ++e)
            sum[e] += (value[0][e] + value[1][e]) + (value[2][e] + value[3][e]);
    }
    for (int offset = width; offset < kWarp; offset *= 2)
#pragma unroll
        for (float& s : sum) s += __shfl_xor_sync(kAllLanes, s, offset);

    const Meeting<V> meeting{width};
    const int apart = max(width, kWarp), slot = static_cast<int>(threadIdx.x) / apart;
    if (static_cast<int>(threadIdx.x) % apart < width)
#pragma unroll
        for (int e = 0; e < V; ++e) sums[meeting.at(slot, e, thread)] = sum[e];
    __syncthreads();
    for (int c = static_cast<int>(threadIdx.x); c < width * V; c += kSumThreads) {
        if (first_column + c >= columns) break;
        float total = 0.0F;
        for (int s = 0; s < kSumThreads / apart; ++s) total += sums[meeting.at(s, c % V, c / V)];
        write_sum(y + blockIdx.y * part_stride + start[0] + (first_column + c) * y_step, total,
                  scale, accumulate);
    }
}

/// How a block's threads are laid over the columns.
struct Plan {
    int width;            ///< threads side by side, a power of two
    Index columns;        ///< of a block
    Index column_blocks;  ///< of a row
    Index blocks;

    template <class T, class Y>
    Plan(const SumStage<T, Y>& stage, int V) {
        const Index n = stage.kept.shape[-1], terms = stage.summed.shape.numel();
        width = kSumThreads / power_of_two_from(std::min<Index>(terms, 8));
        width = std::min(width, power_of_two_from(ceil_div(n, V)));
        columns = static_cast<Index>(width) * V;
        column_blocks = ceil_div(n, columns);
        blocks = column_blocks * stage.kept.outer().shape.numel();
    }
};

template <int V, class T, class Y>
void launch_parts(const Stream& stream, const SumStage<T, Y>& stage, const Plan& plan,
                  const Parts& parts) {
    launch(
        stream,
        {dim3(static_cast<unsigned>(plan.blocks), static_cast<unsigned>(parts.count)), kSumThreads},
        column_kernel<V, T, Y>, stage.y, stage.x, Walk<2>(stage.kept.outer()),
        Walk<1>(stage.summed), Divider(plan.column_blocks), stage.kept.shape[-1],
        stage.kept.strides[0][-1], stage.summed.shape.numel(), parts.size, stage.kept.shape.numel(),
        plan.width, stage.scale, stage.accumulate);
}

}  // namespace

template <class T, class Y>
void sum_columns(const Stream& stream, const SumStage<T, Y>& stage) {
    with_sum_chunk(stage.x, stage.kept, stage.summed, [&](auto lanes) {
        constexpr int V = lanes.value;
        const Plan plan(stage, V);
        const Parts parts(plan.blocks, stage.summed.shape.numel(),
                          16 * Index{kSumThreads} / plan.width);
        if (parts.count == 1) return launch_parts<V>(stream, stage, plan, parts);
        sum_in_parts(stream, stage, parts.count, [&](const SumStage<T, float>& first) {
            launch_parts<V>(stream, first, plan, parts);
        });
    });
}

template void sum_columns(const Stream&, const SumStage<float, float>&);
template void sum_columns(const Stream&, const SumStage<float, BFloat16>&);
template void sum_columns(const Stream&, const SumStage<BFloat16, float>&);
template void sum_columns(const Stream&, const SumStage<BFloat16, BFloat16>&);

}  // namespace fovea::kernels::cuda
