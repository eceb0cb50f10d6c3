#include "kernels/cpu/column_sum.h"

#include <omp.h>

#include <algorithm>

#include "kernels/cpu/scratch.h"

namespace fovea::kernels::cpu {

void add_partials(float* out, const float* partials, std::int64_t count, std::int64_t stride,
                  std::int64_t n, GradMode mode) {
    if (mode == GradMode::Ignore) return;
    if (mode == GradMode::Overwrite) std::fill_n(out, n, 0.0F);
    for (std::int64_t p = 0; p < count; ++p) {
        const float* part = partials + p * stride;
#pragma omp simd
        for (std::int64_t i = 0; i < n; ++i) out[i] += part[i];
    }
}

void column_sum(float* sums, const float* x, std::int64_t M, std::int64_t N, GradMode mode) {
    if (mode == GradMode::Ignore || N == 0) return;
    const std::int64_t parts =
        std::max(std::int64_t{1}, std::min<std::int64_t>(omp_get_max_threads(), M));
    const std::int64_t stride = (N + 15) / 16 * 16;  // whole cache lines: no false sharing
    float* partials = scratch_floats(ScratchSlot::Work, static_cast<std::size_t>(parts * stride));
#pragma omp parallel for schedule(static)
    for (std::int64_t p = 0; p < parts; ++p) {
        float* part = partials + p * stride;
        std::fill_n(part, N, 0.0F);
        for (std::int64_t m = M * p / parts; m < M * (p + 1) / parts; ++m) {
            const float* row = x + m * N;
#pragma omp simd
            for (std::int64_t n = 0; n < N; ++n) part[n] += row[n];
        }
    }
    add_partials(sums, partials, parts, stride, N, mode);
}

}  // namespace fovea::kernels::cpu
