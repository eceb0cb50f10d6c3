// The 16-bit formats, converted by arithmetic rather than bit tricks.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

namespace fovea::kernels::reference {

/// IEEE-like number of 1 sign, E exponent and M mantissa bits, with subnormals, infinity and NaN.
template <int E, int M>
struct SmallFloat {
    std::uint16_t bits = 0;

    static constexpr int min_exponent = 2 - (1 << (E - 1));  // of normal numbers
    static constexpr int infinity = ((1 << E) - 1) << M;

    SmallFloat() = default;

    /// Rounds to nearest, ties to even, in one step.
    explicit SmallFloat(double x) {
        int magnitude = infinity;
        if (std::isnan(x)) {
            magnitude = infinity | (1 << (M - 1));
        } else if (x == 0.0) {
            magnitude = 0;
        } else if (std::isfinite(x)) {
            // |x| is q quanta of its binade; q carries the implicit bit into the exponent field.
            const int exponent = std::max(std::ilogb(x), min_exponent);
            if (exponent <= -min_exponent + 1) {
                const double q = std::nearbyint(std::ldexp(std::abs(x), M - exponent));
                magnitude =
                    std::min(((exponent - min_exponent) << M) + static_cast<int>(q), infinity);
            }
        }
        bits = static_cast<std::uint16_t>(magnitude | (std::signbit(x) ? 0x8000 : 0));
    }

    explicit operator double() const {
        const int magnitude = bits & 0x7FFF, field = magnitude >> M;
        const int mantissa = magnitude & ((1 << M) - 1);
        double value = 0.0;
        if (magnitude > infinity) {
            value = std::numeric_limits<double>::quiet_NaN();
        } else if (magnitude == infinity) {
            value = std::numeric_limits<double>::infinity();
        } else {
            const int implicit = field > 0 ? 1 << M : 0;
            value = std::ldexp(mantissa + implicit, std::max(field, 1) - 1 + min_exponent - M);
        }
        return (bits & 0x8000) != 0 ? -value : value;
    }
};

using Half = SmallFloat<5, 10>;
using BFloat16 = SmallFloat<8, 7>;

}  // namespace fovea::kernels::reference
