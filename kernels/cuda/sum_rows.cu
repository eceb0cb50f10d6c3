// y[o] (+)= scale * sum over t of x[o, t]: sums of rows, or of everything.
//
// A team of `width` neighbouring threads sums an output, a chunk of V elements a thread and step, four
// deep: part of a warp for short rows, a warp, or a block for long ones. Where the last summed axis
// does not lie dense in x, V is 1 and the access strided. Reads x once.
#include "kernels/cuda/reduce.cuh"
#include "kernels/cuda/sum_stage.cuh"

namespace fovea::kernels::cuda {
namespace {

constexpr int kDepth = 4;

/// Grid: teams' outputs; parts. Terms are counted in chunks: run_chunks a run of the last summed axis
/// (elements `step` apart), `chunks` an output, part_size a part.
template <int V, class T, class Y>
__global__ void __launch_bounds__(kSumThreads)
    row_kernel(Y* y, const T* __restrict__ x, const __grid_constant__ Walk<2> kept,
               const __grid_constant__ Walk<1> runs, const __grid_constant__ Divider run_chunks,
               Index step, Index outputs, Index chunks, Index part_size, int width, float scale,
               bool accumulate) {
    __shared__ float scratch[kSumThreads / kWarp];
    const int lane = static_cast<int>(threadIdx.x) % width;
    const Index output = static_cast<Index>(blockIdx.x) * (kSumThreads / width) +
                         static_cast<int>(threadIdx.x) / width;
    Index start[2] = {};
    if (output < outputs) kept.add_offsets(static_cast<std::uint32_t>(output), start);

    float sum[V] = {};
    const Index begin = blockIdx.y * part_size, end = min(chunks, begin + part_size);
    for (Index t = begin + lane; output < outputs && t < end; t += kDepth * width) {
        float value[kDepth][V] = {};
#pragma unroll
        for (int d = 0; d < kDepth; ++d) {
            if (t + d * width >= end) continue;
            const auto chunk = static_cast<std::uint32_t>(t + d * width);
            const std::uint32_t run = run_chunks.quotient(chunk);
            Index at[1] = {start[1] +
                           static_cast<Index>(chunk - run * run_chunks.divisor) * V * step};
            runs.add_offsets(run, at);
            load_chunk<V>(value[d], x + at[0]);
        }
#pragma unroll
        for (int e = 0; e < V; ++e)
            sum[e] += (value[0][e] + value[1][e]) + (value[2][e] + value[3][e]);
    }
    float total = sum[0];
#pragma unroll
    for (int e = 1; e < V; ++e) total += sum[e];
    if (width == kSumThreads)
        total = block_reduce<kSumThreads>(total, scratch);
    else
        for (int offset = width / 2; offset > 0; offset /= 2)
            total += __shfl_xor_sync(kAllLanes, total, offset);
    if (lane == 0 && output < outputs)
        write_sum(y + blockIdx.y * outputs + start[0], total, scale, accumulate);
}

/// Threads of a team.
int team(Index chunks) {
    constexpr Index kLong = 512;
    return chunks > kLong ? kSumThreads : power_of_two_from(std::min<Index>(chunks, kWarp));
}

template <int V, class T, class Y>
void launch_parts(const Stream& stream, const SumStage<T, Y>& stage, int width,
                  const Parts& parts) {
    const Index outputs = stage.kept.shape.numel();
    launch(stream,
           {dim3(static_cast<unsigned>(ceil_div(outputs, kSumThreads / width)),
                 static_cast<unsigned>(parts.count)),
            kSumThreads},
           row_kernel<V, T, Y>, stage.y, stage.x, Walk<2>(stage.kept),
           Walk<1>(stage.summed.outer()), Divider(stage.summed.shape[-1] / V),
           stage.summed.strides[0][-1], outputs, stage.summed.shape.numel() / V, parts.size, width,
           stage.scale, stage.accumulate);
}

}  // namespace

template <class T, class Y>
void sum_rows(const Stream& stream, const SumStage<T, Y>& stage) {
    with_sum_chunk(stage.x, stage.summed, stage.kept, [&](auto lanes) {
        constexpr int V = lanes.value;
        const Index chunks = stage.summed.shape.numel() / V, outputs = stage.kept.shape.numel();
        const int width = team(chunks);
        const Parts parts(ceil_div(outputs, kSumThreads / width), chunks, 8 * kSumThreads);
        if (parts.count == 1) return launch_parts<V>(stream, stage, width, parts);
        sum_in_parts(stream, stage, parts.count, [&](const SumStage<T, float>& first) {
            launch_parts<V>(stream, first, width, parts);
        });
    });
}

template void sum_rows(const Stream&, const SumStage<float, float>&);
template void sum_rows(const Stream&, const SumStage<float, BFloat16>&);
template void sum_rows(const Stream&, const SumStage<BFloat16, float>&);
template void sum_rows(const Stream&, const SumStage<BFloat16, BFloat16>&);

}  // namespace fovea::kernels::cuda
