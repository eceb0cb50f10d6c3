// The tiled matrix product on CUDA cores: c [B,M,N] (+)= f(alpha a [B,M,K] b [B,K,N] + bias [N]) for
// any layout, alignment and size of F32 or BF16 operands, summed in F32.
//
// A block owns 128 x 128 sums (64 x 64 where those would leave the device idle) and one part of k; each
// of its threads owns 8 x 8 (8 x 4) of them in registers. Slices of 16 k are double-buffered in shared
// memory: while one is multiplied, the next is on its way from global memory. A thread makes 64
// multiply-adds from four 16-byte loads of shared memory.
// Few tiles and a long k (gradients of weights): k is cut into parts, whose sums meet in memory, in
// order (split_sums.h). How many parts there are depends on the shape alone, so the bits do as well.
// The sums leave through shared memory, in whole rows; epilogue and rounding happen on the way.
// Global memory: a is read ceil(N / 128) times and b ceil(M / 128) times, all but the first mostly
// from the L2 cache (neighbouring blocks share rows of a); c is written once.
#include <algorithm>

#include "kernels/cuda/gemm.h"
#include "kernels/cuda/gemm_tiled.cuh"
#include "kernels/cuda/split_sums.cuh"

namespace fovea::kernels::cuda {
namespace {

using LargeTile = TileShape<128, 128, 8, 8>;
using SmallTile = TileShape<64, 64, 8, 4>;

/// How the problem is cut up.
struct TilePlan {
    unsigned row_tiles, column_tiles;
    Split split;
    bool vector_a, vector_b, vector_c;  ///< may four elements be accessed at once?
};

/// What a block owns, by the number of its work: column tiles fastest, then row tiles, parts of k,
/// batches. The number is read anew from shared memory each time: kept through the multiplication, these
/// four would need registers that there are not.
struct Place {
    unsigned row_tile, column_tile, part, batch;

    __device__ __forceinline__ Place(const TilePlan& plan, const unsigned& number) {
        unsigned block = *static_cast<const volatile unsigned*>(&number);
        column_tile = block % plan.column_tiles;
        block /= plan.column_tiles;
        row_tile = block % plan.row_tiles;
        block /= plan.row_tiles;
        part = block % plan.split.parts;
        batch = block / plan.split.parts;
    }

