// Cross-entropy with labels, label smoothing and soft targets, and distillation.
#include "core/ops/loss.h"

#include "core/ops/distillation.h"

#include "tests/cases/families.h"

namespace fovea::tests {
namespace {

using ops::Reduction;

constexpr const char* reduction_names[] = {" mean", " sum", " none"};

void add_labels(std::vector<Case>& table, const Shape& logits, double smoothing,
                Reduction reduction, Layout layout = Layout::Dense) {
    const std::vector<Input> inputs = {
        {logits, Values::Uniform, true, layout, 0},
        {{logits[0]}, Values::Labels, false, Layout::Dense, logits[1]}};
    table.push_back(
        {.name = "cross_entropy " + spell(logits) + reduction_names[static_cast<int>(reduction)] +
                 (smoothing > 0.0 ? " smoothed" : "") +
                 (layout == Layout::Dense ? "" : " transposed"),
         .op = "cross_entropy",
         .kernels = {"softmax_cross_entropy", "binary", "reduce_sum"},
         .inputs = inputs,
         .build =
             [=](const auto& in) { return ops::cross_entropy(in[0], in[1], smoothing, reduction); },
         .flops = 5.0 * static_cast<double>(logits.numel()),
         .bytes = traffic(inputs, logits.numel()),
         .terms = std::max(logits[0], logits[1])});
}

void add_soft(std::vector<Case>& table, const Shape& logits, Values targets, Reduction reduction) {
    const std::vector<Input> inputs = {{logits}, constant(logits, targets)};
    table.push_back(
        {.name = "soft_cross_entropy " + spell(logits) +
                 reduction_names[static_cast<int>(reduction)] +
                 (targets == Values::Shares ? "" : " of any sum"),
         .op = "soft_cross_entropy",
         .kernels = {"soft_target_cross_entropy", "binary", "reduce_sum"},
         .inputs = inputs,
         .build = [=](const auto& in) { return ops::soft_cross_entropy(in[0], in[1], reduction); },
         .flops = 5.0 * static_cast<double>(logits.numel()),
         .bytes = traffic(inputs, logits.numel()),
         .terms = std::max(logits[0], logits[1])});
}

/// Two student heads, a teacher and labels.
void add_distillation(std::vector<Case>& table, const Shape& logits, ops::Distillation kind) {
    const std::vector<Input> inputs = {
        {logits},
        // Nothing flows to a head that is not used.
        {logits, Values::Uniform, kind != ops::Distillation::None, Layout::Dense, 0},
        constant(logits),
        {{logits[0]}, Values::Labels, false, Layout::Dense, logits[1]}};
    static constexpr const char* kinds[] = {" none", " hard", " soft"};
    ops::DistillationParams params;
    params.kind = kind;
    params.alpha = 0.3;
    params.tau = 3.0;
    params.smoothing = 0.1;
    table.push_back({.name = "distillation_loss " + spell(logits) + kinds[static_cast<int>(kind)],
                     .op = "distillation_loss",
                     .kernels = {"softmax_cross_entropy", "soft_target_cross_entropy",
                                 "softmax_forward", "binary", "axpby", "reduce_sum"},
                     .inputs = inputs,
                     .build =
                         [params](const auto& in) {
                             return ops::distillation_loss(in[0], in[1], in[2], in[3], params);
                         },
                     .flops = 15.0 * static_cast<double>(logits.numel()),
                     .bytes = traffic(inputs, 1),
                     .terms = logits.numel()});
}

/// One student head and a teacher.
void add_distilled_head(std::vector<Case>& table, const Shape& logits, bool soft) {
    const std::vector<Input> inputs = {{logits}, constant(logits)};
    const std::string op = soft ? "soft_distillation" : "hard_distillation";
    table.push_back({.name = op + " " + spell(logits),
                     .op = op,
                     .kernels = {soft ? "soft_target_cross_entropy" : "softmax_cross_entropy",
                                 "binary", "axpby", "reduce_sum"},
                     .inputs = inputs,
                     .build =
                         [soft](const auto& in) {
                             return soft ? ops::soft_distillation(in[0], in[1], 2.0)
                                         : ops::hard_distillation(in[0], in[1]);
                         },
                     .flops = 10.0 * static_cast<double>(logits.numel()),
                     .bytes = traffic(inputs, 1),
                     .terms = logits.numel()});
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
    add_labels(table, {2, 13000}, 0.1, Reduction::None);
    add_soft(table, {5, 31}, Values::Positive, Reduction::None);
    add_soft(table, {4, 1000}, Values::Shares, Reduction::Mean);
    for (const Shape& logits : {Shape{1, 31}, Shape{5, 33}}) {
        for (const bool soft : {false, true}) add_distilled_head(table, logits, soft);
        for (const ops::Distillation kind :
             {ops::Distillation::None, ops::Distillation::Hard, ops::Distillation::Soft})
            add_distillation(table, logits, kind);
    }
}

}  // namespace fovea::tests
