// Tokens in front of patches, and positions.
#include "core/ops/embed.h"

#include "tests/cases/families.h"

namespace fovea::tests {
namespace {

/// P prefix tokens; 0: none given. f32: prefix and position are parameters in F32 also beside BF16.
void add_embed(std::vector<Case>& table, std::int64_t B, std::int64_t P, std::int64_t N,
               std::int64_t C, bool position, Layout layout = Layout::Dense, bool f32 = false) {
    std::vector<Input> inputs = {{.shape = {B, N, C}, .layout = layout}};
    if (P > 0) inputs.push_back({.shape = {1, P, C}, .stays_f32 = f32});
    if (position) inputs.push_back({.shape = {P + N, C}, .stays_f32 = f32});
    const std::int64_t out = B * (P + N) * C;
    table.push_back({.name = "embed_tokens " + spell({B, N, C}) + " prefix " + std::to_string(P) +
                             (position ? " position" : "") +
                             (layout == Layout::Dense ? "" : " transposed") + (f32 ? " F32" : ""),
                     .op = "embed_tokens",
                     .kernels = {"embed_tokens_forward", "embed_tokens_backward"},
                     .inputs = inputs,
                     .build =
                         [=](const auto& in) {
                             return ops::embed_tokens(in[0], P > 0 ? in[1] : Tensor(),
                                                      position ? in.back() : Tensor());
                         },
                     .flops = static_cast<double>(out),
                     .bytes = traffic(inputs, out),
                     .terms = B});
}

}  // namespace

void add_embed_cases(std::vector<Case>& table) {
    add_embed(table, 2, 1, 5, 8, true);
    add_embed(table, 3, 2, 31, 33, true);
    add_embed(table, 33, 1, 4, 31, false);
    add_embed(table, 5, 0, 7, 32, true);
    add_embed(table, 4, 0, 3, 5, false);
    add_embed(table, 3, 2, 0, 8, true);
    add_embed(table, 0, 1, 4, 8, true);
    add_embed(table, 2, 1, 31, 33, true, Layout::Transposed);
    add_embed(table, 70, 1, 2, 16, true);
    add_embed(table, 2, 1, 196, 32, true);
    // Chunks of 8: an odd number in the prefix and in all, one block and several, one part and two.
    add_embed(table, 3, 1, 4, 8, true, Layout::Dense, true);
    add_embed(table, 2, 3, 24, 104, true, Layout::Dense, true);
    add_embed(table, 70, 1, 2, 40, true, Layout::Dense, true);
    add_embed(table, 70, 3, 2, 8, false, Layout::Dense, true);
    add_embed(table, 3, 2, 5, 31, true, Layout::Dense, true);
}

}  // namespace fovea::tests
