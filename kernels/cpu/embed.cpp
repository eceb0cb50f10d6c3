// Tokens in front of patches, and positions. Rows of C floats; the backward pass reads dy twice, once
// down the samples of each token for the sums, once for the patches.
#include "kernels/include/embed.h"

#include "kernels/cpu/columns.h"
#include "kernels/cpu/parallel.h"

namespace fovea::kernels::cpu {

void embed_tokens_forward(const Stream&, View y, CView patches, CView prefix, CView position) {
    const std::int64_t L = y.dim(1), C = y.dim(2), N = patches.dim(1), P = L - N;
    parallel_for(y.dim(0) * L, C, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t row = begin; row < end; ++row) {
            const std::int64_t b = row / L, t = row % L;
            const float* const token =
                t < P ? prefix.as<float>() + t * C : patches.as<float>() + (b * N + t - P) * C;
            float* const out = y.as<float>() + row * C;
            if (position)
                map(
                    C, [](Vec u, Vec v) { return u + v; }, out, token,
                    position.as<float>() + t * C);
            else
                std::copy(token, token + C, out);
        }
    });
}

void embed_tokens_backward(const Stream&, View dpatches, View dprefix, View dposition, CView dy,
                           std::int64_t prefix_tokens, GradMode patches_mode, GradMode prefix_mode,
                           GradMode position_mode) {
    const std::int64_t B = dy.dim(0), L = dy.dim(1), C = dy.dim(2), P = prefix_tokens, N = L - P;
    const float* const grad = dy.as<float>();
    const bool positions = dposition && position_mode != GradMode::Ignore;
    const bool prefixes = dprefix && prefix_mode != GradMode::Ignore;
    parallel_for(positions  ? L
                 : prefixes ? P
                            : 0,
                 B * C, [&](std::int64_t begin, std::int64_t end) {
                     static thread_local Scratch<float> scratch;
                     float* const sums = scratch.get(C);
                     for (std::int64_t t = begin; t < end; ++t) {
                         std::fill(sums, sums + C, 0.0f);
                         add_rows(sums, grad + t * C, B, C, L * C);
                         if (positions)
                             write_gradient(dposition.as<float>() + t * C, sums, C, position_mode);
                         if (prefixes && t < P)
                             write_gradient(dprefix.as<float>() + t * C, sums, C, prefix_mode);
                     }
                 });
    if (!dpatches || patches_mode == GradMode::Ignore) return;
    parallel_for(B, N * C, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t b = begin; b < end; ++b)
            write_gradient(dpatches.as<float>() + b * N * C, grad + (b * L + P) * C, N * C,
                           patches_mode);
    });
}

}  // namespace fovea::kernels::cpu
