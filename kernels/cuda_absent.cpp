// Stands in for the CUDA kernels in a build without CUDA: every declaration of kernels/include
// becomes a cuda:: function that throws.
#include <stdexcept>

#define KERNEL(name, ...)                                                        \
    namespace cuda {                                                             \
    void name(const Stream&, __VA_ARGS__) {                                      \
        throw std::runtime_error(#name ": this program was built without CUDA"); \
    }                                                                            \
    }                                                                            \
    static_assert(true)

#pragma GCC diagnostic ignored "-Wunused-parameter"

#include "kernels/include/attention.h"
#include "kernels/include/augment.h"
#include "kernels/include/conv.h"
#include "kernels/include/dropout.h"
#include "kernels/include/elementwise.h"
#include "kernels/include/embed.h"
#include "kernels/include/loss.h"
#include "kernels/include/matmul.h"
#include "kernels/include/norm.h"
#include "kernels/include/optimizer.h"
#include "kernels/include/pool.h"
#include "kernels/include/reduce.h"
#include "kernels/include/resize.h"
#include "kernels/include/softmax.h"
#include "kernels/include/window_attention.h"
