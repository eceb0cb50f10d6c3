// LayerNorm (Ba et al. 2016) and BatchNorm (Ioffe and Szegedy 2015) on channels-last rows.
#pragma once

#include "kernels/include/kernel.h"

namespace fovea::kernels {

/// y = (x - mean) * rstd * w + b over the last axis. x, y [rows, C]; mean, rstd [rows] are saved for
/// backward (either may be empty in inference); w, b [C] may be empty.
KERNEL(layer_norm_forward, View y, View mean, View rstd, CView x, CView w, CView b, double eps);

/// sum = x + residual, y = layer_norm_forward of sum, in one pass: all [rows, C]. Backward is
/// layer_norm_backward on sum, its dx added to the gradient that sum has from its other uses.
KERNEL(add_layer_norm_forward, View sum, View y, View mean, View rstd, CView x, CView residual,
       CView w, CView b, double eps);

/// Gradients of layer_norm_forward: dx [rows, C] by dx_mode, dw and db [C] by param_mode (views
/// empty or mode Ignore: skipped). Rows are summed in a fixed order.
KERNEL(layer_norm_backward, View dx, View dw, View db, CView dy, CView x, CView w, CView mean,
       CView rstd, GradMode dx_mode, GradMode param_mode);

/// Training: statistics over the rows of x [rows, C] (biased variance normalises), y = (x - mean) *
/// rstd * w + b. running = (1 - momentum) running + momentum batch, with the unbiased variance.
KERNEL(batch_norm_forward_train, View y, View mean, View rstd, View running_mean, View running_var,
       CView x, CView w, CView b, double eps, double momentum);

/// Inference: y = (x - running_mean) / sqrt(running_var + eps) * w + b.
KERNEL(batch_norm_forward_eval, View y, CView x, CView w, CView b, CView running_mean,
       CView running_var, double eps);

/// Gradients of the training form, through the batch statistics.
KERNEL(batch_norm_backward_train, View dx, View dw, View db, CView dy, CView x, CView w, CView mean,
       CView rstd, GradMode param_mode);

/// Gradients of the inference form, whose statistics are constants.
KERNEL(batch_norm_backward_eval, View dx, View dw, View db, CView dy, CView x, CView w,
       CView running_mean, CView running_var, double eps, GradMode param_mode);

}  // namespace fovea::kernels
