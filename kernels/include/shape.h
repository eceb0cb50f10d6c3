// Shape: the extents of a tensor, an inline array of at most six 64-bit integers.
#pragma once

#include <cstdint>
#include <initializer_list>

namespace fovea {

inline constexpr int kMaxRank = 6;

struct Shape {
    std::int64_t dims[kMaxRank] = {};
    int rank = 0;

    constexpr Shape() = default;
    constexpr Shape(std::initializer_list<std::int64_t> extents) {
        for (std::int64_t e : extents) dims[rank++] = e;
    }

    constexpr std::int64_t& operator[](int i) { return dims[i < 0 ? i + rank : i]; }
    constexpr std::int64_t operator[](int i) const { return dims[i < 0 ? i + rank : i]; }
    constexpr const std::int64_t* begin() const { return dims; }
    constexpr const std::int64_t* end() const { return dims + rank; }
    constexpr void push_back(std::int64_t extent) { dims[rank++] = extent; }

    /// Number of elements; 1 for a scalar (rank 0).
    constexpr std::int64_t numel() const {
        std::int64_t n = 1;
        for (int i = 0; i < rank; ++i) n *= dims[i];
        return n;
    }

    constexpr bool operator==(const Shape& o) const {
        if (rank != o.rank) return false;
        for (int i = 0; i < rank; ++i)
            if (dims[i] != o.dims[i]) return false;
        return true;
    }
};

/// Row-major (C order) strides, in elements.
constexpr Shape contiguous_strides(const Shape& shape) {
    Shape strides;
    strides.rank = shape.rank;
    std::int64_t step = 1;
    for (int i = shape.rank - 1; i >= 0; --i) {
        strides.dims[i] = step;
        step *= shape.dims[i];
    }
    return strides;
}

}  // namespace fovea
