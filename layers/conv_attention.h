// CvT's convolutional attention (Wu et al., "CvT: Introducing convolutions to vision transformers",
// ICCV 2021, section 3.2): depthwise convolutions make queries, keys and values.
#pragma once

#include "layers/conv2d.h"
#include "layers/dropout.h"
#include "layers/linear.h"
#include "layers/norm.h"

namespace fovea {

/// Depthwise convolution without bias, then BatchNorm. x [B,H,W,C] -> [B,P,Q,C].
struct ConvProjection : Module {
    Conv2d conv;
    BatchNorm2d bn;

    ConvProjection() = default;
    ConvProjection(std::int64_t channels, std::int64_t kernel, std::int64_t stride,
                   std::int64_t padding, double bn_eps, double bn_momentum);
    void visit(Visitor& v) override;
    Tensor forward(const Tensor& x, const Pass& pass) const {
        return bn.forward(conv.forward(x), pass);
    }
};

struct ConvAttentionConfig {
    std::int64_t width = 64, heads = 1;
    bool conv_projection = true;  ///< false: q, k, v straight from the tokens
    std::int64_t kernel = 3, padding_q = 1, padding_kv = 1, stride_q = 1, stride_kv = 2;
    bool qkv_bias = true;
    double scale = 1.0;  ///< Microsoft's CvT uses width^-0.5, not head_dim^-0.5
    double bn_eps = 1e-5, bn_momentum = 0.1, dropout = 0.0;
};

/// Tokens [B,T,C]; with a class token it is token 0, takes part in attention and bypasses the
/// convolutions. The other T tokens are the rows of an [H,W] map.
struct ConvAttention : Module {
    ConvProjection conv_proj_q, conv_proj_k, conv_proj_v;
    Linear proj_q, proj_k, proj_v, proj;
    Dropout proj_drop;
    ConvAttentionConfig config;

    ConvAttention() = default;
    explicit ConvAttention(const ConvAttentionConfig& c);
    void visit(Visitor& v) override;
    Tensor forward(const Tensor& x, std::int64_t height, std::int64_t width, bool class_token,
                   const Pass& pass) const;

private:
    Tensor heads_of(const Tensor& tokens, const Linear& projection) const;
};

}  // namespace fovea
