// Simplified CvTs: which of CvT's convolutions earn their keep?
//
// Plain ViT blocks (packed qkv, scale head_dim^-0.5, exact GELU), a class token, no position embedding, and
// of CvT's convolutions only those that a question asks for. For 64x64 images of 200 classes, in two
// sizes: _s of about 6.5 and _m of about 20 million parameters.
//
//   vit_p4, vit_p8         no convolution beside the patches; positions are learnt (the controls)
//   cvt_simple_embed       one convolution as embedding
//   cvt_enhanced_embed     two convolutions as embedding
//   cvt_recurrent          one before each of three stages, which reduce the tokens step by step
//   cvt_recurrent_enhanced both of the latter
//   cvt_ref                cvt_recurrent with CvT's convolutional projections too: CvT itself
//
// cvt_recurrent_enhanced_test is a tiny one for tests, with the mean over all tokens for a class token.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "models/cvt.h"

namespace fovea {

struct ModelOptions;

/// The CvTs among them. Nothing for another name.
std::optional<CvtConfig> simplified_cvt_preset(std::string_view name);

/// vit_p4_s, vit_p4_m, vit_p8_s.
std::unique_ptr<Classifier> make_vit_control(const std::string& name, const ModelOptions& options);

}  // namespace fovea
