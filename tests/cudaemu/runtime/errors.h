// Errors of the runtime library, and what the emulator has to say about them.
#pragma once

#include <cuda_runtime_api.h>

#include <string>

namespace fovea::cudaemu {

/// Remembers e for cudaGetLastError, if it is an error, and returns it.
cudaError_t set_error(cudaError_t e);

/// The error of a launch that failed: all later calls return it, until the process ends. Also that of a
/// fork after CUDA was used.
cudaError_t sticky();
void set_sticky(int error);

/// For the end of a call that may have run queued work.
cudaError_t status();

/// Prints what is wrong with a call; aborts under CUDAEMU_CHECK_FATAL.
void complain(const std::string& message);

}  // namespace fovea::cudaemu

/// First line of a function that does nothing once a launch has failed.
#define RETURN_IF_STICKY()                                              \
    do {                                                                \
        if (fovea::cudaemu::sticky() != cudaSuccess)                    \
            return fovea::cudaemu::set_error(fovea::cudaemu::sticky()); \
    } while (0)
