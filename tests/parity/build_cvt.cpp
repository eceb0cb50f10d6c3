// The CvT that a golden file describes.
#include "models/cvt.h"
#include "tests/parity/families.h"

namespace fovea::parity {

std::unique_ptr<Classifier> build_cvt(const Json& m) {
    require_only(m, {"num_classes", "in_channels",     "image_size",  "dropout",    "drop_path",
                     "naming",      "bn_eps",          "bn_momentum", "ln_eps",     "activation",
                     "patch_sizes", "strides",         "paddings",    "embed_dims", "depths",
                     "num_heads",   "mlp_ratios",      "embed",       "projection", "kernel_qkv",
                     "padding_q",   "padding_kv",      "stride_q",    "stride_kv",  "qkv_bias",
                     "qkv_layout",  "attention_scale", "class_token", "head"});
    choose<bool>(m.at("naming"), {{"microsoft", true}, {"huggingface", true}, {"study", true}});
    CvtConfig config;
    config.num_classes = m.at("num_classes");
    config.in_channels = m.at("in_channels");
    config.image_size[0] = m.at("image_size")[0];
    config.image_size[1] = m.at("image_size")[1];
    config.dropout = m.at("dropout");
    config.activation = activation_from(m.at("activation"));
    config.packed_qkv = choose<bool>(m.at("qkv_layout"), {{"packed", true}, {"separate", false}});
    config.scale_by_head_dim =
        choose<bool>(m.at("attention_scale"), {{"head_dim", true}, {"embed_dim", false}});
    config.mean_head = choose<bool>(m.at("head"), {{"mean", true}, {"class_token", false}});
    config.ln_eps = m.at("ln_eps");
    config.bn_eps = m.at("bn_eps");
    config.bn_momentum = m.at("bn_momentum");
    for (std::size_t i = 0; i < m.at("embed_dims").size(); ++i) {
        CvtStageConfig stage;
        stage.patch_size = m.at("patch_sizes")[i];
        stage.stride = m.at("strides")[i];
        stage.padding = m.at("paddings")[i];
        stage.embed_dim = m.at("embed_dims")[i];
        stage.depth = m.at("depths")[i];
        stage.num_heads = m.at("num_heads")[i];
        stage.mlp_ratio = m.at("mlp_ratios")[i];
        stage.embed = choose<CvtEmbed>(
            m.at("embed")[i], {{"double_conv", CvtEmbed::DoubleConv}, {"conv", CvtEmbed::Conv}});
        stage.conv_projection =
            choose<bool>(m.at("projection")[i], {{"dw_bn", true}, {"none", false}});
        stage.kernel_qkv = m.at("kernel_qkv")[i];
        stage.padding_q = m.at("padding_q")[i];
        stage.padding_kv = m.at("padding_kv")[i];
        stage.stride_q = m.at("stride_q")[i];
        stage.stride_kv = m.at("stride_kv")[i];
        stage.qkv_bias = m.at("qkv_bias")[i];
        stage.class_token = m.at("class_token")[i];
        stage.drop_path = m.at("drop_path");
        config.stages.push_back(stage);
    }
    return std::make_unique<Cvt>(config);
}

}  // namespace fovea::parity
