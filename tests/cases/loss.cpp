// Cross-entropy with labels, label smoothing and soft targets.
#include "core/ops/loss.h"

#include "tests/cases/families.h"

namespace fovea::tests {
namespace {

using ops::Reduction;

constexpr const char* reduction_names[] = {" mean", " sum", " none"};

void add_labels(std::vector<Case>& table, const Shape& logits, double smoothing, Reduction reduction,
                Layout layout = Layout::Dense) {
    const std::vector<Input> inputs = {
        {logits, Values::Uniform, true, layout, 0},
        {{logits[0]}, Values::Labels, false, Layout::Dense, logits[1]}};
    table.push_back({.name = "cross_entropy " + spell(logits) +
                             reduction_names[static_cast<int>(reduction)] +
                             (smoothing > 0.0 ? " smoothed" : "") +
                             (layout == Layout::Dense ? "" : " transposed"),
                     .op = "cross_entropy",
                     .kernels = {"softmax_cross_entropy", "binary", "reduce_sum"},
                     .inputs = inputs,
                     .build =
                         [=](const auto& in) {
                             return ops::cross_entropy(in[0], in[1], smoothing, reduction);
                         },
                     .flops = 5.0 * static_cast<double>(logits.numel()),
                     .bytes = traffic(inputs, logits.numel()),
                     .terms = std::max(logits[0], logits[1])});
}

void add_soft(std::vector<Case>& table, const Shape& logits, Values targets, Reduction reduction) {
    const std::vector<Input> inputs = {{logits}, constant(logits, targets)};
    table.push_back({.name = "soft_cross_entropy " + spell(logits) +
                             reduction_names[static_cast<int>(reduction)] +
                             (targets == Values::Shares ? "" : " of any sum"),
                     .op = "soft_cross_entropy",
                     .kernels = {"soft_target_cross_entropy", "binary", "reduce_sum"},
                     .inputs = inputs,
                     .build =
                         [=](const auto& in) {
                             return ops::soft_cross_entropy(in[0], in[1], reduction);
                         },
                     .flops = 5.0 * static_cast<double>(logits.numel()),
                     .bytes = traffic(inputs, logits.numel()),
                     .terms = std::max(logits[0], logits[1])});
}

}  // namespace

void add_loss_cases(std::vector<Case>& table) {
    for (const Reduction reduction : {Reduction::Mean, Reduction::Sum, Reduction::None}) {
        for (const double smoothing : {0.0, 0.1}) {
            add_labels(table, {5, 10}, smoothing, reduction);
            add_labels(table, {3, 33}, smoothing, reduction);
        }
        add_soft(table, {5, 31}, Values::Shares, reduction);
    }
    add_labels(table, {1, 1}, 0.0, Reduction::Mean);
    add_labels(table, {0, 10}, 0.0, Reduction::Sum);
    add_labels(table, {7, 32}, 0.1, Reduction::Mean, Layout::Transposed);
    add_labels(table, {4, 1000}, 0.1, Reduction::Mean);
    add_soft(table, {5, 31}, Values::Positive, Reduction::None);
    add_soft(table, {4, 1000}, Values::Shares, Reduction::Mean);
}

}  // namespace fovea::tests
