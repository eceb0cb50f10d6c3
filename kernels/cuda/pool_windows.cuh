// Which inputs a pooling window covers along one axis, and which windows hold an input.
#pragma once

#include "kernels/include/pool.h"

namespace fovea::kernels::cuda {

/// Positions [begin, end).
struct Range {
    int begin, end;
    __device__ int size() const { return end - begin; }
};

/// Windows of a fixed size and stride (PoolParams).
struct FixedWindows {
    int kernel, stride, padding, in, out;

    FixedWindows(const PoolParams& params, int axis, int in_extent, int out_extent)
        : kernel(static_cast<int>(params.kernel[axis])),
          stride(static_cast<int>(params.stride[axis])),
          padding(static_cast<int>(params.padding[axis])), in(in_extent), out(out_extent) {}

    /// Inputs under window o.
    __device__ Range inputs(int o) const {
        const int begin = o * stride - padding;
        return {max(begin, 0), min(begin + kernel, in)};
    }
    /// Extent of window o with the padding that it covers.
    __device__ int padded(int o) const {
        const int begin = o * stride - padding;
        return min(begin + kernel, in + padding) - begin;
    }
    /// Windows that hold input i: o stride <= i + padding < o stride + kernel.
    __device__ Range holders(int i) const {
        const int at = i + padding;
        return {at < kernel ? 0 : (at - kernel) / stride + 1, min(at / stride + 1, out)};
    }
};

/// Window o of n covers [floor(o in / n), ceil((o + 1) in / n)); extents below 65,536.
struct AdaptiveWindows {
    unsigned in, out;

    AdaptiveWindows(int in_extent, int out_extent)
        : in(static_cast<unsigned>(in_extent)), out(static_cast<unsigned>(out_extent)) {}

    __device__ Range inputs(int o) const { return scaled(static_cast<unsigned>(o), in, out); }
    __device__ int padded(int o) const { return inputs(o).size(); }
    /// The relation is the same seen from the other side.
    __device__ Range holders(int i) const { return scaled(static_cast<unsigned>(i), out, in); }

private:
    __device__ static Range scaled(unsigned i, unsigned to, unsigned from) {
        return {static_cast<int>(i * to / from),
                static_cast<int>(((i + 1) * to + from - 1) / from)};
    }
};

}  // namespace fovea::kernels::cuda
