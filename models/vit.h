// ViT: vision transformer (Dosovitskiy et al., "An image is worth 16x16 words: transformers for image
// recognition at scale", ICLR 2021), as timm builds it.
//
// Parameter names are timm's; those of torchvision are understood when weights are read.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "layers/token_embedding.h"
#include "layers/transformer_block.h"
#include "models/classifier.h"
#include "models/registry.h"

namespace fovea {

/// Whose distributions the initial weights follow.
enum class VitInit : std::uint8_t { Timm, Torchvision };

/// Shape of a ViT and of its relatives in deit.h and student_vit.h.
struct VitConfig {
    std::int64_t num_classes = 1000, in_channels = 3;
    GridSize image_size = {224, 224}, patch_size = {16, 16};
    std::int64_t embed_dim = 192, depth = 12, num_heads = 3, mlp_hidden = 768;
    bool qkv_bias = true;
    Unary activation = Unary::GeluErf;  ///< Google's ViT: GeluTanh
    double ln_eps = 1e-6;
    double dropout = 0.0;    ///< behind the embedding, attention and both layers of the MLP
    double drop_path = 0.0;  ///< of the last block; rises linearly from 0
    /// The class token (and the distillation token) have positions of their own; timm's no_embed_class
    /// is the contrary.
    bool token_positions = true;
    /// Width of a layer with tanh in front of the class head ("pre-logits"), 0 = none. Not for Deit.
    std::int64_t representation_size = 0;
    VitInit init = VitInit::Timm;
};

/// {height, width, channels} of the images it is configured for.
inline Shape image_shape(const VitConfig& c) {
    return {c.image_size.rows, c.image_size.columns, c.in_channels};
}

/// First norm of the last block below `blocks`. Behind it only the class token matters any more.
inline std::string last_norm(const VitConfig& c, const std::string& blocks) {
    return blocks + "." + std::to_string(c.depth - 1) + ".norm1";
}

/// The embedding that a configuration asks for. Error C04 if no model can have it: an image that is no
/// multiple of the patch, heads that do not divide the width, an extent below 1.
TokenEmbedding token_embedding_of(const VitConfig& config, bool distilled);

/// Everything but the heads: images [B,H,W,C] -> normalised class token, and distillation token where
/// there is one, [B,1 or 2,embed_dim]. H and W may differ from the configuration's; they are multiples
/// of the patch.
struct VitTrunk : Module {
    TokenEmbedding embed;
    std::vector<TransformerBlock> blocks;
    LayerNorm norm;

    VitTrunk(const VitConfig& config, bool distilled);
    void visit(Visitor& v) override;
    Tensor forward(const Tensor& images, const Pass& pass) const;
};

/// Token `index` of [B,T,D] as [B,D].
Tensor token_of(const Tensor& tokens, std::int64_t index);

/// Initial weights of a Vit or Deit, by the parameters' names.
///
/// timm: linear layers normal 0.02 with bias 0; class token normal 1e-6; positions and distillation token
/// normal 0.02; patch projection as PyTorch's default. torchvision: MLP and qkv Xavier uniform, the
/// MLP's biases normal 1e-6; attention's output as PyTorch's default, its biases 0; patch projection
/// normal fan_in^-0.5 with bias 0; class token 0; positions normal 0.02; head 0, pre-logits normal
/// fan_in^-0.5.
void initialise_vit(Module& model, VitInit init, std::uint64_t seed);

class Vit : public Classifier {
public:
    explicit Vit(const VitConfig& config);

    void visit(Visitor& v) override;
    Tensor forward(const Tensor& images, const Pass& pass) const override;
    void initialise(std::uint64_t seed) override { initialise_vit(*this, config_.init, seed); }
    Shape input_shape() const override { return image_shape(config_); }
    std::int64_t classes() const override { return config_.num_classes; }
    std::int64_t macs() const override;
    std::vector<std::string> head_names() const override { return {"head"}; }
    std::string explain_layer() const override { return last_norm(config_, "blocks"); }
    /// timm, torchvision, hf.
    std::vector<NameStyle> name_styles() const override;
    /// Resamples position embeddings of another image size.
    Tensor fitted(const std::string& name, const Tensor& value) const override;

    const VitConfig& config() const { return config_; }

private:
    VitConfig config_;
    VitTrunk trunk_;
    Linear pre_logits_, head_;
};

/// Multiply-adds of the trunk for one image of config.image_size: linear layers and both attention products.
std::int64_t vit_trunk_macs(const VitConfig& config, bool distilled);

/// Named configurations, of Vit and (names that begin with "deit") of Deit. Nothing for another name.
///   timm: vit_{tiny,small,base,large}_patch16_224, vit_{small,base}_patch32_224, vit_base_patch16_384,
///         deit_{tiny,small,base}[_distilled]_patch16_224, deit_base[_distilled]_patch16_384
///   torchvision: vit_b_16, vit_b_32, vit_l_16
///   small images: vit_28, vit_64; tests: vit_test, deit_test
std::optional<VitConfig> vit_preset(std::string_view name);

/// `config` with what the options ask for.
VitConfig with_options(VitConfig config, const ModelOptions& options);

/// For the registry. `name` has a preset.
std::unique_ptr<Classifier> make_vit(const std::string& name, const ModelOptions& options);

}  // namespace fovea
