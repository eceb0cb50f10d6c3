#include "layers/token_embedding.h"

#include <cmath>

#include "core/ops/check.h"
#include "core/ops/elementwise.h"
#include "core/ops/shape_ops.h"
#include "layers/position_embedding.h"

namespace fovea {
namespace {

Parameter undecayed(const Shape& shape) {
    Parameter p;
    p.value = Tensor::zeros(shape).set_requires_grad();
    p.no_decay = true;
    return p;
}

}  // namespace

Conv2d patch_projection(std::int64_t in, std::int64_t width, GridSize patch) {
    Conv2d proj(in, width, patch.rows, patch.rows, 0);
    if (patch.columns != patch.rows) {  // Conv2d's constructor makes square kernels
        proj.weight.value =
            Tensor::zeros({width, patch.rows, patch.columns, in}).set_requires_grad();
        proj.params.stride[1] = patch.columns;
    }
    return proj;
}

TokenEmbedding::TokenEmbedding(const TokenEmbeddingConfig& c)
    : cls_token(undecayed({1, 1, c.width})),
      proj(patch_projection(c.in_channels, c.width, c.patch)), drop(c.dropout),
      patch(c.patch), grid{c.image.rows / c.patch.rows, c.image.columns / c.patch.columns},
      token_positions(c.token_positions) {
    if (c.distillation_token) dist_token = undecayed({1, 1, c.width});
    positions = undecayed({1, placed_prefix() + grid.area(), c.width});
}

Tensor TokenEmbedding::forward(const Tensor& images, const Pass& pass) const {
    ops::check(images.rank() == 4 && images.size(1) % patch.rows == 0 &&
                   images.size(2) % patch.columns == 0,
               "patch embedding", "images [B,H,W,C] with H and W multiples of the patch", images);
    const std::int64_t batch = images.size(0), width = cls_token.value.size(2);
    const GridSize now = {images.size(1) / patch.rows, images.size(2) / patch.columns};
    const Tensor rows = resample_position_embedding(positions, grid, now, placed_prefix());
    Tensor x = ops::reshape(proj.forward(images), {batch, now.area(), width});
    if (!token_positions) x = ops::add(x, rows);
    std::vector<Tensor> tokens = {ops::expand(cls_token, {batch, 1, width})};
    if (dist_token.value.defined()) tokens.push_back(ops::expand(dist_token, {batch, 1, width}));
    tokens.push_back(x);
    x = ops::concat(tokens, 1);
    if (token_positions) x = ops::add(x, rows);
    return drop.forward(x, pass);
}

Tensor TokenEmbedding::fit_positions(const Tensor& other) const {
    const Shape& own = positions.value.shape();
    if (other.rank() != 3 || other.size(0) != 1 || other.size(2) != own[2] ||
        other.size(1) == own[1])
        return other;
    const std::int64_t patches = other.size(1) - placed_prefix();
    const auto side = static_cast<std::int64_t>(std::sqrt(static_cast<double>(patches)) + 0.5);
    if (side < 1 || side * side != patches) return other;
    return resample_position_embedding(other.to(DType::F32), {side, side}, grid, placed_prefix());
}

}  // namespace fovea
