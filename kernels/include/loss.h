// Softmax cross-entropy, forward and backward in one pass over the logits.
#pragma once

#include "kernels/include/kernel.h"

namespace fovea::kernels {

/// loss [B] = -sum_c t_c log softmax(logits)_c and dlogits [B,C] = softmax(logits) - t (for rows whose
/// t sums to one), neither divided by B. labels [B] (I64): t = (1 - smoothing) onehot + smoothing/C.
/// dlogits may be empty.
KERNEL(softmax_cross_entropy, View loss, View dlogits, CView logits, CView labels,
       double smoothing);

/// The same with given targets t [B,C]; then dlogits = softmax(logits) * sum(t) - t.
KERNEL(soft_target_cross_entropy, View loss, View dlogits, CView logits, CView targets);

}  // namespace fovea::kernels
