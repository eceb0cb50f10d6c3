// The operands of the product that is a convolution's weight gradient (conv_backward_weight.cu), for the
// tiles of conv_tile.cuh: A is x as the weights meet it, B is dy.
#pragma once

#include "kernels/cuda/conv_axis.cuh"
#include "kernels/cuda/conv_tile.cuh"
#include "kernels/cuda/reduce.cuh"
#include "kernels/cuda/strided.cuh"

namespace fovea::kernels::cuda {

struct WeightShape {
    AxisShape rows, columns;
    Divider image, line;          // pixels of y in an image, in a line
    Index pixels;                 // N P Q
    int groups, inputs, outputs;  // channels of a group of x, of y
    int channels;                 // of x
    int depth;                    // weights of an output: R S I / groups
    int weight_tiles, output_tiles;
    int steps;   // of kTileDepth pixels, of a slice
    bool quads;  // may four weights be accessed at once in dw?
};

/// The pixels of one team of threads, counted from the first image they touch.
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

}  // namespace fovea::kernels::cuda
