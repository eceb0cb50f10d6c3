#include "layers/position_embedding.h"

#include "core/ops/check.h"
#include "core/ops/shape_ops.h"

namespace fovea {

Tensor resample_position_embedding(const Tensor& x, GridSize from, GridSize to, std::int64_t prefix,
                                   const ResizeParams& params) {
    ops::check(x.rank() == 3 && x.size(0) == 1 && x.size(1) == prefix + from.area(),
               "resample_position_embedding", "x [1, prefix + rows * columns, C]", x);
    if (from == to) return x;
    const std::int64_t width = x.size(2);
    const Tensor map = ops::reshape(ops::contiguous(ops::slice(x, 1, prefix, x.size(1))),
                                    {1, from.rows, from.columns, width});
    const Tensor rows =
        ops::reshape(ops::interpolate(map, to.rows, to.columns, params), {1, to.area(), width});
    return prefix == 0 ? rows : ops::concat({ops::slice(x, 1, 0, prefix), rows}, 1);
}

}  // namespace fovea
