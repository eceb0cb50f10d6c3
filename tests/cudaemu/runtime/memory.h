// Checks of the pointers that a program hands to the runtime library.
#pragma once

#include <cstddef>

namespace fovea::cudaemu {

/// Does [p, p + bytes) lie in one allocation? Complains otherwise. Unless it must be on the device,
/// memory of the host will do too.
bool check_range(const void* p, size_t bytes, const char* api, bool must_be_device);

}  // namespace fovea::cudaemu
