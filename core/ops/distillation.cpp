#include "core/ops/distillation.h"

#include <algorithm>
#include <vector>

#include "core/ops/check.h"
#include "core/ops/elementwise.h"
#include "core/ops/loss.h"
#include "core/ops/softmax.h"
#include "core/tape.h"

namespace fovea::ops {
namespace {

Tensor best_classes(const Tensor& scores) {
    const std::vector<double> values = scores.to_vector();
    std::vector<double> classes;
    const std::int64_t width = scores.size(1);
    for (auto row = values.begin(); row != values.end(); row += width)
        classes.push_back(static_cast<double>(std::max_element(row, row + width) - row));
    return Tensor::from(classes, {scores.size(0)}, DType::I64, scores.device());
}

}  // namespace

Tensor hard_distillation(const Tensor& student_distilled, const Tensor& teacher) {
    check(teacher.shape() == student_distilled.shape(), "hard_distillation",
          "student and teacher [B,C]", student_distilled, teacher);
    return cross_entropy(student_distilled, best_classes(teacher));
}

Tensor soft_distillation(const Tensor& student_distilled, const Tensor& teacher, double tau) {
    check(teacher.shape() == student_distilled.shape() && teacher.rank() == 2, "soft_distillation",
          "student and teacher [B,C]", student_distilled, teacher);
    Tensor probabilities, entropy;  // of the teacher: constants
    {
        const NoGrad constant;
        const Tensor softened = scale(teacher, 1.0 / tau);
        probabilities = softmax(softened);
        entropy = soft_cross_entropy(softened, probabilities, Reduction::Sum);
    }
    const Tensor cross =
        soft_cross_entropy(scale(student_distilled, 1.0 / tau), probabilities, Reduction::Sum);
    return scale(sub(cross, entropy), tau * tau / static_cast<double>(teacher.numel()));
}

Tensor distillation_loss(const Tensor& student, const Tensor& student_distilled,
                         const Tensor& teacher, const Tensor& labels,
                         const DistillationParams& params) {
    Tensor base = cross_entropy(student, labels, params.smoothing);
    if (params.kind == Distillation::None) return base;
    const Tensor distilled = params.kind == Distillation::Hard
                                 ? hard_distillation(student_distilled, teacher)
                                 : soft_distillation(student_distilled, teacher, params.tau);
    return add(scale(base, 1.0 - params.alpha), scale(distilled, params.alpha));
}

}  // namespace fovea::ops
