// A block of neighbouring channels in one vector register, and the walk over all channels in blocks.
#pragma once

#include <cstdint>
#include <cstring>

#include "kernels/cpu/simd.h"

namespace fovea::kernels::cpu {

/// `lanes` floats; ordinary arithmetic works elementwise (GCC and Clang vector extension).
template <int lanes>
struct ChannelBlock {
    using type __attribute__((vector_size(lanes * sizeof(float)))) = float;
};
template <>
struct ChannelBlock<1> {
    using type = float;
};

/// Unaligned load and store of any V: float or a vector of floats.
template <class V>
inline V load(const float* from) {
    V v;
    std::memcpy(&v, from, sizeof v);
    return v;
}
template <class V>
inline void store(float* to, V v) {
    std::memcpy(to, &v, sizeof v);
}

/// Calls f(V{}, c) for blocks of channels [c, c + lanes of V) that cover [c, C): full registers,
/// then blocks of 4, then single channels.
template <int lanes = kLanes, class F>
inline void for_channel_blocks(std::int64_t C, const F& f, std::int64_t c = 0) {
    using V = typename ChannelBlock<lanes>::type;
    for (; c + lanes <= C; c += lanes) f(V{}, c);
    if constexpr (lanes > 1) for_channel_blocks<(lanes > 4 ? 4 : 1)>(C, f, c);
}

}  // namespace fovea::kernels::cpu
