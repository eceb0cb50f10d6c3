// CvT: convolutional vision transformer (Wu et al., "CvT: Introducing convolutions to vision
// transformers", ICCV 2021), as microsoft/CvT builds it, and the simplified forms that leave parts out.
//
// Parameter names are Microsoft's. The class token joins in the stages that ask for it (Microsoft: the
// last), bypasses the convolutional projections, and there is no position embedding.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "layers/attention.h"
#include "layers/conv_attention.h"
#include "layers/grid.h"
#include "layers/mlp.h"
#include "models/classifier.h"

namespace fovea {

enum class CvtEmbed : std::uint8_t {
    Conv,        ///< one convolution, LayerNorm
    DoubleConv,  ///< conv k3 s2 p1 to half the width, LayerNorm, GELU, conv k3 s2 p1, LayerNorm
};

struct CvtStageConfig {
    std::int64_t patch_size = 3, stride = 2, padding = 1;  ///< of the embedding convolution
    std::int64_t embed_dim = 64, depth = 1, num_heads = 1;
    double mlp_ratio = 4.0;
    CvtEmbed embed = CvtEmbed::Conv;
    bool conv_projection = true;  ///< q, k, v through depthwise convolution and BatchNorm
    std::int64_t kernel_qkv = 3, padding_q = 1, padding_kv = 1, stride_q = 1, stride_kv = 2;
    bool qkv_bias = true;
    bool class_token = false;
    /// Rate of the stage's last block; the others rise to it from 0 at the first. A lone block is the last,
    /// and has it all; Microsoft's code would give it 0, but none of its models asks for that.
    double drop_path = 0.0;
};

struct CvtConfig {
    std::int64_t num_classes = 1000, in_channels = 3;
    std::int64_t image_size[2] = {224, 224};  ///< for counting; any size works
    std::vector<CvtStageConfig> stages;
    Unary activation = Unary::QuickGelu;  ///< Microsoft: QuickGelu; Hugging Face: GeluErf
    bool packed_qkv = false;              ///< one Linear for q, k, v (only without conv_projection)
    bool scale_by_head_dim = false;       ///< false: attention scale embed_dim^-0.5, as Microsoft
    bool mean_head = false;               ///< LayerNorm, mean over tokens; false: class token
    double dropout = 0.0;
    double ln_eps = 1e-5, bn_eps = 1e-5, bn_momentum = 0.1;
};

/// Image or map [B,H,W,C] -> normalised map [B,P,Q,embed_dim].
struct CvtPatchEmbed : Module {
    Conv2d proj, proj1, proj2;  ///< proj, or proj1 and proj2
    LayerNorm norm, norm1, norm2;
    CvtEmbed kind = CvtEmbed::Conv;

    CvtPatchEmbed() = default;
    CvtPatchEmbed(std::int64_t in, const CvtStageConfig& c, double ln_eps);
    void visit(Visitor& v) override;
    Tensor forward(const Tensor& x) const;
};

/// x += attn(norm1(x)); x += mlp(norm2(x)), each branch under drop-path.
struct CvtBlock : Module {
    LayerNorm norm1, norm2;
    ConvAttention attn;
    SelfAttention packed_attn;  ///< takes attn's place and name when qkv is packed
    Mlp mlp;
    DropPath drop_path1, drop_path2;
    bool packed = false;

    CvtBlock() = default;
    CvtBlock(const CvtConfig& model, const CvtStageConfig& stage, double drop_path_rate);
    void visit(Visitor& v) override;
    Tensor forward(const Tensor& x, std::int64_t height, std::int64_t width, bool class_token,
                   const Pass& pass) const;
};

struct CvtStage : Module {
    Parameter cls_token;  ///< [1,1,C], or undefined
    CvtPatchEmbed patch_embed;
    Dropout pos_drop;
    std::vector<CvtBlock> blocks;

    CvtStage() = default;
    CvtStage(const CvtConfig& model, std::size_t index);
    void visit(Visitor& v) override;

    struct Output {
        Tensor map;          ///< [B,P,Q,C]
        Tensor class_token;  ///< [B,1,C], or undefined
    };
    Output forward(Tensor x, const Pass& pass) const;
};

class Cvt : public Classifier {
public:
    /// Error C04: no stage, an extent below 1, heads that do not divide a width, an image too small for the
    /// convolutions, a last stage without class token where the head wants one, packed qkv with
    /// convolutional projections.
    explicit Cvt(const CvtConfig& config);

    void visit(Visitor& v) override;
    Tensor forward(const Tensor& images, const Pass& pass) const override;

    /// Microsoft's initialisation: linear weights normal 0.02, biases 0; class token 0.02;
    /// convolutions and the head's bias as PyTorch's default.
    void initialise(std::uint64_t seed) override;
    Shape input_shape() const override {
        return {config_.image_size[0], config_.image_size[1], config_.in_channels};
    }
    std::int64_t classes() const override { return config_.num_classes; }
    std::int64_t macs() const override;
    std::vector<std::string> head_names() const override { return {"head"}; }
    std::string explain_layer() const override;
    /// microsoft, hf; none for the simplified ones.
    std::vector<NameStyle> name_styles() const override;

    const CvtConfig& config() const { return config_; }

private:
    CvtConfig config_;
    std::vector<CvtStage> stages_;
    LayerNorm norm_;
    Linear head_;
};

/// Named configurations: cvt13, cvt21, cvt_w24 (Microsoft), cvt_28, cvt_28_wide and cvt_64 (small images),
/// cvt_tiny (tests), and those of simplified_cvt.h. Nothing for another name.
std::optional<CvtConfig> cvt_preset(std::string_view name);

/// Do the convolutions leave something of an image of this size?
bool cvt_takes(const CvtConfig& config, GridSize image);

/// Multiply-adds of one image of config.image_size: convolutions, linear layers, both attention products.
std::int64_t cvt_macs(const CvtConfig& config);

}  // namespace fovea
