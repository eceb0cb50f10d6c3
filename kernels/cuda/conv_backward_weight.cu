// Gradients of a convolution for its weights and its bias:
//   dw[o, r, s, i] (+)= sum over pixels (n, p, q) of dy[n, p, q, o] x[n, h, w, i],
//                       h = p stride - padding + r dilation (rows outside x are zeros)
//   dbias[o]       (+)= sum over pixels of dy[n, p, q, o]
//
// Implicit GEMM on CUDA cores: rows = (r, s, i) of a group of channels, columns = o, summed over
// pixels. A block is two or three teams of 128 threads. All have the same 128 weights x 64 outputs; each
// sums over a slice of the pixels of its own, and their sums meet in shared memory, in order. That fills
// a multiprocessor with one block, so that few blocks must meet in global memory, also in order: as
// parts of a product that is cut along the summed axis (split_sums.h). How it is cut depends on the
// shape, and on whether chunks of 16 bytes are possible. dy's column sums are taken on the way, from
// shared memory, by the blocks of the first 128 weights. Blocks of one part are neighbours: x and dy
// come from memory once and again from L2.
#include "kernels/cuda/conv_paths.h"
#include "kernels/cuda/conv_weight_operands.cuh"
#include "kernels/cuda/split_sums.cuh"

namespace fovea::kernels::cuda {
namespace {

template <int Teams>
struct WeightMemory {
    union {
        TileMemory tiles[Teams];
        float sums[kTileColumns][kTileRows];  // quads of a row are permuted, see `quad_at`
    };
    float bias_sums[kTileColumns];
    unsigned number;  // of the block's work
};

/// Where four neighbouring weights of an output lie in WeightMemory::sums: neither eight outputs that are
/// written nor eight quads that are read at once meet in a bank.
__device__ __forceinline__ int quad_at(int output, int weight) {
    return weight ^ output / 4 % 8 * 4;
}

/// This thread's sums, those of the teams before added, as [output][weight].
template <int Teams>
__device__ __forceinline__ void meet(WeightMemory<Teams>& memory, const Sums& sum, bool first) {
#pragma unroll
    for (int j = 0; j < 8; ++j)
#pragma unroll
        for (int half = 0; half < 2; ++half) {
            const int output = tile_column(j), weight = tile_row(4 * half);
            float* at = memory.sums[output] + quad_at(output, weight);
            float x[4] = {};
            if (!first) load<4>(x, at);
            store_shared(at, x[0] + sum[4 * half][j], x[1] + sum[4 * half + 1][j],
                         x[2] + sum[4 * half + 2][j], x[3] + sum[4 * half + 3][j]);
        }
}

/// What a block owns, by the number of its work: weights fastest, then outputs, groups, parts. The
/// number is read anew from shared memory each time: registers are scarce in between.
struct WeightPlace {
    int first_weight, first_output, group;
    unsigned part, tile;

