// Softmax cross-entropy losses.
#pragma once

#include "core/tensor.h"

namespace fovea::ops {

enum class Reduction : unsigned char { Mean, Sum, None };

/// -sum_c t_c log softmax(logits)_c with t = (1 - smoothing) onehot(label) + smoothing / C (Szegedy et
/// al. 2016). logits [B,C], labels [B] (I64, below C: the caller's promise). Result: [] or [B].
Tensor cross_entropy(const Tensor& logits, const Tensor& labels, double smoothing = 0.0,
                     Reduction reduction = Reduction::Mean);

/// The same with given targets [B,C] (mixup, distillation).
Tensor soft_cross_entropy(const Tensor& logits, const Tensor& targets,
                          Reduction reduction = Reduction::Mean);

}  // namespace fovea::ops
