// Gradients of a convolution for its weights and its bias:
//   dw[o, r, s, i] (+)= sum over pixels (n, p, q) of dy[n, p, q, o] x[n, h, w, i],
//                       h = p stride - padding + r dilation (rows outside x are zeros)
//   dbias[o]       (+)= sum over pixels of dy[n, p, q, o]
//
// Implicit GEMM on CUDA cores: rows = (r, s, i) of a group, columns = o, summed over pixels. A
// block owns 128 weights x 64 outputs of one group and one slice of the pixels (split-K), and
// writes its float sums to partials [slices, O, R S I / groups]; conv_slices.cu adds the slices in
// order. The number of slices depends on the shape alone, so all bits do. dy's column sums are
// taken on the way, from shared memory, by the blocks of the first 128 weights. Blocks of one slice
// are neighbours: x and dy come from memory once and again from L2.
#include "kernels/cuda/conv_axis.cuh"
#include "kernels/cuda/conv_paths.h"
#include "kernels/cuda/conv_slices.h"
#include "kernels/cuda/conv_tile.cuh"
#include "kernels/cuda/reduce.cuh"
#include "kernels/cuda/strided.cuh"
#include "kernels/cuda/workspace.h"

namespace fovea::kernels::cuda {
namespace {

struct WeightShape {
    AxisShape rows, columns;
    Divider image, line;          // pixels of y in an image, in a line
    Index pixels;                 // N P Q
    int groups, inputs, outputs;  // channels of a group of x, of y
    int channels;                 // of x
    int depth;                    // weights of an output: R S I / groups
    int weight_tiles, output_tiles;
    int slice;  // pixels of a slice, a multiple of kTileDepth
};

/// The pixels of one slice, counted from the first image they touch.
struct Slice {
    Index image;       // that image
    int first, count;  // pixels
};

/// Where an operand's elements of a step lie: along k in rows of threads, along i in chunks.
template <class T, bool Vector, int Width>
struct Spread {
    static constexpr int chunk = Vector ? kLanes<T> : 1;
    static constexpr int across = Width / chunk;           // threads that share a k
    static constexpr int k_apart = kTileThreads / across;  // between a thread's elements
    static constexpr int count = kTileDepth / k_apart;
    using Element = std::conditional_t<Vector, uint4, T>;

    __device__ static int i() { return static_cast<int>(threadIdx.x) % across * chunk; }
    __device__ static int k(int j) { return static_cast<int>(threadIdx.x) / across + j * k_apart; }
    __device__ static Element read(const T* p) {
        return p ? *reinterpret_cast<const Element*>(p) : Element{};
    }
    __device__ static void store(float (&stage)[kTileDepth][Width],
                                 const Element (&elements)[count]) {
#pragma unroll
        for (int j = 0; j < count; ++j) {
            if constexpr (Vector)
                store_along_i<T>(stage, k(j), i(), elements[j]);
            else
                stage[k(j)][swizzled<kLanes<T>>(k(j), i())] = to_float(elements[j]);
        }
    }
};

/// A: what weight (r, s, channel) meets at every pixel. A step's 16 windows (where a pixel's taps
/// begin in x) are worked out by a lane each and handed round by shuffles.
template <class T, bool Vector>
class WindowOperand {
public:
    /// x: the group's first channel of the slice's first image.
    __device__ WindowOperand(const T* x, const WeightShape& shape, const Slice& slice,
                             int first_weight)
        : shape_(shape), slice_(slice) {
        const int weight = first_weight + Place::i();
        const int tap = weight / shape.inputs;
        const int r = tap / shape.columns.kernel, s = tap % shape.columns.kernel;
        row_ = r * shape.rows.dilation - shape.rows.padding;
        column_ = s * shape.columns.dilation - shape.columns.padding;
        x_ = x + (Index{row_} * shape.columns.inputs + column_) * shape.channels +
             weight % shape.inputs;
        if (weight >= shape.depth) row_ = kOutside;
    }
    __device__ __forceinline__ void fetch() {
        const Window own = window(step_ + static_cast<int>(threadIdx.x) % kTileDepth);
#pragma unroll
        for (int j = 0; j < Place::count; ++j) {
            const int lane = Place::k(j);
            const int h = row_ + __shfl_sync(kAllLanes, own.row, lane);
            const int w = column_ + __shfl_sync(kAllLanes, own.column, lane);
            const Index origin = __shfl_sync(kAllLanes, own.origin, lane);
            const bool inside =
                static_cast<unsigned>(h) < static_cast<unsigned>(shape_.rows.inputs) &&
                static_cast<unsigned>(w) < static_cast<unsigned>(shape_.columns.inputs);
            elements_[j] = Place::read(inside ? x_ + origin : nullptr);
        }
        step_ += kTileDepth;
    }
    __device__ __forceinline__ void store(float (&stage)[kTileDepth][kTileRows]) const {
        Place::store(stage, elements_);
    }

private:
    using Place = Spread<T, Vector, kTileRows>;
    static constexpr int kOutside = -(1 << 30);

