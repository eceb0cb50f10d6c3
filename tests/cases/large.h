// Cases at the sizes of training: what benchmark_kernels measures, and whose memory traffic it checks.
//
// The shapes are those of ViT-B, Swin-T, CvT-13 and ResNet-50 at 224 x 224, with the batch (or the
// heads) cut down to tensors of at least 1 MB in BF16. all_cases() has none of them: they are too large
// for gradient checks.
#pragma once

#include <functional>
#include <vector>

#include "tests/cases/case.h"

namespace fovea::tests {

/// Compulsory traffic of a pass: what its kernels must read, each tensor once a kernel, and must write.
/// Gradients of a product are two kernels (of the input, of the weight), and both must read dy.
struct Traffic {
    double elements = 0.0;  ///< in the dtype of the run
    double bytes = 0.0;     ///< of what has a dtype of its own: F32 parameters, statistics, labels

    double in(DType dtype) const { return elements * static_cast<double>(size_of(dtype)) + bytes; }
};

struct LargeCase {
    Case row;  ///< unlike those of the table it may work in place on an input (optimizers)
    Traffic forward;
    Traffic backward = {};  ///< zero: the case has none
    double backward_flops = 0.0;
    /// Makes of the inputs what the row's build takes, once, where they need another dtype.
    std::function<void(std::vector<Tensor>&)> prepare = {};
};

const std::vector<LargeCase>& large_cases();

// One function per group of kernels.
void add_large_maps(std::vector<LargeCase>& list);       ///< elementwise, dropout, copies
void add_large_rows(std::vector<LargeCase>& list);       ///< norms, softmax, sums
void add_large_products(std::vector<LargeCase>& list);   ///< linear layers, convolutions
void add_large_attention(std::vector<LargeCase>& list);  ///< plain and in windows
void add_large_images(std::vector<LargeCase>& list);  ///< pooling, resizing, augmentation, tokens
void add_large_optimizers(std::vector<LargeCase>& list);  ///< steps over an arena of 1 M parameters

inline double count(const Shape& shape) { return static_cast<double>(shape.numel()); }

}  // namespace fovea::tests
