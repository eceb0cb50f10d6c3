// Loops over several strided views of one shape at once.
#pragma once

#include <cstdint>

#include "kernels/include/shape.h"

namespace fovea::kernels::cpu {

/// A common shape and N views' strides. merge() joins neighbouring axes that every view walks as
/// one, so a contiguous tensor of any rank becomes one axis and a bias [C] on [.., C] two.
template <int N>
struct StridedLoop {
    Shape shape;
    Shape strides[N];

    void push(std::int64_t extent, const std::int64_t (&step)[N]) {
        shape.push_back(extent);
        for (int v = 0; v < N; ++v) strides[v].push_back(step[v]);
    }

    StridedLoop merged() const {
        StridedLoop out;
        for (int axis = 0; axis < shape.rank; ++axis) {
            const std::int64_t extent = shape[axis];
            if (extent == 1) continue;
            bool joins = out.shape.rank > 0;
            for (int v = 0; joins && v < N; ++v)
                joins = out.strides[v][-1] == strides[v][axis] * extent;
            if (joins) {
                out.shape[-1] *= extent;
                for (int v = 0; v < N; ++v) out.strides[v][-1] = strides[v][axis];
            } else {
                std::int64_t step[N];
                for (int v = 0; v < N; ++v) step[v] = strides[v][axis];
                out.push(extent, step);
            }
        }
        return out;
    }

    /// The loop with its last axis (if any) taken off.
    StridedLoop outer() const {
        StridedLoop out = *this;
        if (out.shape.rank > 0) {
            --out.shape.rank;
            for (Shape& s : out.strides) --s.rank;
        }
        return out;
    }
};

/// Walks a StridedLoop in row-major order and keeps every view's offset.
template <int N>
class StridedCursor {
public:
    StridedCursor(const StridedLoop<N>& loop, std::int64_t position) : loop_(loop) {
        for (int axis = loop.shape.rank - 1; axis >= 0 && position > 0; --axis) {
            index_[axis] = position % loop.shape[axis];
            position /= loop.shape[axis];
            for (int v = 0; v < N; ++v) offset_[v] += index_[axis] * loop.strides[v][axis];
        }
    }

    std::int64_t operator[](int view) const { return offset_[view]; }

    void next() {
        for (int axis = loop_.shape.rank - 1; axis >= 0; --axis) {
            for (int v = 0; v < N; ++v) offset_[v] += loop_.strides[v][axis];
            if (++index_[axis] < loop_.shape[axis]) return;
            index_[axis] = 0;
            for (int v = 0; v < N; ++v) offset_[v] -= loop_.shape[axis] * loop_.strides[v][axis];
        }
    }

private:
    StridedLoop<N> loop_;
    std::int64_t index_[kMaxRank] = {};
    std::int64_t offset_[N] = {};
};

}  // namespace fovea::kernels::cpu
