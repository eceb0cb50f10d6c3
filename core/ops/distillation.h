// Knowledge distillation losses (Hinton et al. 2015; Touvron et al., "Training data-efficient image
// transformers & distillation through attention", ICML 2021).
#pragma once

#include "core/tensor.h"

namespace fovea::ops {

enum class Distillation : unsigned char { None, Hard, Soft };

struct DistillationParams {
    Distillation kind = Distillation::Hard;
    double alpha = 0.5;      ///< weight of the teacher's part; the labels' part has 1 - alpha
    double tau = 1.0;        ///< temperature of the soft form
    double smoothing = 0.0;  ///< of the labels
};

/// Cross-entropy of student_distilled [B,C] with the class that the teacher [B,C] scores highest (the
/// first of equal ones; found on the host). Mean over the batch.
Tensor hard_distillation(const Tensor& student_distilled, const Tensor& teacher);

/// tau^2 KL(softmax(teacher / tau) || softmax(student_distilled / tau)) summed over everything and
/// divided by B C, as facebookresearch/deit does (not by B).
Tensor soft_distillation(const Tensor& student_distilled, const Tensor& teacher, double tau);

/// (1 - alpha) cross_entropy(student, labels) + alpha distillation; for None the cross-entropy alone.
/// student and student_distilled: the logits of the class head and of the distillation head, [B,C]
/// (the same tensor for a model with one head). The teacher's logits get no gradient.
Tensor distillation_loss(const Tensor& student, const Tensor& student_distilled,
                         const Tensor& teacher, const Tensor& labels,
                         const DistillationParams& params);

}  // namespace fovea::ops