    struct Window {
        int row, column;
        Index origin;  // the offset of that element
    };

    /// Pixel k of the slice, the padding not counted.
    __device__ __forceinline__ Window window(int k) const {
        const int pixel = slice_.first + k;
        const int image = quotient(shape_.image, pixel);
        const int at = pixel - image * shape_.rows.outputs * shape_.columns.outputs;
        const int p = quotient(shape_.line, at), q = at - p * shape_.columns.outputs;
        const int row = p * shape_.rows.stride, column = q * shape_.columns.stride;
        const Index line = Index{image} * shape_.rows.inputs + row;
        return {k < slice_.count ? row : kOutside, column,
                (line * shape_.columns.inputs + column) * shape_.channels};
    }

    __device__ __forceinline__ static int quotient(const Divider& d, int n) {
        return static_cast<int>(d.quotient(static_cast<std::uint32_t>(n)));
    }

    const WeightShape& shape_;
    const Slice& slice_;
    const T* x_;  // the weight's element under a window at the origin
    int row_, column_, step_ = 0;
    typename Place::Element elements_[Place::count];
};

/// B: dy, dense along the outputs.
template <class T, bool Vector>
class GradientOperand {
public:
    /// dy: the group's first output of the slice's first pixel.
    __device__ GradientOperand(const T* dy, const WeightShape& shape, const Slice& slice,
                               int first_output)
        : row_(shape.groups * shape.outputs),
          count_(first_output + Place::i() < shape.outputs ? slice.count : 0),
          dy_(dy + first_output + Place::i()) {}

    __device__ __forceinline__ void fetch() {
#pragma unroll
        for (int j = 0; j < Place::count; ++j) {
            const int k = step_ + Place::k(j);
            elements_[j] = Place::read(k < count_ ? dy_ + Index{k} * row_ : nullptr);
        }
        step_ += kTileDepth;
    }
    __device__ __forceinline__ void store(float (&stage)[kTileDepth][kTileColumns]) const {
        Place::store(stage, elements_);
    }

private:
    using Place = Spread<T, Vector, kTileColumns>;

