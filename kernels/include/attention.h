// Scaled dot-product attention (Vaswani et al. 2017) that never stores the probabilities
// (FlashAttention, Dao et al. 2022): backward recomputes them from q, k and lse.
#pragma once

#include "kernels/include/kernel.h"

namespace fovea::kernels {

/// o = softmax(scale q k^T) v per (batch, head). q, o [B,Tq,H,D]; k, v [B,Tk,H,D], strided with a
/// dense last axis, so slices of a packed qkv work. lse [B,H,Tq] = log sum exp(scale q k^T).
KERNEL(attention_forward, View o, View lse, CView q, CView k, CView v, double scale);

/// Overwrites dq, dk, dv (strided like q, k, v). dout is the gradient of o.
KERNEL(attention_backward, View dq, View dk, View dv, CView dout, CView o, CView lse, CView q,
       CView k, CView v, double scale);

/// p [B,H,Tq,Tk] = exp(scale q k^T - lse), for those who want to look.
KERNEL(attention_probabilities, View p, CView q, CView k, CView lse, double scale);

}  // namespace fovea::kernels
