// Vec: as many floats as one register holds, and the functions of it that kernels need.
//
// Compiler vector types (GCC, clang) instead of intrinsics or hopes about the auto-vectorizer: the
// same source gives 16 lanes with AVX-512, 8 with AVX and 4 with SSE2, and the order in which lanes
// are summed is written down, so results do not depend on a buffer's alignment.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <utility>

#if defined(__SSE2__)
#include <immintrin.h>
#endif

namespace fovea::kernels::cpu {

#if defined(__AVX512F__)
inline constexpr int kLanes = 16;
#elif defined(__AVX__)
inline constexpr int kLanes = 8;
#else
inline constexpr int kLanes = 4;
#endif

typedef float Vec __attribute__((vector_size(kLanes * 4)));
typedef std::int32_t IntVec __attribute__((vector_size(kLanes * 4)));
typedef std::uint32_t BitsVec __attribute__((vector_size(kLanes * 4)));  ///< may wrap around

inline Vec splat(float x) { return x - Vec{}; }  // x + 0 would not be x for -0

inline Vec load(const float* p) {
    Vec v;
    std::memcpy(&v, p, sizeof v);
    return v;
}

inline void store(float* p, Vec v) { std::memcpy(p, &v, sizeof v); }

template <std::size_t... I>
constexpr IntVec lane_numbers(std::index_sequence<I...>) {
    return IntVec{static_cast<std::int32_t>(I)...};
}
inline constexpr IntVec kLaneNumbers = lane_numbers(std::make_index_sequence<kLanes>{});

/// The first n < kLanes floats of p; the other lanes are 0 and their memory is not touched.
inline Vec load_first(const float* p, int n) {
#if defined(__AVX512F__)
    return _mm512_maskz_loadu_ps(static_cast<__mmask16>((1u << n) - 1u), p);
#elif defined(__AVX__)
    return _mm256_maskload_ps(p, std::bit_cast<__m256i>(kLaneNumbers < n));
#else
    Vec v{};
    for (int i = 0; i < n; ++i) v[i] = p[i];
    return v;
#endif
}

/// Writes the first n < kLanes lanes and nothing else.
inline void store_first(float* p, Vec v, int n) {
#if defined(__AVX512F__)
    _mm512_mask_storeu_ps(p, static_cast<__mmask16>((1u << n) - 1u), v);
#elif defined(__AVX__)
    _mm256_maskstore_ps(p, std::bit_cast<__m256i>(kLaneNumbers < n), v);
#else
    for (int i = 0; i < n; ++i) p[i] = v[i];
#endif
}

/// The same for n <= kLanes.
inline Vec load_some(const float* p, int n) { return n == kLanes ? load(p) : load_first(p, n); }
inline void store_some(float* p, Vec v, int n) {
    if (n == kLanes)
        store(p, v);
    else
        store_first(p, v, n);
}

/// v in the first n lanes, `other` behind them.
inline Vec keep_first(Vec v, int n, Vec other) { return kLaneNumbers < n ? v : other; }

/// y[i] = f(x[i]...) for i < n, a Vec at a time. f sees zeros in the unused lanes of the last one.
template <class F, class... Pointers>
inline void map(std::int64_t n, const F& f, float* y, const Pointers*... x) {
    std::int64_t i = 0;
    for (; i + kLanes <= n; i += kLanes) store(y + i, f(load(x + i)...));
    const int rest = static_cast<int>(n - i);
    if (rest > 0) store_first(y + i, f(load_first(x + i, rest)...), rest);
}

/// f(x[i]...) for i < n, a Vec at a time; f sees zeros in the unused lanes of the last one.
template <class F, class... Pointers>
inline void for_each(std::int64_t n, const F& f, const Pointers*... x) {
    std::int64_t i = 0;
    for (; i + kLanes <= n; i += kLanes) f(load(x + i)...);
    const int rest = static_cast<int>(n - i);
    if (rest > 0) f(load_first(x + i, rest)...);
}

/// a = f(a, x[i]...) for i < n, lane by lane: a running sum or maximum. Unused lanes keep their a.
template <class F, class... Pointers>
inline Vec fold(std::int64_t n, Vec a, const F& f, const Pointers*... x) {
    std::int64_t i = 0;
    for (; i + kLanes <= n; i += kLanes) a = f(a, load(x + i)...);
    const int rest = static_cast<int>(n - i);
    if (rest > 0) a = keep_first(f(a, load_first(x + i, rest)...), rest, a);
    return a;
}

template <int kStep, std::size_t... I>
inline Vec swap_lanes(Vec v, std::index_sequence<I...>) {
    return __builtin_shufflevector(v, v, static_cast<int>(I ^ kStep)...);
}

/// op over all lanes, in a butterfly; the result is in every lane.
template <class Op>
inline Vec combine_lanes(Vec v, const Op& op) {
    constexpr auto lanes = std::make_index_sequence<kLanes>{};
    if constexpr (kLanes > 8) v = op(v, swap_lanes<8>(v, lanes));
    if constexpr (kLanes > 4) v = op(v, swap_lanes<4>(v, lanes));
    v = op(v, swap_lanes<2>(v, lanes));
    return op(v, swap_lanes<1>(v, lanes));
}

/// Bit kStep of the lane number exchanged with the choice between a and b: a 2 x 2 transposition, whose
/// two results first() and second() are.
template <int kStep>
struct Exchange {
    template <std::size_t... I>
    static Vec first(Vec a, Vec b, std::index_sequence<I...>) {
        return __builtin_shufflevector(
            a, b, static_cast<int>((I & kStep) != 0 ? kLanes + (I ^ kStep) : I)...);
    }
    template <std::size_t... I>
    static Vec second(Vec a, Vec b, std::index_sequence<I...>) {
        return __builtin_shufflevector(
            a, b, static_cast<int>((I & kStep) != 0 ? kLanes + I : I ^ kStep)...);
    }
};

/// rows[i][j] and rows[j][i] change places.
template <int kStep = kLanes / 2>
inline void transpose(Vec (&rows)[kLanes]) {
    constexpr auto lanes = std::make_index_sequence<kLanes>{};
    for (int i = 0; i < kLanes; ++i) {
        if ((i & kStep) != 0) continue;
        const Vec a = rows[i], b = rows[i + kStep];
        rows[i] = Exchange<kStep>::first(a, b, lanes);
        rows[i + kStep] = Exchange<kStep>::second(a, b, lanes);
    }
    if constexpr (kStep > 1) transpose<kStep / 2>(rows);
}

/// Lane i of the result: op over the lanes of rows[i]. Cheaper than kLanes times combine_lanes.
template <class Op, int kStep = kLanes / 2>
inline Vec combine_rows(Vec (&rows)[kLanes], const Op& op) {
    constexpr auto lanes = std::make_index_sequence<kLanes>{};
    for (int i = 0; i < kStep; ++i) {
        const Vec a = rows[i], b = rows[i + kStep];
        rows[i] = op(Exchange<kStep>::first(a, b, lanes), Exchange<kStep>::second(a, b, lanes));
    }
    if constexpr (kStep > 1)
        return combine_rows<Op, kStep / 2>(rows, op);
    else
        return rows[0];
}

inline Vec add(Vec a, Vec b) { return a + b; }
inline Vec max(Vec a, Vec b) { return a > b ? a : b; }
inline Vec abs(Vec x) { return std::bit_cast<Vec>(std::bit_cast<IntVec>(x) & 0x7FFFFFFF); }

/// Sum (maximum) of the lanes, in every lane.
inline Vec sum_of_lanes(Vec v) { return combine_lanes(v, add); }
inline Vec max_of_lanes(Vec v) { return combine_lanes(v, max); }

inline Vec sqrt(Vec x) {
#if defined(__AVX512F__)
    return _mm512_maskz_sqrt_ps(0xFFFF, x);  // _mm512_sqrt_ps trips -Wmaybe-uninitialized in GCC
#elif defined(__AVX__)
    return _mm256_sqrt_ps(x);
#else
    for (int i = 0; i < kLanes; ++i) x[i] = __builtin_sqrtf(x[i]);
    return x;
#endif
}

}  // namespace fovea::kernels::cpu
