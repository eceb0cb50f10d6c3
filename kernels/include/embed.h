// From patches to the tokens of a transformer: tokens put in front, positions added.
#pragma once

#include "kernels/include/kernel.h"

namespace fovea::kernels {

/// y [B,P+N,C] = concat(prefix, patches) + position: prefix [P,C] comes before the patches [B,N,C] of
/// every sample. prefix (then P is 0) and position [P+N,C] may be empty. On CUDA both may be F32 beside
/// patches in BF16.
KERNEL(embed_tokens_forward, View y, CView patches, CView prefix, CView position);

/// From dy [B,P+N,C]: dpatches (+)= dy of the patches; dprefix and dposition (+)= sums over B.
KERNEL(embed_tokens_backward, View dpatches, View dprefix, View dposition, CView dy,
       std::int64_t prefix_tokens, GradMode patches_mode, GradMode prefix_mode,
       GradMode position_mode);

}  // namespace fovea::kernels
