// Dropout and drop-path. Random numbers are drawn a few hundred at a time: one loop of Philox blocks,
// which are independent and vectorize, then one loop that applies the mask.
#include "kernels/include/dropout.h"

#include <cmath>
#include <cstring>

#include "kernels/cpu/parallel.h"
#include "kernels/cpu/simd.h"

namespace fovea::kernels::cpu {
namespace {

/// unit(u) >= p, as integers: 24 random bits against p 2^24, exactly.
std::int32_t threshold(double p) { return static_cast<std::int32_t>(std::ceil(p * 0x1p24)); }

bool keeps(const RandomSite& site, std::int64_t element, std::int32_t limit) {
    return static_cast<std::int32_t>(site.bits_of(static_cast<std::uint64_t>(element)) >> 8) >= limit;
}

/// 24 random bits each for the elements 4 * block ... 4 * (block + count) - 1.
void draw(std::int32_t* bits, const RandomSite& site, std::int64_t block, std::int64_t count) {
#pragma omp simd
    for (std::int64_t i = 0; i < count; ++i) {
        const Philox4 random = site.bits(static_cast<std::uint64_t>(block + i));
        bits[4 * i] = static_cast<std::int32_t>(random.v[0] >> 8);
        bits[4 * i + 1] = static_cast<std::int32_t>(random.v[1] >> 8);
        bits[4 * i + 2] = static_cast<std::int32_t>(random.v[2] >> 8);
        bits[4 * i + 3] = static_cast<std::int32_t>(random.v[3] >> 8);
    }
}

IntVec load_ints(const std::int32_t* p) {
    IntVec v;
    std::memcpy(&v, p, sizeof v);
    return v;
}

}  // namespace

void dropout(const Stream&, View y, CView x, double p, const RandomSite& site) {
    constexpr std::int64_t kDraw = 512;  // elements; a multiple of every vector's lanes
    const std::int32_t limit = threshold(p);
    const float scale = static_cast<float>(1.0 / (1.0 - p));

    parallel_elements(y.numel(), 4, [&](std::int64_t begin, std::int64_t end) {
        alignas(64) std::int32_t bits[kDraw];
        for (std::int64_t start = begin; start < end; start += kDraw) {
            const std::int64_t n = std::min(kDraw, end - start);
            draw(bits, site, start / 4, (n + 3) / 4);
            const std::int32_t* next = bits;
            map(n,
                [&](Vec v) {
                    const IntVec keep = load_ints(next) >= limit;
                    next += kLanes;
                    return keep ? v * scale : Vec{};
                },
                y.as<float>() + start, x.as<float>() + start);
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
                map(size, [&](Vec r, Vec v) { return r + v * scale; }, out, base, branch);
            else if (keep)
                map(size, [&](Vec v) { return v * scale; }, out, branch);
            else if (base && base != out)
                std::memcpy(out, base, static_cast<std::size_t>(size) * sizeof(float));
            else if (!base)
                std::fill(out, out + size, 0.0f);
        }
    });
}

}  // namespace fovea::kernels::cpu
