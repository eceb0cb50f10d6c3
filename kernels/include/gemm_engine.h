// Who multiplies matrices on a CUDA device.
#pragma once

namespace fovea::gpu {

/// Auto: CublasLt. CublasLt: NVIDIA's library, and Tiled where it has nothing for a product (odd
/// strides or alignments, empty sums). Tiled: Fovea's own kernel, whose bits depend on the shapes alone.
enum class GemmEngine : unsigned char { Auto, Tiled, CublasLt };

/// Until the first call it is what the environment's FOVEA_GEMM says: auto, tiled or cublaslt.
void set_gemm_engine(GemmEngine engine);
GemmEngine gemm_engine();

}  // namespace fovea::gpu
