// The operands (conv_tile.cuh) of the implicit GEMM in conv_gather.cuh: the pixels under the taps,
// and the filters, forward and backward. Vector: 16-byte chunks along channels; otherwise one
// element at a time, for channel counts and pointers that do not allow chunks.
#pragma once

#include "kernels/cuda/conv_axis.cuh"
#include "kernels/cuda/conv_tile.cuh"

namespace fovea::kernels::cuda {

struct GatherShape {
    AxisShape rows, columns;
    int images, groups;
    int sources, targets;  // channels of a group, read and written
    int column_tiles;      // tiles of kTileColumns targets
    bool vector_store;     // may 4 targets be stored at once?
};

/// Position in k: channel of tap (r, s), advanced in any step.
struct TapCursor {
    int r, s, channel;

    __device__ __forceinline__ void advance(int n, int channels, int taps_per_row) {
        channel += n;
        while (channel >= channels) {
            channel -= channels;
            if (++s == taps_per_row) {
                s = 0;
                ++r;
            }
        }
    }
};

/// What a target pixel's taps begin at: the first source row and column, which may lie in the
/// padding, and the offset of that element.
struct __align__(16) Window {
    Index origin;
    int row, column;
};

/// Window of target pixel `pixel` of the class, counted through all images; past the last, a window
/// that lies outside for every tap.
__device__ inline Window window_of(const GatherShape& shape, const Axis& rows, const Axis& columns,
                                   Index pixel) {
    const int pixels = rows.targets * columns.targets;
    const Index image = pixel / pixels;
    const int at = static_cast<int>(pixel - image * pixels);
    if (image >= shape.images) return {0, -(1 << 30), 0};
    const int row = at / columns.targets * rows.step + rows.first;
    const int column = at % columns.targets * columns.step + columns.first;
    return {
        ((image * rows.sources + row) * columns.sources + column) * shape.groups * shape.sources,
        row, column};
}

/// Stored and loaded in one piece: windows are 16 bytes apart, so that pieces of 4 would meet in the
/// same banks.
__device__ __forceinline__ void store_window(Window& to, const Window& window) {
    store_shared(reinterpret_cast<float*>(&to), __int_as_float(static_cast<int>(window.origin)),
                 __int_as_float(static_cast<int>(window.origin >> 32)), __int_as_float(window.row),
                 __int_as_float(window.column));
}

__device__ __forceinline__ Window load_window(const Window& from) {
    const int4 words = *reinterpret_cast<const int4*>(&from);
    return {static_cast<Index>(words.y) << 32 | static_cast<std::uint32_t>(words.x), words.z,
            words.w};
}

/// A: a thread's chunks lie at one k for several pixels (Vector), or it has one pixel and all k.
template <class T, bool Vector>
class SourceOperand {
public:
    /// windows: shared, of the tile's pixels; source: the group's first channel.
    __device__ SourceOperand(const T* source, const Window* windows, const GatherShape& shape,
                             const Axis& rows, const Axis& columns)
        : shape_(shape), rows_(rows), columns_(columns), source_(source), windows_(windows) {
        if constexpr (Vector) advance(first_k());
    }

    __device__ __forceinline__ void fetch() {
        if constexpr (Vector) {
            const Tap tap = current();
#pragma unroll
            for (int j = 0; j < kPixels; ++j) {
                const T* p = find(load_window(windows_[first_row() + j * kRowsApart]), tap);
                chunk_[j] = p ? *reinterpret_cast<const uint4*>(p) : uint4{};
            }
            advance(kTileDepth);
        } else {
            const Window window = load_window(windows_[first_row()]);
#pragma unroll
            for (int k = 0; k < kTileDepth; ++k) {
                const T* p = find(window, current());
                element_[k] = p ? *p : T{};
                advance(1);
            }
        }
    }

