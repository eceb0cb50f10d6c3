// Numbers in memory and in registers: F32 or BF16 storage, float arithmetic, 16 bytes an access.
#pragma once

#include <cuda_bf16.h>

#include <cstdint>
#include <stdexcept>
#include <string>
#include <type_traits>

#include "kernels/include/view.h"

namespace fovea::kernels::cuda {

using BFloat16 = __nv_bfloat16;

__device__ __forceinline__ float to_float(float x) { return x; }
__device__ __forceinline__ float to_float(BFloat16 x) { return __bfloat162float(x); }

/// Rounds to nearest, ties to even.
template <class T>
__device__ __forceinline__ T from_float(float x) {
    if constexpr (std::is_same_v<T, float>)
        return x;
    else
        return __float2bfloat16_rn(x);
}

/// Elements of T in one 16-byte access: 4 floats, 8 bfloat16.
template <class T>
inline constexpr int kLanes = 16 / static_cast<int>(sizeof(T));

/// N consecutive elements as floats. N * sizeof(T) is 4, 8, 16 or a multiple of 16 bytes, and p is
/// aligned to min(16, N * sizeof(T)): one access, or one for every 16 bytes.
template <int N, class T>
__device__ __forceinline__ void load(float (&x)[N], const T* p) {
    constexpr int bytes = N * static_cast<int>(sizeof(T));
    using Word = std::conditional_t<bytes % 16 == 0, uint4,
                                    std::conditional_t<bytes == 8, uint2, std::uint32_t>>;
    static_assert(bytes % sizeof(Word) == 0);
    constexpr int words = bytes / static_cast<int>(sizeof(Word)), per_word = N / words;
#pragma unroll
    for (int w = 0; w < words; ++w) {
        const Word raw = reinterpret_cast<const Word*>(p)[w];
        const T* e = reinterpret_cast<const T*>(&raw);
#pragma unroll
        for (int i = 0; i < per_word; ++i) x[w * per_word + i] = to_float(e[i]);
    }
}

/// The 4 bytes of one float, or of two as bfloat16.
template <class T>
__device__ __forceinline__ std::uint32_t four_bytes(const float* x) {
    if constexpr (std::is_same_v<T, float>) {
        return __float_as_uint(*x);
    } else {
        const __nv_bfloat162 pair = __floats2bfloat162_rn(x[0], x[1]);
        return reinterpret_cast<const std::uint32_t&>(pair);
    }
}

/// The reverse: rounds and stores. A word is one number, because the compiler is apt to store the members
/// of a struct such as uint4 one by one.
template <int N, class T>
__device__ __forceinline__ void store(T* p, const float (&x)[N]) {
    constexpr int bytes = N * static_cast<int>(sizeof(T));
    using Word = std::conditional_t<bytes % 16 == 0, __uint128_t,
                                    std::conditional_t<bytes == 8, std::uint64_t, std::uint32_t>>;
    static_assert(bytes % sizeof(Word) == 0);
    constexpr int words = bytes / static_cast<int>(sizeof(Word)), per_word = N / words;
#pragma unroll
    for (int w = 0; w < words; ++w) {
        Word raw = 0;
#pragma unroll
        for (int part = 0; part < static_cast<int>(sizeof(Word)) / 4; ++part)
            raw |= static_cast<Word>(four_bytes<T>(x + w * per_word + part * 4 / sizeof(T)))
                   << (32 * part);
        reinterpret_cast<Word*>(p)[w] = raw;
    }
}

/// May [p, ...) be read 16 bytes at a time?
inline bool aligned16(const void* p) { return reinterpret_cast<std::uintptr_t>(p) % 16 == 0; }

/// Calls f(std::type_identity<T>{}) with the T = float or BFloat16 that the dtype says.
template <class F>
void with_float(DType dtype, F f) {
    switch (dtype) {
        case DType::F32: return f(std::type_identity<float>{});
        case DType::BF16: return f(std::type_identity<BFloat16>{});
        default:
            throw std::runtime_error(std::string("the CUDA device computes in F32 or BF16, not ") +
                                     name_of(dtype));
    }
}

/// Calls f(std::bool_constant<condition>{}).
template <class F>
void with_bool(bool condition, F f) {
    if (condition)
        f(std::true_type{});
    else
        f(std::false_type{});
}

}  // namespace fovea::kernels::cuda
