// Position embeddings for images of another size than the model was made for.
#pragma once

#include "core/ops/pool.h"
#include "core/tensor.h"
#include "layers/grid.h"

namespace fovea {

/// timm's way: bicubic with antialiasing.
inline constexpr ResizeParams kPositionResize = {Interpolation::Bicubic, false, true};

/// Resamples a learned position embedding [1, prefix + from.area(), C] to [1, prefix + to.area(), C]. The
/// first `prefix` rows (class and distillation tokens) stay as they are; the others are the rows of a
/// map. The same grid gives x itself. Differentiable, so that it can be part of a forward pass.
/// Error B01: the number of rows does not fit.
Tensor resample_position_embedding(const Tensor& x, GridSize from, GridSize to, std::int64_t prefix,
                                   const ResizeParams& params = kPositionResize);

}  // namespace fovea
