// Checks of the public ops: every message begins with the op's name and gives the shapes.
#pragma once

#include <string>

#include "core/error.h"
#include "core/tensor.h"

namespace fovea::ops {

/// Throws B01 "op: what (got [..], [..])" unless ok.
template <class... Tensors>
void check(bool ok, const char* op, const char* what, const Tensors&... tensors) {
    if (ok) return;
    std::string got;
    ((got += (got.empty() ? "" : ", ") + (tensors.defined() ? to_string(tensors.shape()) : "none")),
     ...);
    throw Error("B01", std::string(op) + ": " + what + " (got " + got + ")");
}

/// The leading axes flattened: [.., C] as [rows, C].
inline Tensor as_rows(const Tensor& x) {
    return x.reshape({x.numel() / (x.size(-1) ? x.size(-1) : 1), x.size(-1)});
}

}  // namespace fovea::ops
