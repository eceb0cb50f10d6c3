// KERNEL declares a kernel once: reference::name, cpu::name, cuda::name and the callable `name`
// that picks one of the three by the stream's device.
//
// Order of arguments: outputs, inputs, scalars. An output or input that is not wanted is passed as
// an empty View{} / CView{}. Kernels check nothing (the public ops do) and allocate nothing that
// outlives the call. Unless a kernel's comment says otherwise, views are contiguous.
#pragma once

#include <utility>

#include "kernels/include/device.h"
#include "kernels/include/view.h"

namespace fovea {

/// What a backward kernel does with its output: leave it alone, write it, or add to it.
enum class GradMode : unsigned char { Ignore, Overwrite, Accumulate };

}  // namespace fovea

#ifndef KERNEL  // kernels/cuda_absent.cpp defines it differently, to generate throwing functions
#define KERNEL(name, ...)                                                                      \
    namespace reference {                                                                      \
    void name(const Stream&, __VA_ARGS__);                                                     \
    }                                                                                          \
    namespace cpu {                                                                            \
    void name(const Stream&, __VA_ARGS__);                                                     \
    }                                                                                          \
    namespace cuda {                                                                           \
    void name(const Stream&, __VA_ARGS__);                                                     \
    }                                                                                          \
    struct name##_dispatch {                                                                   \
        template <class... Args>                                                               \
        void operator()(const Stream& stream, Args&&... args) const {                          \
            switch (stream.device.type) {                                                      \
                case DeviceType::Reference:                                                    \
                    return reference::name(stream, std::forward<Args>(args)...);               \
                case DeviceType::CPU: return cpu::name(stream, std::forward<Args>(args)...);   \
                case DeviceType::CUDA: return cuda::name(stream, std::forward<Args>(args)...); \
            }                                                                                  \
        }                                                                                      \
    };                                                                                         \
    inline constexpr name##_dispatch name {}
#endif
