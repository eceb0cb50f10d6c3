// min and max as PTX defines them: a number wins over NaN, and -0 is less than +0.
#pragma once

#include <cmath>

namespace fovea::cudaemu {

template <class T>
T min_number(T a, T b) {
    if (std::isnan(a)) return b;
    if (std::isnan(b)) return a;
    return a < b || (a == b && std::signbit(a)) ? a : b;
}

template <class T>
T max_number(T a, T b) {
    if (std::isnan(a)) return b;
    if (std::isnan(b)) return a;
    return a > b || (a == b && !std::signbit(a)) ? a : b;
}

}  // namespace fovea::cudaemu