    __device__ __forceinline__ void store(float (&stage)[kTileDepth][kTileRows]) const {
        if constexpr (Vector) {
#pragma unroll
            for (int j = 0; j < kPixels; ++j)
                store_along_k<T>(stage, first_k(), first_row() + j * kRowsApart, chunk_[j]);
        } else {
#pragma unroll
            for (int k = 0; k < kTileDepth; ++k)
                stage[k][swizzled<kLanes<T>>(k, first_row())] = to_float(element_[k]);
        }
    }

private:
    static constexpr int kChunks = Vector ? kTileDepth / kLanes<T> : 1;  // side by side, along k
    static constexpr int kRowsApart = kTileThreads / kChunks;
    static constexpr int kPixels = kTileRows / kRowsApart;

    /// Where the cursor stands, from a window's origin.
    struct Tap {
        int row, column;
        Index offset;
    };

    __device__ __forceinline__ static int first_row() {
        return static_cast<int>(threadIdx.x) / kChunks;
    }
    __device__ __forceinline__ static int first_k() {
        return static_cast<int>(threadIdx.x) % kChunks * kLanes<T>;
    }
    __device__ __forceinline__ void advance(int n) {
        cursor_.advance(n, shape_.sources, columns_.taps);
    }
    __device__ __forceinline__ Tap current() const {
        const int row = cursor_.r * rows_.tap_step, column = cursor_.s * columns_.tap_step;
        const Index pixel = Index{row} * columns_.sources + column;
        return {cursor_.r < rows_.taps ? row : -(1 << 30), column,
                pixel * (shape_.groups * shape_.sources) + cursor_.channel};
    }
    /// null in the padding, past the last tap and past the last pixel
    __device__ __forceinline__ const T* find(const Window& window, const Tap& tap) const {
        const bool inside =
            static_cast<unsigned>(window.row + tap.row) < static_cast<unsigned>(rows_.sources) &&
            static_cast<unsigned>(window.column + tap.column) <
                static_cast<unsigned>(columns_.sources);
        return inside ? source_ + window.origin + tap.offset : nullptr;
    }

    const GatherShape& shape_;
    const Axis &rows_, &columns_;
    const T* source_;
    const Window* windows_;
    TapCursor cursor_{0, 0, 0};
    uint4 chunk_[Vector ? kPixels : 1];
    T element_[Vector ? 1 : kTileDepth];
};

/// B, forward: a filter's weights are dense along k.
template <class T, bool Vector>
class ForwardFilter {
public:
    __device__ ForwardFilter(const T* filter, const GatherShape& shape, const Axis&, const Axis&,
                             int first_target, int group)
        : depth_(shape.rows.kernel * shape.columns.kernel * shape.sources),
          target_in_tile_(static_cast<int>(threadIdx.x) / kChunks % kTileColumns),
          k_(Vector ? static_cast<int>(threadIdx.x) % kChunks * kLanes<T>
                    : static_cast<int>(threadIdx.x) / kTileColumns * kElements) {
#pragma unroll
        for (int j = 0; j < kTargets; ++j) {
            const int target = first_target + target_in_tile_ + j * kTargetsApart;
            row_[j] = target < shape.targets
                          ? filter + (Index{group} * shape.targets + target) * depth_
                          : nullptr;
        }
    }

    __device__ __forceinline__ void fetch() {
        if constexpr (Vector) {
#pragma unroll
            for (int j = 0; j < kTargets; ++j)
                chunk_[j] = row_[j] && k_ < depth_ ? *reinterpret_cast<const uint4*>(row_[j] + k_)
                                                   : uint4{};
        } else {
#pragma unroll
            for (int e = 0; e < kElements; ++e)
                element_[e] = row_[0] && k_ + e < depth_ ? row_[0][k_ + e] : T{};
        }
        k_ += kTileDepth;
    }

    __device__ __forceinline__ void store(float (&stage)[kTileDepth][kTileColumns]) const {
        const int thread = static_cast<int>(threadIdx.x);
        if constexpr (Vector) {
#pragma unroll
            for (int j = 0; j < kTargets; ++j)
                store_along_k<T>(stage, thread % kChunks * kLanes<T>,
                                 target_in_tile_ + j * kTargetsApart, chunk_[j]);
        } else {
#pragma unroll
            for (int e = 0; e < kElements; ++e) {
                const int k = thread / kTileColumns * kElements + e;
                stage[k][swizzled<kLanes<T>>(k, target_in_tile_)] = to_float(element_[e]);
            }
        }
    }

private:
    static constexpr int kChunks = Vector ? kTileDepth / kLanes<T> : 1;
    static constexpr int kTargetsApart = Vector ? kTileThreads / kChunks : kTileColumns;
    static constexpr int kTargets = kTileColumns / kTargetsApart;
    static constexpr int kElements = kTileDepth * kTileColumns / kTileThreads;

