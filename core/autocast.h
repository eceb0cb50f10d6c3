// Autocast: mixed precision. While one lives, ops compute in BF16 where that is safe; parameters stay
// F32 and so do their gradients.
//
//     const Autocast autocast(DType::BF16);
//     const Tensor logits = model.forward(images, pass);
//
// The policy, op by op (docs/04-cuda-kernels.md):
//   low      linear, matmul, conv2d, attention      inputs and weights are cast to BF16; sums in F32
//   any      norms, softmax, losses, reductions     take what comes and compute in F32
//   follow   add, activations, pooling, concat      an F32 operand follows a BF16 one
//
// BF16 has the exponents of F32, so there is no loss scaling.
#pragma once

#include "core/tensor.h"

namespace fovea {

class Autocast {
public:
    explicit Autocast(DType low);  ///< F32 switches it off
    ~Autocast();
    Autocast(const Autocast&) = delete;
    Autocast& operator=(const Autocast&) = delete;

private:
    DType previous_;
};

namespace autocast {

/// x in the low precision, if autocast is on and x is F32; else x. Gradients come back in x's dtype.
Tensor low(const Tensor& x);

/// The same for a weight: its gradient is written by the op itself, straight into the F32 gradient.
/// The BF16 copy is kept beside the weight until the weight changes.
Tensor low_weight(const Tensor& w);

/// x in the dtype of `other`, if autocast is on; else x.
Tensor follow(const Tensor& x, const Tensor& other);

}  // namespace autocast
}  // namespace fovea
