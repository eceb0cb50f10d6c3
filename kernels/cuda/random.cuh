// Philox by element on the device: the same bits as on the host, from whichever thread asks.
#pragma once

#include <cmath>

#include "kernels/include/philox.h"

namespace fovea::kernels::cuda {

/// site.unit(i) >= p exactly where site.bits_of(i) >> 8 >= kept_from(p): 24 random bits against p 2^24.
inline std::uint32_t kept_from(double p) {
    return static_cast<std::uint32_t>(std::ceil(p * 0x1p24));
}

/// site.bits_of(element), without an array that is indexed at run time.
__device__ __forceinline__ std::uint32_t bits_of(const RandomSite& site, std::uint64_t element) {
    const Philox4 four = site.bits(element / 4);
    const bool upper = (element & 2) != 0, odd = (element & 1) != 0;
    return upper ? (odd ? four.v[3] : four.v[2]) : (odd ? four.v[1] : four.v[0]);
}

}  // namespace fovea::kernels::cuda
