// Dropout and drop-path. Philox blocks are independent of each other: every lane computes one.
#include "kernels/include/dropout.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <utility>

#include "kernels/cpu/parallel.h"
#include "kernels/cpu/simd.h"

namespace fovea::kernels::cpu {
namespace {

/// unit(u) >= p, as integers: 24 random bits against p 2^24, exactly.
std::int32_t threshold(double p) { return static_cast<std::int32_t>(std::ceil(p * 0x1p24)); }

bool keeps(const RandomSite& site, std::int64_t element, std::int32_t limit) {
    return static_cast<std::int32_t>(site.bits_of(static_cast<std::uint64_t>(element)) >> 8) >=
           limit;
}

typedef std::uint64_t WordVec __attribute__((vector_size(kLanes * 4)));
constexpr int kBlocks = kLanes / 2;  ///< Philox blocks drawn at once, one per 64-bit lane

/// Products of the low halves of the lanes.
WordVec multiply_halves(WordVec a, std::uint32_t b) {
    const WordVec factor = WordVec{} + b;
#if defined(__AVX512F__)
    return std::bit_cast<WordVec>(
        _mm512_maskz_mul_epu32(0xFF, std::bit_cast<__m512i>(a), std::bit_cast<__m512i>(factor)));
#elif defined(__AVX2__)
    return std::bit_cast<WordVec>(
        _mm256_mul_epu32(std::bit_cast<__m256i>(a), std::bit_cast<__m256i>(factor)));
#else
    return (a & 0xFFFFFFFFu) * factor;
#endif
}

template <std::size_t... I>
WordVec interleave(WordVec a, WordVec b, std::size_t start, std::index_sequence<I...>) {
    return start == 0 ? __builtin_shufflevector(a, b, static_cast<int>(I % 2 * kBlocks + I / 2)...)
                      : __builtin_shufflevector(
                            a, b, static_cast<int>(I % 2 * kBlocks + I / 2 + kBlocks / 2)...);
}

/// The bits of 2 * kLanes elements from 4 * block on: philox() for kBlocks counters side by side. Only
/// the low half of a lane counts, so the halves above need no clearing.
struct RandomVecs {
    BitsVec first, second;

    RandomVecs(const RandomSite& site, std::int64_t block) {
        constexpr auto lanes = std::make_index_sequence<kBlocks>{};
        const WordVec number = static_cast<std::uint64_t>(block) + numbers(lanes);
        WordVec c0 = number, c1 = number >> 32;
        WordVec c2 = WordVec{} + site.site, c3 = WordVec{} + site.step;
        std::uint32_t key0 = static_cast<std::uint32_t>(site.seed);
        std::uint32_t key1 =
            static_cast<std::uint32_t>(site.seed >> 32) ^ static_cast<std::uint32_t>(site.stream);
        for (int round = 0; round < 10; ++round) {
            const WordVec p0 = multiply_halves(c0, 0xD2511F53u);
            const WordVec p1 = multiply_halves(c2, 0xCD9E8D57u);
            c0 = (p1 >> 32) ^ c1 ^ key0;
            c1 = p1;
            c2 = (p0 >> 32) ^ c3 ^ key1;
            c3 = p0;
            key0 += 0x9E3779B9u;
            key1 += 0xBB67AE85u;
        }
        const WordVec low = (c0 & 0xFFFFFFFFu) | (c1 << 32), high = (c2 & 0xFFFFFFFFu) | (c3 << 32);
        first = std::bit_cast<BitsVec>(interleave(low, high, 0, lanes));
        second = std::bit_cast<BitsVec>(interleave(low, high, 1, lanes));
    }

    template <std::size_t... I>
    static WordVec numbers(std::index_sequence<I...>) {
        return WordVec{I...};
    }
};

}  // namespace

void dropout(const Stream&, View y, CView x, double p, const RandomSite& site) {
    const std::int32_t limit = threshold(p);
    const float scale = static_cast<float>(1.0 / (1.0 - p));

    parallel_elements(y.numel(), 4, [&](std::int64_t begin, std::int64_t end) {
        const auto apply = [&](std::int64_t i, BitsVec random) {
            if (i >= end) return;
            const int n = static_cast<int>(std::min<std::int64_t>(kLanes, end - i));
            const IntVec keep = std::bit_cast<IntVec>(random >> 8) >= limit;
            const Vec v = load_some(x.as<float>() + i, n);
            store_some(y.as<float>() + i, keep ? v * scale : Vec{}, n);
        };
        for (std::int64_t i = begin; i < end; i += 2 * kLanes) {
            const RandomVecs random(site, i / 4);
            apply(i, random.first);
            apply(i + kLanes, random.second);
        }
    });
}

void drop_path(const Stream&, View y, CView x, CView residual, double p, const RandomSite& site) {
    if (y.numel() == 0) return;
    const std::int64_t samples = y.dim(0), size = y.numel() / samples;
    const std::int32_t limit = threshold(p);
    const float scale = static_cast<float>(1.0 / (1.0 - p));

    parallel_for(samples, size, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t b = begin; b < end; ++b) {
            const bool keep = keeps(site, b, limit);
            float* const out = y.as<float>() + b * size;
            const float* const branch = x.as<float>() + b * size;
            const float* const base = residual ? residual.as<float>() + b * size : nullptr;
            if (keep && base)
                map(
                    size, [&](Vec r, Vec v) { return r + v * scale; }, out, base, branch);
            else if (keep)
                map(
                    size, [&](Vec v) { return v * scale; }, out, branch);
            else if (base && base != out)
                std::memcpy(out, base, static_cast<std::size_t>(size) * sizeof(float));
            else if (!base)
                std::fill(out, out + size, 0.0f);
        }
    });
}

}  // namespace fovea::kernels::cpu
