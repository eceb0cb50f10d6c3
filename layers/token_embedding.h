// TokenEmbedding: from images to the tokens of a transformer: patches, class token, positions.
#pragma once

#include "layers/conv2d.h"
#include "layers/dropout.h"
#include "layers/grid.h"

namespace fovea {

/// A convolution from `in` channels to `width` whose kernel and stride are the patch.
Conv2d patch_projection(std::int64_t in, std::int64_t width, GridSize patch);

struct TokenEmbeddingConfig {
    std::int64_t in_channels = 3, width = 192;
    GridSize image = {224, 224}, patch = {16, 16};  ///< patch divides image
    bool distillation_token = false;                ///< a second token, behind the class token
    bool token_positions = true;  ///< class and distillation tokens have positions of their own
    double dropout = 0.0;
};

/// images [B,H,W,C] -> tokens [B,T,width]: class token, distillation token (optional), then the
/// patches row by row; to them learned positions are added, and dropout acts. With token_positions
/// there is a row of `positions` for each token, else only for the patches.
///
/// Images may have another size than config.image: the positions of the patches are then resampled
/// to their grid (timm's rule, layers/position_embedding.h).
///
/// No Module: models call these members by different names, so their own visit() lists them.
struct TokenEmbedding {
    Parameter cls_token, dist_token;  ///< [1,1,width]; dist_token may be undefined
    Parameter positions;              ///< [1,rows,width]
    Conv2d proj;                      ///< patch_projection()
    Dropout drop;
    GridSize patch, grid;  ///< grid: patches of the image that `positions` was made for
    bool token_positions = true;

    explicit TokenEmbedding(const TokenEmbeddingConfig& c);
    /// Error B01: height or width is no multiple of the patch.
    Tensor forward(const Tensor& images, const Pass& pass) const;

    /// Number of tokens in front of the patches: 1 or 2.
    std::int64_t prefix() const { return dist_token.value.defined() ? 2 : 1; }
    /// Another model's `positions`, resampled to this one's grid. `other` itself if it has as many rows,
    /// or if its patches do not form a square (their grid is unknown).
    Tensor fit_positions(const Tensor& other) const;

private:
    std::int64_t placed_prefix() const { return token_positions ? prefix() : 0; }
};

}  // namespace fovea