    __device__ __forceinline__ Link link(const TilePlan& plan) const {
        return {plan.split, (batch * plan.row_tiles + row_tile) * plan.column_tiles + column_tile,
                part};
    }
};

/// Element (line, k) of an operand whose lines are rows if `along_k`, and columns otherwise.
template <class T>
__device__ __forceinline__ const T* first_of(const GemmOperand& x, Index batch, Index line, Index k,
                                             bool along_k) {
    const T* matrix = static_cast<const T*>(x.data) + batch * x.batch_stride;
    return along_k ? matrix + line * x.row_stride + k : matrix + k * x.row_stride + line;
}

template <int Limit>
__device__ __forceinline__ int within(Index left) {
    return static_cast<int>(min(left, static_cast<Index>(Limit)));
}

/// Group g of this thread's rows of sums into [GroupRows][Columns] of shared memory.
template <class Shape>
__device__ __forceinline__ void put_group(float* shared,
                                          const float (&sum)[Shape::RowsEach][Shape::ColumnsEach],
                                          int g, int row, int column) {
#pragma unroll
    for (int i = 0; i < 4; ++i)
#pragma unroll
        for (int h = 0; h < Shape::ColumnGroups; ++h) {
            const float* x = sum[4 * g + i] + 4 * h;
            store_shared(shared + (row + i) * Shape::Columns + h * Shape::GroupColumns + column,
                         x[0], x[1], x[2], x[3]);
        }
}

/// The tile's sums go through shared memory, so that they leave in whole rows.
template <class Shape>
__device__ __forceinline__ void put_tile(const GemmProblem& p, const TilePlan& plan,
                                         const unsigned& number, float* shared,
                                         const float (&sum)[Shape::RowsEach][Shape::ColumnsEach],
                                         int row, int column) {
    const Place place(plan, number);
    constexpr int quads = Shape::Columns / 4;
    // One group of rows at a time: [GroupRows][Columns] just fills the slices' memory.
#pragma unroll 1
    for (int group = 0; group < Shape::RowGroups; ++group) {
        if (group > 0) __syncthreads();
#pragma unroll
        for (int g = 0; g < Shape::RowGroups; ++g)
            if (g == group) put_group<Shape>(shared, sum, g, row, column);
        __syncthreads();
#pragma unroll 1
        for (int q = static_cast<int>(threadIdx.x); q < Shape::GroupRows * quads;
             q += Shape::Threads) {
            const Index r = static_cast<Index>(place.row_tile) * Shape::Rows +
                            group * Shape::GroupRows + q / quads;
            const Index c = static_cast<Index>(place.column_tile) * Shape::Columns + q % quads * 4;
            const int count = within<4>(p.N - c);
            if (r >= p.M || count <= 0) continue;
            float x[4];
            load(x, shared + q * 4);
            put(p, plan.split, place.link(plan), x, place.batch, r, c, count, plan.vector_c);
        }
    }
}

/// Thread t has the sum over this part of k of the tile's row t.
template <class Shape>
__device__ __forceinline__ void put_row_sum(const GemmProblem& p, const TilePlan& plan,
                                            const unsigned& number, float sum) {
    const Place place(plan, number);
    const Index row = static_cast<Index>(place.row_tile) * Shape::Rows + threadIdx.x;
    if (threadIdx.x < Shape::Rows && row < p.M)
        put_row_sum(p, plan.split, place.link(plan), row, sum);
}

/// A block for each tile of each batch and part of k.
template <class T, class Shape, Lines kLinesA, Lines kLinesB>
__global__ void __launch_bounds__(Shape::Threads, Shape::Threads == 256 ? 2 : 4)
    tiled_product(const GemmProblem p, const TilePlan plan) {
    __shared__ __align__(16) float shared[2 * kDepth * (Shape::Rows + Shape::Columns)];
    float* const a_slices = shared;  // [2][16][Rows]
    float* const b_slices = shared + 2 * kDepth * Shape::Rows;

    __shared__ unsigned number;

    if (threadIdx.x == 0) number = number_of_work(plan.split);
    __syncthreads();
    const Place place(plan, number);
    const Index first_row = static_cast<Index>(place.row_tile) * Shape::Rows;
    const Index first_column = static_cast<Index>(place.column_tile) * Shape::Columns;
    const Index k_begin = place.part * plan.split.steps * kDepth;
    const bool sums_rows = p.row_sums != nullptr && place.column_tile == 0;
    const int depth = static_cast<int>(min(p.K - k_begin, plan.split.steps * kDepth));

    SliceReader<T, Shape::Rows, Shape::Threads, kLinesA> a(
        first_of<T>(p.a, place.batch, first_row, k_begin, !p.a.transposed), p.a.row_stride,
        within<Shape::Rows>(p.M - first_row), depth, !p.a.transposed, plan.vector_a);
    SliceReader<T, Shape::Columns, Shape::Threads, kLinesB> b(
        first_of<T>(p.b, place.batch, first_column, k_begin, p.b.transposed), p.b.row_stride,
        within<Shape::Columns>(p.N - first_column), depth, p.b.transposed, plan.vector_b);

    const int thread = static_cast<int>(threadIdx.x), warp = thread / 32, lane = thread % 32;
    constexpr int warp_columns = Shape::ThreadColumns / 8;
    const int row = (warp / warp_columns * 4 + lane / 8) * 4;
    const int column = (warp % warp_columns * 8 + lane % 8) * 4;

    float sum[Shape::RowsEach][Shape::ColumnsEach] = {};
    float row_sum = 0.0F;  // of row `thread` of the tile
    a.read();
    b.read();
    a.write(a_slices);
    b.write(b_slices);
    __syncthreads();
    int buffer = 0;
    for (int k = 0; k < depth; k += kDepth) {
        const bool more = k + kDepth < depth;
        const float* a_slice = a_slices + buffer * kDepth * Shape::Rows;
        const float* b_slice = b_slices + buffer * kDepth * Shape::Columns;
        buffer ^= 1;
        // One operand's next slice is under way at a time: fewer registers.
        if (more) a.read();
        multiply_slices<Shape, 0, kDepth / 2>(sum, a_slice, b_slice, row, column);
        if (more) {
            a.write(a_slices + buffer * kDepth * Shape::Rows);
            b.read();
        }
        multiply_slices<Shape, kDepth / 2, kDepth>(sum, a_slice, b_slice, row, column);
        if (more) b.write(b_slices + buffer * kDepth * Shape::Columns);
        if (sums_rows && thread < Shape::Rows) {
#pragma unroll
            for (int i = 0; i < kDepth; ++i)
                row_sum += a_slice[i * Shape::Rows + (thread ^ swizzle(i))];
        }
        __syncthreads();
    }

    bring_home(
        plan.split, [&] { return Place(plan, number).link(plan); },
        [&] {
            if (sums_rows) put_row_sum<Shape>(p, plan, number, row_sum);
            put_tile<Shape>(p, plan, number, shared, sum, row, column);
        },
        [&] {
            const Place place(plan, number);
            const Index first = static_cast<Index>(place.row_tile) * Shape::Rows;
            add_chains<Shape::Columns, Shape::Threads>(
                p, plan.split, static_cast<int>(threadIdx.x), place.batch, first,
                min(p.M, first + Shape::Rows),
                static_cast<Index>(place.column_tile) * Shape::Columns, plan.vector_c,
                p.row_sums != nullptr && place.column_tile == 0);
        });
}

bool fours(const void* data, Index row_stride, Index batch_stride, DType dtype) {
    return reinterpret_cast<std::uintptr_t>(data) % (4 * size_of(dtype)) == 0 &&
           row_stride % 4 == 0 && batch_stride % 4 == 0;
}
bool fours(const GemmOperand& x, DType dtype) {
    return fours(x.data, x.row_stride, x.batch_stride, dtype);
}

constexpr Index kEnoughBlocks = 132;  // a device's multiprocessors; a constant, for the same bits
constexpr Index kShortestPart = 256, kLongestPart = Index{1} << 30;  // of k

Index most_parts(const GemmProblem& p) {
    return std::clamp<Index>(p.K / kShortestPart, 1, kEnoughBlocks);
}

template <class Shape>
Index tiles(const GemmProblem& p) {
    return p.B * ceil_div(p.M, Shape::Rows) * ceil_div(p.N, Shape::Columns);
}

template <class Shape>
TilePlan plan_for(const Stream& stream, const GemmProblem& p) {
    const TileCost cost = {.sums = Shape::Rows * Shape::Columns,
                           .depth = kDepth,
                           .busy = 256 / Shape::Threads,
                           .least = kShortestPart / kDepth,
                           .most = kLongestPart / kDepth};
    return {.row_tiles = static_cast<unsigned>(ceil_div(p.M, Shape::Rows)),
            .column_tiles = static_cast<unsigned>(ceil_div(p.N, Shape::Columns)),
            .split = split_sums(stream, p, tiles<Shape>(p), ceil_div(p.K, kDepth), cost),
            .vector_a = fours(p.a, p.in),
            .vector_b = fours(p.b, p.in),
            .vector_c = fours(p.c, p.c_row_stride, p.c_batch_stride, p.out)};
}

template <class Shape, Lines kLinesA, Lines kLinesB>
void run(const Stream& stream, const GemmProblem& p) {
    const TilePlan plan = plan_for<Shape>(stream, p);
    const Launch how = {dim3(plan.split.tiles * plan.split.parts), dim3(Shape::Threads)};
    with_float(p.in, [&]<class T>(std::type_identity<T>) {
        launch(stream, how, tiled_product<T, Shape, kLinesA, kLinesB>, p, plan);
    });
}

/// Are all lines of the operand, `length` elements each, whole aligned quads?
bool whole_quads(const GemmOperand& x, Index length, DType dtype) {
    return length % 4 == 0 && fours(x, dtype);
}

}  // namespace

void gemm_tiled(const Stream& stream, const GemmProblem& p) {
    if (p.B == 0 || p.M == 0 || p.N == 0) return;
    using enum Lines;
    const bool large = std::min(p.M, p.N) > SmallTile::Rows &&
                       tiles<LargeTile>(p) * most_parts(p) >= kEnoughBlocks &&
                       whole_quads(p.a, p.a.transposed ? p.M : p.K, p.in) &&
                       whole_quads(p.b, p.b.transposed ? p.K : p.N, p.in);
    if (large && !p.a.transposed && p.b.transposed)  // forward
        run<LargeTile, AlongK, AlongK>(stream, p);
    else if (large && !p.a.transposed)  // gradient of the input
        run<LargeTile, AlongK, AcrossK>(stream, p);
    else if (large && !p.b.transposed)  // gradient of the weights
        run<LargeTile, AcrossK, AcrossK>(stream, p);
    else
        run<SmallTile, Any, Any>(stream, p);
}

}  // namespace fovea::kernels::cuda