    int row_, count_;
    const T* dy_;
    int step_ = 0;
    typename Place::Element elements_[Place::count];
};

/// weight_sums [slices, O, depth], bias_sums [slices, O] or null.
template <class T, bool Vector>
__global__ __launch_bounds__(kTileThreads, Vector ? 3 : 2) void weight_gradient(
    float* __restrict__ weight_sums, float* __restrict__ bias_sums, const T* __restrict__ dy,
    const T* __restrict__ x, const WeightShape shape) {
    __shared__ __align__(16) TileMemory memory;

    Digits block(blockIdx.x);
    const int first_weight = block.next(shape.weight_tiles) * kTileRows;
    const int first_output = block.next(shape.output_tiles) * kTileColumns;
    const int group = block.next(shape.groups);
    const Index first_pixel = block.rest() * shape.slice;

    const int image_pixels = shape.rows.outputs * shape.columns.outputs;
    Slice slice;
    slice.image = first_pixel / image_pixels;
    slice.first = static_cast<int>(first_pixel - slice.image * image_pixels);
    slice.count = static_cast<int>(min(Index{shape.slice}, shape.pixels - first_pixel));

    const Index image_inputs = Index{shape.rows.inputs} * shape.columns.inputs;
    const int outputs = shape.groups * shape.outputs;
    WindowOperand<T, Vector> a(
        x + (slice.image * image_inputs * shape.groups + group) * shape.inputs, shape, slice,
        first_weight);
    GradientOperand<T, Vector> b(dy + first_pixel * outputs + group * shape.outputs, shape, slice,
                                 first_output);
    Sums sum = {};
    float bias_sum = 0.0F;
    const int thread = static_cast<int>(threadIdx.x);
    const bool sums_bias = bias_sums && first_weight == 0 && thread < kTileColumns;
    accumulate<kLanes<T>>(sum, memory, a, b, (slice.count + kTileDepth - 1) / kTileDepth,
                          [&](const auto& stage) {
                              if (!sums_bias) return;
#pragma unroll
                              for (int k = 0; k < kTileDepth; ++k)
                                  bias_sum += stage[k][swizzled<kLanes<T>>(k, thread)];
                          });

    const Index first_sum = block.rest() * outputs + group * shape.outputs;
    if (sums_bias && first_output + thread < shape.outputs)
        bias_sums[first_sum + first_output + thread] = bias_sum;
#pragma unroll
    for (int j = 0; j < 8; ++j) {
        const int output = first_output + tile_column(j);
        if (output >= shape.outputs) continue;
        float* row = weight_sums + (first_sum + output) * shape.depth;
#pragma unroll
        for (int half = 0; half < 2; ++half) {
            const int weight = first_weight + tile_row(4 * half);
            float y[4];
#pragma unroll
            for (int e = 0; e < 4; ++e) y[e] = sum[4 * half + e][j];
            if (shape.depth % 4 == 0) {
                if (weight < shape.depth) store<4>(row + weight, y);
            } else {
#pragma unroll
                for (int e = 0; e < 4; ++e)
                    if (weight + e < shape.depth) row[weight + e] = y[e];
            }
        }
    }
}

/// Pixels of a slice: about 528 blocks in all (two rounds of the largest device at two blocks
/// each), but not less than 128 pixels each.
int slice_size(Index pixels, Index tiles) {
    const Index wanted = std::max<Index>(ceil_div(528, tiles), ceil_div(pixels, Index{1} << 29));
    const Index size = std::max<Index>(ceil_div(pixels, wanted), 128);
    return static_cast<int>(ceil_div(size, kTileDepth) * kTileDepth);
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
    const Index tiles = Index{shape.weight_tiles} * shape.output_tiles * shape.groups;
    shape.slice = slice_size(shape.pixels, tiles);
    const Index slices = ceil_div(shape.pixels, shape.slice);

    const Index weights = dw.numel(), outputs = dy.dim(3);
    float* weight_sums =
        workspace<float>(stream, static_cast<std::size_t>(slices * (weights + outputs)));
    float* bias_sums = dbias ? weight_sums + slices * weights : nullptr;
    with_float(dy.dtype, [&]<class T>(std::type_identity<T>) {
        const bool vector = shape.inputs % kLanes<T> == 0 && shape.outputs % kLanes<T> == 0 &&
                            aligned16(x.data) && aligned16(dy.data);
        with_bool(vector, [&]<bool Vector>(std::bool_constant<Vector>) {
            launch(stream, {dim3(count(tiles * slices)), dim3(kTileThreads)},
                   weight_gradient<T, Vector>, weight_sums, bias_sums, dy.as<T>(), x.as<T>(),
                   shape);
        });
    });
    sum_slices(stream, dw, weight_sums, slices, mode);
    if (dbias) sum_slices(stream, dbias, bias_sums, slices, mode);
}

}  // namespace fovea::kernels::cuda
