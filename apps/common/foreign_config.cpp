#include "apps/common/foreign_config.h"

#include <nlohmann/json.hpp>
#include <optional>

#include "apps/common/model_card.h"
#include "core/error.h"
#include "models/cvt.h"
#include "models/deit.h"
#include "models/resnet.h"
#include "models/swin.h"
#include "models/weight_names.h"

namespace fovea::apps {
namespace {

using Json = nlohmann::ordered_json;

// ---- timm ------------------------------------------------------------------------------------

struct Timm {
    std::string architecture, pool;
    std::int64_t features = 0;  // of the last map or token
    Json args;                  // beside in_chans
    Json pretrained;            // what timm needs to adapt the weights
};

Json side_of(GridSize size) {
    return size.rows == size.columns ? Json(size.rows) : Json{size.rows, size.columns};
}

Json pretrained_of(Json classifier, const char* first_conv, Json pool_size, bool fixed_size) {
    return {{"classifier", std::move(classifier)},
            {"first_conv", first_conv},
            {"pool_size", std::move(pool_size)},
            {"fixed_input_size", fixed_size}};
}

Timm timm_vit(const VitConfig& c, bool distilled) {
    Timm t{distilled ? "deit_base_distilled_patch16_224" : "vit_base_patch16_224",
           "token",
           c.embed_dim,
           {{"img_size", side_of(c.image_size)},
            {"patch_size", side_of(c.patch_size)},
            {"embed_dim", c.embed_dim},
            {"depth", c.depth},
            {"num_heads", c.num_heads},
            {"mlp_ratio", static_cast<double>(c.mlp_hidden) / static_cast<double>(c.embed_dim)},
            {"qkv_bias", c.qkv_bias}},
           pretrained_of(distilled ? Json{"head", "head_dist"} : Json("head"), "patch_embed.proj",
                         nullptr, true)};
    if (c.ln_eps == 1e-5 && !distilled) {  // timm's ViTs have 1e-6, only those of CLIP 1e-5
        t.architecture = "vit_base_patch16_clip_224";
        t.args["pre_norm"] = false;
    }
    return t;
}

Timm timm_swin(const SwinConfig& c) {
    const GridSize last = swin_grids(c).back().map;
    return {"swin_tiny_patch4_window7_224",
            "avg",
            c.embed_dim << (c.depths.size() - 1),
            {{"img_size", side_of(c.image_size)},
             {"patch_size", side_of(c.patch_size)},
             {"window_size", side_of(c.window)},
             {"embed_dim", c.embed_dim},
             {"depths", c.depths},
             {"num_heads", c.num_heads},
             {"mlp_ratio", c.mlp_ratio}},
            pretrained_of("head.fc", "patch_embed.proj", {last.rows, last.columns}, true)};
}

/// Of a published size: timm has no arguments for other widths.
std::optional<Timm> timm_resnet(const ResNetConfig& c, const std::string& name) {
    if (c.stem != ResNetStem::ImageNet || c.stem_width != 64) return std::nullopt;
    const auto last = [](std::int64_t side) { return (side + 31) / 32; };
    return Timm{
        name, "avg", c.planes[3] * c.expansion, Json::object(),
        pretrained_of("fc", "conv1", {last(c.image_size[0]), last(c.image_size[1])}, false)};
}

/// Nothing for a model that timm cannot build.
std::optional<Timm> timm_form(const Classifier& model, const std::string& name) {
    if (const auto* vit = dynamic_cast<const Vit*>(&model)) return timm_vit(vit->config(), false);
    if (const auto* deit = dynamic_cast<const Deit*>(&model)) return timm_vit(deit->config(), true);
    if (const auto* swin = dynamic_cast<const Swin*>(&model)) return timm_swin(swin->config());
    if (const auto* net = dynamic_cast<const ResNet*>(&model))
        return timm_resnet(net->config(), name);
    return std::nullopt;
}

Json timm_config(const Timm& t, const Classifier& model, const std::string& name, Json card) {
    card["architecture"] = t.architecture;
    card["num_features"] = t.features;
    card["global_pool"] = t.pool;
    card["model_args"] = t.args;
    card["model_args"]["in_chans"] = model.input_shape()[2];
    card["pretrained_cfg"].update(t.pretrained);
    card["pretrained_cfg"]["description"] = name + " of Fovea";
    if (const std::string note = export_note(model, "timm"); !note.empty())
        card["pretrained_cfg"]["notes"] = Json::array({note});
    return card;
}

// ---- Hugging Face ----------------------------------------------------------------------------

Json hf_vit(const VitConfig& c, bool distilled) {
    return {{"architectures",
             {distilled ? "DeiTForImageClassificationWithTeacher" : "ViTForImageClassification"}},
            {"model_type", distilled ? "deit" : "vit"},
            {"hidden_size", c.embed_dim},
            {"num_hidden_layers", c.depth},
            {"num_attention_heads", c.num_heads},
            {"intermediate_size", c.mlp_hidden},
            {"hidden_act", c.activation == Unary::GeluTanh ? "gelu_new" : "gelu"},
            {"hidden_dropout_prob", c.dropout},
            {"attention_probs_dropout_prob", 0.0},
            {"layer_norm_eps", c.ln_eps},
            {"image_size", side_of(c.image_size)},
            {"patch_size", side_of(c.patch_size)},
            {"num_channels", c.in_channels},
            {"qkv_bias", c.qkv_bias}};
}

std::string spell(GridSize size) {
    return std::to_string(size.rows) + "x" + std::to_string(size.columns);
}

/// Hugging Face's windows shrink with a map that is smaller, but their bias tables do not: it stops.
void check_hf_windows(const SwinConfig& c) {
    for (const SwinStageGrid& grid : swin_grids(c)) {
        if (grid.map.rows >= c.window.rows && grid.map.columns >= c.window.columns) continue;
        throw Error("C04",
                    "Hugging Face's Swin does not run maps smaller than its windows of " +
                        spell(c.window) + "; this model has one of " + spell(grid.map),
                    "--format hf", "--format timm, or train with a larger --img-size");
    }
}

Json hf_swin(const SwinConfig& c) {
    check_hf_windows(c);
    return {{"architectures", {"SwinForImageClassification"}},
            {"model_type", "swin"},
            {"image_size", side_of(c.image_size)},
            {"patch_size", side_of(c.patch_size)},
            {"num_channels", c.in_channels},
            {"embed_dim", c.embed_dim},
            {"depths", c.depths},
            {"num_heads", c.num_heads},
            {"window_size", side_of(c.window)},
            {"mlp_ratio", c.mlp_ratio},
            {"qkv_bias", c.qkv_bias},
            {"hidden_act", "gelu"},
            {"hidden_dropout_prob", c.dropout},
            {"attention_probs_dropout_prob", 0.0},
            {"drop_path_rate", c.drop_path},
            {"layer_norm_eps", c.ln_eps}};
}

Json hf_resnet(const ResNetConfig& c) {
    Json widths = Json::array(), depths = Json::array();
    for (int i = 0; i < 4; ++i) {
        widths.push_back(c.planes[i] * c.expansion);
        depths.push_back(c.layers[i]);
    }
    return {{"architectures", {"ResNetForImageClassification"}},
            {"model_type", "resnet"},
            {"num_channels", c.in_channels},
            {"embedding_size", c.stem_width},
            {"hidden_sizes", widths},
            {"depths", depths},
            {"layer_type", c.block == ResNetBlockKind::Basic ? "basic" : "bottleneck"},
            {"hidden_act", "relu"},
            {"downsample_in_first_stage", false},
            {"downsample_in_bottleneck", false}};
}

Json hf_cvt(const CvtConfig& c) {
    Json config = {{"architectures", {"CvtForImageClassification"}},
                   {"model_type", "cvt"},
                   {"num_channels", c.in_channels},
                   {"layer_norm_eps", c.ln_eps}};
    for (const CvtStageConfig& s : c.stages) {
        config["patch_sizes"].push_back(s.patch_size);
        config["patch_stride"].push_back(s.stride);
        config["patch_padding"].push_back(s.padding);
        config["embed_dim"].push_back(s.embed_dim);
        config["num_heads"].push_back(s.num_heads);
        config["depth"].push_back(s.depth);
        config["mlp_ratio"].push_back(s.mlp_ratio);
        config["attention_drop_rate"].push_back(0.0);
        config["drop_rate"].push_back(c.dropout);
        config["drop_path_rate"].push_back(s.drop_path);
        config["qkv_bias"].push_back(s.qkv_bias);
        config["cls_token"].push_back(s.class_token);
        config["qkv_projection_method"].push_back("dw_bn");
        config["kernel_qkv"].push_back(s.kernel_qkv);
        config["padding_q"].push_back(s.padding_q);
        config["padding_kv"].push_back(s.padding_kv);
        config["stride_q"].push_back(s.stride_q);
        config["stride_kv"].push_back(s.stride_kv);
    }
    return config;
}

Json hf_config(const Classifier& model, const std::vector<std::string>& class_names) {
    Json config;
    if (const auto* vit = dynamic_cast<const Vit*>(&model)) config = hf_vit(vit->config(), false);
    if (const auto* deit = dynamic_cast<const Deit*>(&model)) config = hf_vit(deit->config(), true);
    if (const auto* swin = dynamic_cast<const Swin*>(&model)) config = hf_swin(swin->config());
    if (const auto* net = dynamic_cast<const ResNet*>(&model)) config = hf_resnet(net->config());
    if (const auto* cvt = dynamic_cast<const Cvt*>(&model)) config = hf_cvt(cvt->config());
    Json &labels = config["id2label"] = Json::object(), &ids = config["label2id"] = Json::object();
    for (std::size_t i = 0; i < class_names.size(); ++i) {
        labels[std::to_string(i)] = class_names[i];
        ids[class_names[i]] = i;
    }
    return config;
}

}  // namespace

std::string foreign_config(const Classifier& model, const Config& config,
                           const std::vector<std::string>& class_names, const std::string& style) {
    const auto name = config.get<std::string>("model.name");
    Json json = Json::parse(model_card(config, class_names));
    if (style == "hf") {
        json = hf_config(model, class_names);
    } else if (style == "timm" || style == "safetensors") {
        if (const std::optional<Timm> timm = timm_form(model, name))
            json = timm_config(*timm, model, name, json);
        else if (style == "timm")
            throw Error("C04", "timm cannot build a " + name, "--format timm",
                        "--format safetensors");
    }
    return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string export_note(const Classifier& model, const std::string& style) {
    return style_called(model, style).differs;
}

}  // namespace fovea::apps
