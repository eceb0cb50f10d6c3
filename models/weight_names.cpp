#include "models/weight_names.h"

#include "core/error.h"
#include "models/alexnet.h"
#include "models/cvt.h"
#include "models/deit.h"
#include "models/name_rules.h"
#include "models/resnet.h"
#include "models/swin.h"

namespace fovea {
namespace {

using Names = std::vector<std::string>;

Names itself(const std::string& own) { return {own}; }

// ViTForImageClassification. DeiT's names differ in front and in the heads; see below.
constexpr NameRule kVitRules[] = {
    {"cls_token", "vit.embeddings.cls_token"},
    {"dist_token", "vit.embeddings.distillation_token"},
    {"pos_embed", "vit.embeddings.position_embeddings"},
    {"patch_embed.proj.", "vit.embeddings.patch_embeddings.projection."},
    {"blocks.{n}.norm1.", "vit.encoder.layer.{n}.layernorm_before."},
    {"blocks.{n}.attn.qkv.", "vit.encoder.layer.{n}.attention.attention.{query,key,value}."},
    {"blocks.{n}.attn.proj.", "vit.encoder.layer.{n}.attention.output.dense."},
    {"blocks.{n}.norm2.", "vit.encoder.layer.{n}.layernorm_after."},
    {"blocks.{n}.mlp.fc1.", "vit.encoder.layer.{n}.intermediate.dense."},
    {"blocks.{n}.mlp.fc2.", "vit.encoder.layer.{n}.output.dense."},
    {"norm.", "vit.layernorm."},
    {"head.", "classifier."},
};

// SwinForImageClassification. Like Microsoft's, a stage ends with merging patches.
constexpr NameRule kSwinRules[] = {
    {"patch_embed.proj.", "swin.embeddings.patch_embeddings.projection."},
    {"patch_embed.norm.", "swin.embeddings.norm."},
    {"layers.{n}.downsample.", "swin.encoder.layers.{n-1}.downsample."},
    {"layers.{n}.blocks.{n}.norm1.", "swin.encoder.layers.{n}.blocks.{n}.layernorm_before."},
    {"layers.{n}.blocks.{n}.attn.qkv.",
     "swin.encoder.layers.{n}.blocks.{n}.attention.self.{query,key,value}."},
    {"layers.{n}.blocks.{n}.attn.relative_position_bias_table",
     "swin.encoder.layers.{n}.blocks.{n}.attention.self.relative_position_bias_table"},
    {"layers.{n}.blocks.{n}.attn.proj.",
     "swin.encoder.layers.{n}.blocks.{n}.attention.output.dense."},
    {"layers.{n}.blocks.{n}.norm2.", "swin.encoder.layers.{n}.blocks.{n}.layernorm_after."},
    {"layers.{n}.blocks.{n}.mlp.fc1.", "swin.encoder.layers.{n}.blocks.{n}.intermediate.dense."},
    {"layers.{n}.blocks.{n}.mlp.fc2.", "swin.encoder.layers.{n}.blocks.{n}.output.dense."},
    {"norm.", "swin.layernorm."},
    {"head.fc.", "classifier."},
};

// ResNetForImageClassification.
constexpr NameRule kResNetRules[] = {
    {"conv1.", "resnet.embedder.embedder.convolution."},
    {"bn1.", "resnet.embedder.embedder.normalization."},
    {"layer{n}.{n}.conv{n}.", "resnet.encoder.stages.{n-1}.layers.{n}.layer.{n-1}.convolution."},
    {"layer{n}.{n}.bn{n}.", "resnet.encoder.stages.{n-1}.layers.{n}.layer.{n-1}.normalization."},
    {"layer{n}.{n}.downsample.0.", "resnet.encoder.stages.{n-1}.layers.{n}.shortcut.convolution."},
    {"layer{n}.{n}.downsample.1.",
     "resnet.encoder.stages.{n-1}.layers.{n}.shortcut.normalization."},
    {"fc.", "classifier.1."},
};

Names vit_torchvision(const std::string& own) { return {vit_name_to_torchvision(own)}; }
Names vit_hf(const std::string& own) { return apply_rules(kVitRules, own); }

Names deit_hf(const std::string& own) {
    constexpr NameRule kHeads[] = {{"head.", "cls_classifier."},
                                   {"head_dist.", "distillation_classifier."}};
    Names names = apply_rules(kHeads, own);
    if (names.front() != own) return names;
    names = vit_hf(own);
    for (std::string& name : names)
        if (name.starts_with("vit.")) name = "deit." + name.substr(4);
    return names;
}

Names swin_torchvision(const std::string& own) { return {swin_name_to_torchvision(own)}; }
Names swin_microsoft(const std::string& own) { return {swin_name_to_microsoft(own)}; }
Names swin_hf(const std::string& own) { return apply_rules(kSwinRules, own); }
Names cvt_hf(const std::string& own) { return {cvt_name_to_huggingface(own)}; }
Names resnet_hf(const std::string& own) { return apply_rules(kResNetRules, own); }

std::vector<NameStyle> styles_of_vit(const VitConfig& config) {
    std::vector<NameStyle> styles = {{"timm", itself}};
    if (!config.token_positions) return styles;
    if (config.qkv_bias) styles.push_back({"torchvision", vit_torchvision});
    if (config.representation_size == 0) styles.push_back({"hf", vit_hf});
    return styles;
}

std::vector<NameStyle> styles_of_cvt(const CvtConfig& config) {
    bool hf = !config.mean_head;
    for (std::size_t i = 0; i < config.stages.size(); ++i) {
        const CvtStageConfig& stage = config.stages[i];
        if (config.packed_qkv || !stage.conv_projection || stage.embed != CvtEmbed::Conv) return {};
        // Hugging Face takes the drop-path rate of stage i from the i-th of its blocks (from 0).
        hf = hf && stage.depth > static_cast<std::int64_t>(i);
    }
    if (!hf) return {{"microsoft", itself}};
    return {{"microsoft", itself}, {"hf", cvt_hf}};
}

std::vector<NameStyle> styles_of_alexnet(const AlexNetConfig& config) {
    // The teachers of 28x28 images count as the others do, but have no other home.
    if (config.names == AlexNetNames::Numbered && config.map) return {{"study", itself}};
    if (config.names == AlexNetNames::Sequential && config.conv_norm == BatchNormPlace::None)
        return {{"torchvision", itself}};
    return {};
}

}  // namespace

std::vector<NameStyle> name_styles(const Classifier& model) {
    if (const auto* vit = dynamic_cast<const Vit*>(&model)) return styles_of_vit(vit->config());
    if (dynamic_cast<const Deit*>(&model) != nullptr) return {{"timm", itself}, {"hf", deit_hf}};
    if (dynamic_cast<const StudentVit*>(&model) != nullptr ||
        dynamic_cast<const MyDeit*>(&model) != nullptr)
        return {{"study", itself}};
    if (dynamic_cast<const Swin*>(&model) != nullptr)
        return {{"timm", itself},
                {"torchvision", swin_torchvision},
                {"hf", swin_hf},
                {"microsoft", swin_microsoft}};
    if (const auto* cvt = dynamic_cast<const Cvt*>(&model)) return styles_of_cvt(cvt->config());
    if (const auto* net = dynamic_cast<const ResNet*>(&model)) {
        // The small stem is known to nobody else.
        if (net->config().stem == ResNetStem::Small) return {};
        return {{"torchvision", itself}, {"timm", itself}, {"hf", resnet_hf}};
    }
    if (const auto* net = dynamic_cast<const AlexNet*>(&model))
        return styles_of_alexnet(net->config());
    return {};
}

NameStyle style_called(const Classifier& model, const std::string& name) {
    std::string known;
    for (const NameStyle& style : name_styles(model)) {
        if (style.name == name) return style;
        known += style.name + ", ";
    }
    if (name == "safetensors") return {name, itself};
    throw Error("C04", "there are no " + name + " names for networks of this kind",
                "--format " + name,
                known.empty() ? "safetensors" : "one of " + known + "safetensors");
}

std::map<std::string, OwnPart> names_in_style(Module& model, const NameStyle& style) {
    std::map<std::string, OwnPart> names;
    const auto add = [&](const std::string& own) {
        const Names theirs = style.spell(own);
        for (std::size_t i = 0; i < theirs.size(); ++i) names[theirs[i]] = {own, i, theirs.size()};
    };
    for (const NamedParameter& p : parameters_of(model)) add(p.name);
    for (const NamedBuffer& b : buffers_of(model)) add(b.name);
    return names;
}

std::string modern_name(std::string name) {
    for (const std::string_view prefix : {"module.", "model."})
        if (name.starts_with(prefix)) name.erase(0, prefix.size());
    if (!name.starts_with("encoder.layers.encoder_layer_")) return name;
    for (const auto& [old, now] :
         {std::pair<std::string_view, const char*>{".mlp.linear_1.", ".mlp.0."},
          {".mlp.linear_2.", ".mlp.3."}})
        if (const std::size_t at = name.find(old); at != std::string::npos)
            name.replace(at, old.size(), now);
    return name;
}

bool is_head(const Classifier& model, const std::string& own) {
    const auto begins = [&](const std::string& prefix) { return own.starts_with(prefix); };
    if (dynamic_cast<const StudentVit*>(&model) != nullptr) return begins("classifier.fc2.");
    if (dynamic_cast<const MyDeit*>(&model) != nullptr)
        return begins("classifier.fc2.") || begins("head_dist.");
    if (dynamic_cast<const ResNet*>(&model) != nullptr) return begins("fc.");
    if (const auto* net = dynamic_cast<const AlexNet*>(&model))
        return begins(net->last_layer() + ".");
    return begins("head.") || begins("head_dist.");  // the transformers
}

}  // namespace fovea
