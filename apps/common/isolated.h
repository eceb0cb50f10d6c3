// Runs a measurement in a child process: its peak memory, page faults and age are its own, and a
// failure takes nothing else along.
//
//     int status = in_child([&] { return benchmark(settings); }, result);   // 0: result is filled
#pragma once

#include <cstddef>
#include <functional>
#include <type_traits>

namespace fovea::apps {

/// Forks; the child runs `body`, which fills `size` bytes at `result`, and sends them to the parent.
/// Returns the child's exit status (errors are printed by the child, see run_app). Call it before
/// the process has made threads. Errors: M01 the child was killed, or could not be made.
int in_child_bytes(const std::function<void(void*)>& body, void* result, std::size_t size);

template <class Body, class Result>
int in_child(const Body& body, Result& result) {
    static_assert(std::is_trivially_copyable_v<Result>);
    return in_child_bytes([&](void* out) { *static_cast<Result*>(out) = body(); }, &result,
                          sizeof result);
}

}  // namespace fovea::apps
