// The frame around every program's main.
//
//     int main(int argc, char** argv) {
//         return fovea::apps::run_app([&] { ...; return 0; });
//     }
#pragma once

#include <functional>

namespace fovea::apps {

/// Runs `body` and returns its exit status. What it throws is printed on stderr and becomes the
/// status: Error -> its code's (2..7, 70), out of memory -> 5, anything else -> 70. Output that
/// could not be written (a full disk behind stdout) -> 7.
int run_app(const std::function<int()>& body);

}  // namespace fovea::apps