    __device__ __forceinline__ WeightPlace(const WeightShape& shape,
                                           const unsigned& shared_number) {
        const unsigned number = *static_cast<const volatile unsigned*>(&shared_number);
        Digits digits(number);
        first_weight = digits.next(shape.weight_tiles) * kTileRows;
        first_output = digits.next(shape.output_tiles) * kTileColumns;
        group = digits.next(shape.groups);
        part = static_cast<unsigned>(digits.rest());
        tile =
            number % static_cast<unsigned>(shape.weight_tiles * shape.output_tiles * shape.groups);
    }
};

/// given: c = dw as [O, depth], row_sums = dbias or null. Block: (128, Teams).
template <class T, bool Vector, int Teams>
__global__ __launch_bounds__(kTileThreads* Teams, 1) void weight_gradient(const GemmProblem given,
                                                                          const Split split,
                                                                          const T* __restrict__ dy,
                                                                          const T* __restrict__ x,
                                                                          const WeightShape shape) {
    extern __shared__ __align__(16) unsigned char shared[];
    auto& memory = *reinterpret_cast<WeightMemory<Teams>*>(shared);
    GemmProblem p = given;  // as the compiler should know it: dw = sums, or dw += sums
    p.bias = nullptr;
    p.pre = nullptr;
    p.f = Unary::Identity;
    p.alpha = 1.0F;

    if (is_first_thread()) memory.number = number_of_work(split);
    __syncthreads();
    const WeightPlace place(shape, memory.number);
    const int thread = static_cast<int>(threadIdx.x), team = static_cast<int>(threadIdx.y);

    const int image_pixels = shape.rows.outputs * shape.columns.outputs;
    const Index slice_pixels = Index{shape.steps} * kTileDepth;
    const Index first_pixel = (Index{place.part} * Teams + team) * slice_pixels;
    Slice slice;
    slice.image = first_pixel / image_pixels;
    slice.first = static_cast<int>(first_pixel - slice.image * image_pixels);
    slice.count = static_cast<int>(max(min(slice_pixels, shape.pixels - first_pixel), Index{0}));

    const Index image_inputs = Index{shape.rows.inputs} * shape.columns.inputs;
    const int outputs = shape.groups * shape.outputs;
    WindowOperand<T, Vector> a(
        x + (slice.image * image_inputs * shape.groups + place.group) * shape.inputs, shape, slice,
        place.first_weight);
    GradientOperand<T, Vector> b(dy + first_pixel * outputs + place.group * shape.outputs, shape,
                                 slice, place.first_output);
    Sums sum = {};
    float bias_sum = 0.0F;
    const bool sums_bias =
        p.row_sums != nullptr && place.first_weight == 0 && thread < kTileColumns;
    // As many steps for every team: they meet at the same barriers.
    accumulate<kLanes<T>>(sum, memory.tiles[team], a, b, shape.steps, [&](const auto& stage) {
        if (!sums_bias) return;
#pragma unroll
        for (int k = 0; k < kTileDepth; ++k) bias_sum += stage[k][swizzled<kLanes<T>>(k, thread)];
    });

#pragma unroll 1
    for (int t = 0; t < Teams; ++t) {
        if (team == t) {
            meet(memory, sum, t == 0);
            if (sums_bias)
                memory.bias_sums[thread] = t == 0 ? bias_sum : memory.bias_sums[thread] + bias_sum;
        }
        __syncthreads();
    }

    const auto outputs_of = [&](const WeightPlace& own) {  // the first, and the end
        const int first = own.group * shape.outputs + own.first_output;
        return int2{first, min(first + kTileColumns, (own.group + 1) * shape.outputs)};
    };
    const int worker = static_cast<int>(threadIdx.y) * kTileThreads + static_cast<int>(threadIdx.x);
    const auto link = [&] {
        const WeightPlace own(shape, memory.number);
        return Link(split, own.tile, own.part);
    };
    bring_home(
        split, link,
        [&] {
            const WeightPlace own(shape, memory.number);
            const Link at(split, own.tile, own.part);
            const auto [first, end] = outputs_of(own);
            if (sums_bias && team == 0 && first + thread < end)
                put_row_sum(p, split, at, first + thread, memory.bias_sums[thread]);
#pragma unroll 1
            for (int q = worker; q < (end - first) * (kTileRows / 4); q += kTileThreads * Teams) {
                const int output = q / (kTileRows / 4), weight = q % (kTileRows / 4) * 4;
                const int count = min(shape.depth - own.first_weight - weight, 4);
                if (count <= 0) continue;
                float y[4];
                load<4>(y, memory.sums[output] + quad_at(output, weight));
                put(p, split, at, y, 0, first + output, own.first_weight + weight, count,
                    shape.quads);
            }
        },
        [&] {
            const WeightPlace own(shape, memory.number);
            const auto [first, end] = outputs_of(own);
            add_chains<kTileRows, kTileThreads * Teams>(
                p, split, worker, 0, first, end, own.first_weight, shape.quads,
                p.row_sums != nullptr && own.first_weight == 0);
        });
}

constexpr Index kLeastPixels = 128, kMostPixels = Index{1} << 29;  // of a slice

template <class T, bool Vector>
void run(const Stream& stream, const GemmProblem& p, const T* dy, const T* x, WeightShape& shape) {
    constexpr int teams = Vector ? 3 : 2;  // as many as a multiprocessor has registers for
    const Index tiles = Index{shape.weight_tiles} * shape.output_tiles * shape.groups;
    const TileCost cost = {.sums = kTileRows * kTileColumns,
                           .depth = teams * kTileDepth,
                           .busy = 1,
                           .least = kLeastPixels / kTileDepth,
                           .most = kMostPixels / kTileDepth};
    const Split split =
        split_sums(stream, p, tiles, ceil_div(shape.pixels, teams * kTileDepth), cost);
    shape.steps = static_cast<int>(split.steps);
    launch(
        stream,
        {dim3(count(tiles * split.parts)), dim3(kTileThreads, teams), sizeof(WeightMemory<teams>)},
        weight_gradient<T, Vector, teams>, p, split, dy, x, shape);
}

}  // namespace

void gemm_conv_backward_weight(const Stream& stream, View dw, View dbias, CView dy, CView x,
                               const ConvParams& params, GradMode mode) {
    WeightShape shape;
    shape.rows = axis_shape(0, x, dy, dw, params);
    shape.columns = axis_shape(1, x, dy, dw, params);
    shape.image = Divider(dy.dim(1) * dy.dim(2));
    shape.line = Divider(dy.dim(2));
    shape.pixels = dy.dim(0) * dy.dim(1) * dy.dim(2);
    shape.groups = narrow(params.groups);
    shape.inputs = narrow(x.dim(3) / params.groups);
    shape.channels = narrow(x.dim(3));
    shape.outputs = narrow(dy.dim(3) / params.groups);
    shape.depth = narrow(dw.dim(1) * dw.dim(2) * dw.dim(3));
    shape.weight_tiles = narrow(ceil_div(shape.depth, kTileRows));
    shape.output_tiles = narrow(ceil_div(shape.outputs, kTileColumns));
    shape.quads = shape.depth % 4 == 0 &&
                  reinterpret_cast<std::uintptr_t>(dw.data) % (4 * size_of(dw.dtype)) == 0;

    const GemmProblem p = {.B = 1,
                           .M = dy.dim(3),
                           .N = shape.depth,
                           .K = shape.pixels,
                           .a = {},
                           .b = {},
                           .c = dw.data,
                           .c_row_stride = shape.depth,
                           .c_batch_stride = 0,
                           .in = dy.dtype,
                           .out = dw.dtype,
                           .accumulate = mode == GradMode::Accumulate,
                           .row_sums = dbias.as<float>()};
    with_float(dy.dtype, [&]<class T>(std::type_identity<T>) {
        const bool vector = shape.inputs % kLanes<T> == 0 && shape.outputs % kLanes<T> == 0 &&
                            aligned16(x.data) && aligned16(dy.data);
        with_bool(vector, [&]<bool Vector>(std::bool_constant<Vector>) {
            run<T, Vector>(stream, p, dy.as<T>(), x.as<T>(), shape);
        });
    });
}

}  // namespace fovea::kernels::cuda