    int depth_, target_in_tile_, k_;
    const T* row_[kTargets];
    uint4 chunk_[Vector ? kTargets : 1];
    T element_[Vector ? 1 : kElements];
};

/// B, backward into the input: for one k the weights are dense along the targets.
template <class T, bool Vector>
class BackwardFilter {
public:
    __device__ BackwardFilter(const T* filter, const GatherShape& shape, const Axis& rows,
                              const Axis& columns, int first_target, int group)
        : shape_(shape), rows_(rows), columns_(columns),
          target_in_tile_(static_cast<int>(threadIdx.x) % kAcross * kWidth),
          valid_(first_target + target_in_tile_ < shape.targets),
          filter_(filter + first_target + target_in_tile_), first_source_(group * shape.sources) {
#pragma unroll
        for (int j = 0; j < kCursors; ++j)
            cursor_[j].advance(first_k() + j * kDepthApart, shape.sources, columns.taps);
    }

    __device__ __forceinline__ void fetch() {
        if constexpr (Vector) {
#pragma unroll
            for (int j = 0; j < kCursors; ++j) {
                const T* p = find(cursor_[j]);
                chunk_[j] = p ? *reinterpret_cast<const uint4*>(p) : uint4{};
                cursor_[j].advance(kTileDepth, shape_.sources, columns_.taps);
            }
        } else {
#pragma unroll
            for (int e = 0; e < kElements; ++e) {
                const T* p = find(cursor_[0]);
                element_[e] = p ? *p : T{};
                cursor_[0].advance(e + 1 < kElements ? 1 : kTileDepth - kElements + 1,
                                   shape_.sources, columns_.taps);
            }
        }
    }

    __device__ __forceinline__ void store(float (&stage)[kTileDepth][kTileColumns]) const {
        if constexpr (Vector) {
#pragma unroll
            for (int j = 0; j < kCursors; ++j)
                store_along_i<T>(stage, first_k() + j * kDepthApart, target_in_tile_, chunk_[j]);
        } else {
#pragma unroll
            for (int e = 0; e < kElements; ++e)
                stage[first_k() + e][swizzled<kLanes<T>>(first_k() + e, target_in_tile_)] =
                    to_float(element_[e]);
        }
    }

private:
    static constexpr int kWidth = Vector ? kLanes<T> : 1;
    static constexpr int kAcross = kTileColumns / kWidth;  // threads that share a k
    static constexpr int kDepthApart = kTileThreads / kAcross;
    static constexpr int kCursors = Vector ? kTileDepth / kDepthApart : 1;
    static constexpr int kElements = kTileDepth * kTileColumns / kTileThreads;

    __device__ __forceinline__ static int first_k() {
        return static_cast<int>(threadIdx.x) / kAcross * (Vector ? 1 : kElements);
    }
    __device__ __forceinline__ const T* find(const TapCursor& cursor) const {
        if (!valid_ || cursor.r >= rows_.taps) return nullptr;
        const int r = rows_.filter_first + cursor.r * rows_.filter_step;
        const int s = columns_.filter_first + cursor.s * columns_.filter_step;
        const int source = first_source_ + cursor.channel;
        return filter_ + ((Index{source} * shape_.rows.kernel + r) * shape_.columns.kernel + s) *
                             shape_.targets;
    }

    const GatherShape& shape_;
    const Axis &rows_, &columns_;
    int target_in_tile_;
    bool valid_;
    const T* filter_;
    int first_source_;
    TapCursor cursor_[kCursors] = {};
    uint4 chunk_[Vector ? kCursors : 1];
    T element_[Vector ? 1 : kElements];
};

}  // namespace fovea::kernels::cuda
