// Host arrays for the tests of the reference kernels, and the measures they are judged by.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "kernels/include/dtype.h"
#include "kernels/include/philox.h"
#include "kernels/include/view.h"

namespace fovea::tests {

inline constexpr Stream on_reference{Device::reference()};

inline constexpr double infinity = std::numeric_limits<double>::infinity();
inline constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

/// What the kernels' rounding may cost: sums are in double, so a float is off by its storage.
template <class T>
constexpr double tolerance = sizeof(T) == 8 ? 1e-13 : 3e-7;

/// A contiguous array that starts as NaN, so that an element a kernel forgets is seen, and ends in
/// sentinels, so that one it should not write is seen as well.
template <class T>
class Array {
public:
    Array(const Shape& s) : shape(s), data_(static_cast<std::size_t>(s.numel()) + guard, marker) {
        std::fill_n(data_.begin(), s.numel(), std::numeric_limits<T>::quiet_NaN());
    }
    Array(const Shape& s, const std::vector<double>& values) : Array(s) {
        std::copy(values.begin(), values.end(), data_.begin());
    }

    /// Uniform in [-1, 1), the same for float and double.
    static Array random(const Shape& s, std::uint64_t seed) {
        Array a(s);
        const RandomSite site{seed};
        for (std::int64_t i = 0; i < s.numel(); ++i)
            a[i] = 2 * site.unit(static_cast<std::uint64_t>(i)) - 1;
        return a;
    }

    T& operator[](std::int64_t i) { return data_[static_cast<std::size_t>(i)]; }
    const T& operator[](std::int64_t i) const { return data_[static_cast<std::size_t>(i)]; }
    std::int64_t size() const { return shape.numel(); }
    bool intact() const {
        return std::all_of(data_.end() - guard, data_.end(), [](T x) { return x == marker; });
    }

    operator View() { return View{{data_.data(), shape, contiguous_strides(shape), type}}; }
    operator CView() const { return {data_.data(), shape, contiguous_strides(shape), type}; }
    /// The same elements seen through other strides, starting at `offset`.
    View seen_as(const Shape& s, const Shape& strides, std::int64_t offset = 0) {
        return View{{data_.data() + offset, s, strides, type}};
    }

    Shape shape;

private:
    static constexpr std::ptrdiff_t guard = 16;
    static constexpr T marker = 77;
    static constexpr DType type = DTypeOf<T>::value;
    std::vector<T> data_;
};

/// Largest error of `got`, relative to the largest of `want` (at least 1). Infinite for a NaN, a
/// wrong size or a touched sentinel.
template <class T>
double error(const Array<T>& got, const std::vector<double>& want) {
    if (got.size() != static_cast<std::int64_t>(want.size()) || !got.intact()) return infinity;
    double worst = 0.0, largest = 1.0;
    for (std::size_t i = 0; i < want.size(); ++i) {
        const double difference =
            std::abs(static_cast<double>(got[static_cast<std::int64_t>(i)]) - want[i]);
        if (!(difference <= worst)) worst = std::isnan(difference) ? infinity : difference;
        largest = std::max(largest, std::abs(want[i]));
    }
    return worst / largest;
}

/// Gradient of the number f() with respect to every element of x, by central differences.
template <class F>
std::vector<double> central_differences(Array<double>& x, F f) {
    constexpr double step = 1e-5;
    std::vector<double> gradient;
    for (std::int64_t i = 0; i < x.size(); ++i) {
        const double kept = x[i];
        x[i] = kept + step;
        const double above = f();
        x[i] = kept - step;
        const double below = f();
        x[i] = kept;
        gradient.push_back((above - below) / (2.0 * step));
    }
    return gradient;
}

/// sum of a[i] b[i]: what a backward kernel differentiates when b is the gradient of a.
template <class T>
double dot(const Array<T>& a, const Array<T>& b) {
    double sum = 0.0;
    for (std::int64_t i = 0; i < a.size(); ++i)
        sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
    return sum;
}

}  // namespace fovea::tests
