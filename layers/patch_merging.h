// Patch merging: halves a map and doubles its channels, between the stages of a Swin (Liu et al., "Swin
// Transformer", ICCV 2021, section 3.1).
#pragma once

#include "layers/linear.h"
#include "layers/norm.h"

namespace fovea {

/// reduction(norm(the four pixels of each 2 x 2 square, one after the other)). x [B,H,W,C] ->
/// [B,ceil(H/2),ceil(W/2),2C]; zeros complete odd sides at the bottom and the right. The order of
/// the four is by column, then row: (0,0), (1,0), (0,1), (1,1), as all implementations have it.
struct PatchMerging : Module {
    LayerNorm norm;
    Linear reduction;

    PatchMerging() = default;
    PatchMerging(std::int64_t channels, double ln_eps);
    void visit(Visitor& v) override;
    Tensor forward(const Tensor& x) const;
};

}  // namespace fovea
