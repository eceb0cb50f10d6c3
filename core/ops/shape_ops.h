// Differentiable shape operations. Where the plain Tensor view of the same name exists, these share
// the storage and only add the way back for gradients.
#pragma once

#include <vector>

#include "core/tensor.h"

namespace fovea::ops {

/// View with another shape of the same size; one extent may be -1.
Tensor reshape(const Tensor& x, const Shape& shape);
/// x itself if it is dense, else a dense copy.
Tensor contiguous(const Tensor& x);
/// x itself if the elements of its last axis lie side by side, else a dense copy.
Tensor dense_rows(const Tensor& x);
/// [N,H,W,C] as [N, C*H*W]: rows in PyTorch's order, which its linear layers behind a flattened map expect.
Tensor flatten_chw(const Tensor& x);
/// Dense copy with the axes in another order.
Tensor permute(const Tensor& x, const std::vector<int>& axes);
/// View on [begin, end) of one axis (a strided view unless axis is 0).
Tensor slice(const Tensor& x, int axis, std::int64_t begin, std::int64_t end);
/// Joins tensors along an axis; other extents agree.
Tensor concat(const std::vector<Tensor>& parts, int axis);
/// Repeats along axes of extent 1, as a dense copy.
Tensor expand(const Tensor& x, const Shape& shape);
/// Moves every element by `by` places along an axis; what leaves at one end comes in at the other.
Tensor roll(const Tensor& x, int axis, std::int64_t by);
/// [N,H,W,C] with zeros at the bottom and the right, up to [N,rows,columns,C].
Tensor pad_map(const Tensor& x, std::int64_t rows, std::int64_t columns);
/// The upper left part [N,rows,columns,C] of [N,H,W,C]: a strided view, or x itself.
Tensor crop_map(const Tensor& x, std::int64_t rows, std::int64_t columns);

}  // namespace fovea::ops
