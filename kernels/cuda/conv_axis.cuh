// One axis (rows or columns) of a convolution, seen from the positions that a kernel writes.
//
// In "gather form" every written position (target) sums over its own taps, so nothing is scattered
// and no atomics are needed. Forward, the targets are y's positions and the sources x's. Backward
// into the input it is the other way round: x's position h meets filter element r where h + padding
// - r * dilation is a multiple of the stride, which depends on h % stride alone. Positions with the
// same residue form a class: within it the same filter elements count for all, and source positions
// are evenly spaced, as in a convolution of stride 1. No tap of a class is masked out by the
// stride.
#pragma once

#include <stdexcept>

#include "kernels/cuda/launch.cuh"
#include "kernels/include/conv.h"

namespace fovea::kernels::cuda {

enum class Direction { Forward, BackwardInput };

struct AxisShape {
    int inputs, outputs;  // extents of x and y
    int kernel, stride, padding, dilation;
};

/// Target i, at position target_first + i * target_step, sums over t < taps: source position
/// first + i * step + t * tap_step (zero outside [0, sources)) times filter element
/// filter_first + t * filter_step.
struct Axis {
    int sources, targets;  // extents; targets counts those of one class
    int first, step;
    int taps, tap_step;
    int filter_first, filter_step;
    int target_first, target_step;
};

__host__ __device__ inline Axis forward_axis(const AxisShape& s) {
    return {s.inputs, s.outputs, -s.padding, s.stride, s.kernel, s.dilation, 0, 1, 0, 1};
}

/// The class of x's positions h with h % stride == residue.
__host__ __device__ inline Axis backward_axis(const AxisShape& s, int residue) {
    int period = 1;  // of the filter elements that meet this class
    while (period * s.dilation % s.stride != 0) ++period;
    int r = 0;
    while (r < period && (residue + s.padding - r * s.dilation) % s.stride != 0) ++r;
    const int taps = r < period && r < s.kernel ? (s.kernel - 1 - r) / period + 1 : 0;
    return {s.outputs,
            (s.inputs - residue + s.stride - 1) / s.stride,
            (residue + s.padding - r * s.dilation) / s.stride,
            1,
            taps,
            -(period * s.dilation / s.stride),
            r,
            period,
            residue,
            s.stride};
}

template <Direction kDirection>
__host__ __device__ inline Axis axis_of(const AxisShape& s, int residue) {
    if constexpr (kDirection == Direction::Forward)
        return forward_axis(s);
    else
        return backward_axis(s, residue);
}

/// An extent within an image, of which 2^30 and more are refused: kernels index them with int.
inline int narrow(Index extent) {
    if (extent >= Index{1} << 30)
        throw std::runtime_error("conv2d on CUDA takes extents below 2^30, not " +
                                 std::to_string(extent));
    return static_cast<int>(extent);
}

/// A number of blocks or threads of one launch.
inline unsigned count(Index n) {
    if (n >= Index{1} << 31)
        throw std::runtime_error("conv2d on CUDA: too large a tensor, " + std::to_string(n) +
                                 " pieces of work");
    return static_cast<unsigned>(n);
}

/// The digits of a number, lowest first, each with its own base.
class Digits {
public:
    __device__ __forceinline__ explicit Digits(unsigned number) : rest_(number) {}

    __device__ __forceinline__ int next(int base) {
        const int digit = static_cast<int>(rest_ % static_cast<unsigned>(base));
        rest_ /= static_cast<unsigned>(base);
        return digit;
    }
    __device__ __forceinline__ Index rest() const { return rest_; }

private:
    unsigned rest_;
};

/// axis 0: rows, 1: columns. x [N,H,W,I], y [N,P,Q,O], w [O,R,S,I/groups].
inline AxisShape axis_shape(int axis, const CView& x, const CView& y, const CView& w,
                            const ConvParams& p) {
    narrow(x.dim(1) * x.dim(2));
    narrow(y.dim(1) * y.dim(2));
    narrow(w.dim(1) * w.dim(2) * w.dim(3));
    return {narrow(x.dim(1 + axis)), narrow(y.dim(1 + axis)), narrow(w.dim(1 + axis)),
            narrow(p.stride[axis]),  narrow(p.padding[axis]), narrow(p.dilation[axis])};
}

}  // namespace fovea::kernels::cuda
