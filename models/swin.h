// Swin: hierarchical vision transformer with shifted windows (Liu et al., "Swin Transformer:
// hierarchical vision transformer using shifted windows", ICCV 2021), as torchvision, timm or Microsoft
// build it. They agree wherever a map is a multiple of its window; see SwinRule. A detector or a
// segmenter takes the maps of all stages: Swin::features().
//
// Parameter names are timm's; those of torchvision and Microsoft are understood when weights are read.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "layers/conv2d.h"
#include "layers/mlp.h"
#include "layers/norm.h"
#include "layers/patch_merging.h"
#include "layers/window_attention.h"
#include "models/classifier.h"
#include "models/registry.h"

namespace fovea {

/// What happens where a map does not fit its window.
enum class SwinRule : std::uint8_t {
    /// Zeros complete the map to whole windows, before the shift. Windows keep their size.
    Torchvision,
    /// Zeros complete the map after the shift. Along axes where a map of config.image_size is not larger
    /// than the window, window and bias table shrink to the map.
    Timm,
    /// No padding: such a map is an error. A map that is not larger than the window in either
    /// direction has square windows of its smaller side, without shift.
    Microsoft,
};

struct SwinConfig {
    std::int64_t num_classes = 1000, in_channels = 3;
    GridSize image_size = {224, 224};  ///< other sizes work too where maps are padded
    GridSize patch_size = {4, 4};
    std::int64_t embed_dim = 96;  ///< of the first stage; doubles with each
    std::vector<std::int64_t> depths = {2, 2, 6, 2}, num_heads = {3, 6, 12, 24};
    GridSize window = {7, 7};
    double mlp_ratio = 4.0;
    bool qkv_bias = true;
    Unary activation = Unary::GeluErf;
    double ln_eps = 1e-5;
    SwinRule rule = SwinRule::Torchvision;  ///< --swin-padding
    double dropout = 0.0;    ///< behind the embedding, attention and both layers of the MLP
    double drop_path = 0.0;  ///< of the last block; rises linearly from 0
};

/// x += attn(norm1(x)); x += mlp(norm2(x)), each branch under drop-path. x [B,H,W,C].
struct SwinBlock : Module {
    LayerNorm norm1, norm2;
    WindowAttention attn;
    Mlp mlp;
    DropPath drop_path1, drop_path2;

    SwinBlock(const SwinConfig& model, const WindowAttentionConfig& attention,
              double drop_path_rate);
    void visit(Visitor& v) override;
    Tensor forward(const Tensor& x, const Pass& pass) const;
};

/// Patch merging (not in the first stage), then blocks whose windows are shifted in every second one.
struct SwinStage : Module {
    std::optional<PatchMerging> downsample;
    std::vector<SwinBlock> blocks;

    SwinStage(const SwinConfig& model, std::size_t index);
    void visit(Visitor& v) override;
    Tensor forward(const Tensor& x, const Pass& pass) const;
};

class Swin : public Classifier {
public:
    /// Error C04: no stage, lists of different lengths, heads that do not divide a width, an extent below
    /// 1, an image smaller than a patch; with SwinRule::Microsoft also maps that do not fit.
    explicit Swin(const SwinConfig& config);

    void visit(Visitor& v) override;
    Tensor forward(const Tensor& images, const Pass& pass) const override;
    /// The maps [B,H,W,C] that the stages end with, before the next one merges their patches.
    std::vector<Tensor> features(const Tensor& images, const Pass& pass) const;

    /// The authors' initialisation: linear weights and bias tables normal 0.02, biases 0; the patch
    /// convolution as PyTorch's default.
    void initialise(std::uint64_t seed) override;
    Shape input_shape() const override {
        return {config_.image_size.rows, config_.image_size.columns, config_.in_channels};
    }
    std::int64_t classes() const override { return config_.num_classes; }
    std::int64_t macs() const override;
    std::vector<std::string> head_names() const override { return {"head.fc"}; }
    std::string explain_layer() const override;
    /// timm, torchvision, hf, microsoft.
    std::vector<NameStyle> name_styles() const override;
    /// Resizes bias tables of other windows.
    Tensor fitted(const std::string& name, const Tensor& value) const override;

    const SwinConfig& config() const { return config_; }

private:
    Tensor embed(const Tensor& images, const Pass& pass) const;

    SwinConfig config_;
    Conv2d proj_;
    LayerNorm patch_norm_, norm_;
    Dropout pos_drop_;
    std::vector<SwinStage> stages_;
    Linear head_;
};

/// Size of the map of each stage, and the windows of its blocks.
struct SwinStageGrid {
    GridSize map, window, shift;  ///< shift: of the windows of every second block
};
std::vector<SwinStageGrid> swin_grids(const SwinConfig& config);

/// Multiply-adds of one image of config.image_size: convolution, linear layers, both attention products.
std::int64_t swin_macs(const SwinConfig& config);

/// "torchvision", "timm" or "microsoft"; nothing for another name.
std::optional<SwinRule> swin_rule(std::string_view name);

/// Does the same model come out by another rule? It does where every map is made of whole windows.
bool swin_rules_agree(const SwinConfig& config, SwinRule other);

/// Named configurations. Nothing for another name.
///   timm: swin_{tiny,small,base,large}_patch4_window7_224, swin_{base,large}_patch4_window12_384;
///         the first four also as swin_t, swin_s, swin_b (torchvision) and swin_l
///   small images: swin_28 and swin_64; tests: swin_test
std::optional<SwinConfig> swin_preset(std::string_view name);

/// For the registry. `name` has a preset.
std::unique_ptr<Classifier> make_swin(const std::string& name, const ModelOptions& options);

}  // namespace fovea
