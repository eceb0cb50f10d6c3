// All golden files of the repository at once.
#pragma once

namespace fovea::parity {

/// Checks tests/golden/{layers,losses,optim,models,training} (run from the repository's root):
///  - every file on the CPU in fp32 and, but for full-size models, on the reference device in fp64;
///  - the files listed in tests/parity/unsupported.txt are not supported, and all others are;
///  - a result with a wrong digit is noticed, for every result that the files hold.
/// Prints what is wrong and one line of counts. Returns whether all is well.
bool run_suite();

}  // namespace fovea::parity
