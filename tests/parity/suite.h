// All golden files of the repository at once.
#pragma once

namespace fovea::parity {

enum class Scope : unsigned char {
    Usual,  ///< all files but those of Large
    Large   ///< models that take seconds to minutes each
};

/// Checks tests/golden/{layers,losses,optim,models,training} (run from the repository's root), as far as
/// the scope goes:
///  - every file on the CPU in fp32 and on the reference device in fp64;
///  - the files listed in tests/parity/unsupported.txt are not supported, and all others are;
///  - a result with a wrong digit is noticed, for every result that the files hold (full-size models
///    aside).
/// Prints what is wrong and one line of counts. Returns whether all is well.
bool run_suite(Scope scope);

}  // namespace fovea::parity
