#include "layers/patch_merging.h"

#include "core/ops/shape_ops.h"

namespace fovea {

PatchMerging::PatchMerging(std::int64_t channels, double ln_eps)
    : norm(4 * channels, ln_eps), reduction(4 * channels, 2 * channels, false) {}

void PatchMerging::visit(Visitor& v) {
    v("norm", norm);
    v("reduction", reduction);
}

Tensor PatchMerging::forward(const Tensor& x) const {
    const std::int64_t rows = (x.size(1) + 1) / 2, columns = (x.size(2) + 1) / 2;
    const std::int64_t batch = x.size(0), channels = x.size(3);
    const Tensor even = ops::pad_map(x, 2 * rows, 2 * columns);
    const Tensor squares = ops::permute(ops::reshape(even, {batch, rows, 2, columns, 2, channels}),
                                        {0, 1, 3, 4, 2, 5});
    return reduction.forward(
        norm.forward(ops::reshape(squares, {batch, rows, columns, 4 * channels})));
}

}  // namespace fovea
