// Attention on separate q, k, v and on a packed projection, and its probabilities.
#include "core/ops/attention.h"

#include <cmath>

#include "tests/cases/families.h"

namespace fovea::tests {
namespace {

struct AttentionShape {
    std::int64_t B, Tq, Tk, H, D;
};

std::string spell_shape(const AttentionShape& s) {
    return std::to_string(s.B) + " batch " + std::to_string(s.Tq) + "x" + std::to_string(s.Tk) +
           " tokens " + std::to_string(s.H) + "x" + std::to_string(s.D);
}

double scale_of(const AttentionShape& s) { return 1.0 / std::sqrt(static_cast<double>(s.D)); }
double flops_of(const AttentionShape& s) {
    return 4.0 * static_cast<double>(s.B * s.H * s.Tq * s.Tk * s.D);
}

void add_attention(std::vector<Case>& table, const AttentionShape& s,
                   Layout layout = Layout::Dense) {
    const Shape q = {s.B, s.Tq, s.H, s.D}, kv = {s.B, s.Tk, s.H, s.D};
    const double scale = scale_of(s);
    const std::vector<Input> inputs = {{q, Values::Uniform, true, layout, 0},
                                       {kv, Values::Uniform, true, layout, 0},
                                       {kv, Values::Uniform, true, layout, 0}};
    static constexpr const char* layouts[] = {"", " transposed", " sliced", " repeated"};
    table.push_back(
        {.name = "attention " + spell_shape(s) + layouts[static_cast<int>(layout)],
         .op = "attention",
         .kernels = {"attention_forward", "attention_backward"},
         .inputs = inputs,
         .build = [scale](const auto& in) { return ops::attention(in[0], in[1], in[2], scale); },
         .flops = flops_of(s),
         .bytes = traffic(inputs, q.numel()),
         .terms = std::max({s.Tq, s.Tk, s.D}),
         .cancelling = s.Tk == 1 ? 1.0 : 0.0});  // softmax over one key is constant
}

void add_packed(std::vector<Case>& table, const AttentionShape& s, Layout layout = Layout::Dense) {
    const std::vector<Input> inputs = {
        {{s.B, s.Tq, 3 * s.H * s.D}, Values::Uniform, true, layout, 0}};
    const double scale = scale_of(s);
    table.push_back(
        {.name = "attention_packed " + spell_shape(s) + (layout == Layout::Dense ? "" : " sliced"),
         .op = "attention_packed",
         .kernels = {"attention_forward", "attention_backward"},
         .inputs = inputs,
         .build = [s, scale](const auto& in) { return ops::attention_packed(in[0], s.H, scale); },
         .flops = flops_of(s),
         .bytes = traffic(inputs, s.B * s.Tq * s.H * s.D),
         .terms = std::max(s.Tq, s.D),
         .cancelling = s.Tq == 1 ? 1.0 : 0.0});
}

void add_probabilities(std::vector<Case>& table, const AttentionShape& s) {
    const std::vector<Input> inputs = {constant({s.B, s.Tq, s.H, s.D}),
                                       constant({s.B, s.Tk, s.H, s.D})};
    const double scale = scale_of(s);
    table.push_back(
        {.name = "attention_probabilities " + spell_shape(s),
         .op = "attention_probabilities",
         .kernels = {"attention_forward", "attention_probabilities"},
         .inputs = inputs,
         .build =
             [scale](const auto& in) { return ops::attention_probabilities(in[0], in[1], scale); },
         .flops = flops_of(s),
         .bytes = traffic(inputs, s.B * s.H * s.Tq * s.Tk),
         .terms = std::max(s.Tk, s.D)});
}

}  // namespace

void add_attention_cases(std::vector<Case>& table) {
    add_attention(table, {1, 1, 1, 1, 1});
    add_attention(table, {2, 31, 33, 2, 8});
    add_attention(table, {1, 33, 31, 1, 5});
    add_attention(table, {1, 7, 1, 3, 16});
    add_attention(table, {0, 4, 4, 2, 8});
    add_attention(table, {2, 9, 8, 2, 16}, Layout::Sliced);
    add_attention(table, {2, 9, 8, 3, 4}, Layout::Transposed);
    // CvT: 28x28 images' two stages, then one head of the second and the whole third stage at 224.
    add_attention(table, {2, 49, 16, 2, 32});
    add_attention(table, {2, 17, 5, 3, 32});
    add_attention(table, {1, 784, 196, 1, 64});
    add_attention(table, {1, 197, 50, 6, 64});
    // More than one tile of queries and keys on CUDA, in each of its widths of heads.
    add_attention(table, {2, 70, 65, 2, 20});
    add_attention(table, {1, 65, 130, 1, 101});
    add_attention(table, {1, 66, 7, 2, 128}, Layout::Transposed);

    add_packed(table, {1, 1, 1, 1, 1});
    add_packed(table, {2, 31, 31, 2, 8});
    add_packed(table, {1, 33, 33, 3, 5});
    add_packed(table, {0, 4, 4, 2, 8});
    add_packed(table, {2, 7, 7, 2, 8}, Layout::Sliced);
    add_packed(table, {1, 197, 197, 1, 64});

    add_probabilities(table, {2, 31, 33, 2, 8});
    add_probabilities(table, {1, 197, 50, 2, 64});
}

}  // namespace fovea::tests
