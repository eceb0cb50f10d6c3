#include "tests/parity/model_builder.h"

#include "models/cvt.h"
#include "models/weights.h"

namespace fovea::parity {
namespace {

Unary activation_from(const Json& name) {
    return choose<Unary>(name, {{"gelu_erf", Unary::GeluErf},
                                {"gelu_tanh", Unary::GeluTanh},
                                {"quick_gelu", Unary::QuickGelu}});
}

std::unique_ptr<Classifier> build_cvt(const Json& m) {
    require_only(m, {"num_classes", "in_channels",     "image_size",  "dropout",    "drop_path",
                     "naming",      "bn_eps",          "bn_momentum", "ln_eps",     "activation",
                     "patch_sizes", "strides",         "paddings",    "embed_dims", "depths",
                     "num_heads",   "mlp_ratios",      "embed",       "projection", "kernel_qkv",
                     "padding_q",   "padding_kv",      "stride_q",    "stride_kv",  "qkv_bias",
                     "qkv_layout",  "attention_scale", "class_token", "head"});
    // The names of a tensor in any of these are known to Cvt::own_name.
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

// Parameters (or buffers) as the file lists them against the model's own.
void compare_names(const Json& listed, const std::vector<std::pair<std::string, Shape>>& own,
                   const Classifier& model, const char* kind, Checker& check) {
    check.require(std::string("number of ") + kind + " is " + std::to_string(own.size()),
                  listed.size() == own.size());
    std::map<std::string, Shape> by_name(own.begin(), own.end());
    for (const Json& entry : listed) {
        const std::string name = entry[0];
        const auto found = by_name.find(model.own_name(name));
        check.require(name + " is there with the file's shape",
                      found != by_name.end() && found->second == shape_from(entry[1]));
    }
}

}  // namespace

std::unique_ptr<Classifier> build_model(const std::string& family, const Json& model) {
    return family == "cvt" ? build_cvt(model) : nullptr;
}

void fill_by_formula(Classifier& model, const Json& file, const Target& target, Checker& check) {
    move_to(model, target.device, target.dtype);
    std::map<std::string, std::string>
        file_name;  // own name -> the file's spelling, which the formula hashes
    if (file.contains("params")) {
        std::vector<std::pair<std::string, Shape>> parameters, buffers;
        for (const NamedParameter& p : parameters_of(model))
            parameters.emplace_back(p.name, checkpoint_shape(*p.parameter));
        for (const NamedBuffer& b : buffers_of(model))
            buffers.emplace_back(b.name, b.buffer->value.shape());
        compare_names(file.at("params"), parameters, model, "parameters", check);
        compare_names(file.at("buffers"), buffers, model, "buffers", check);
        for (const char* list : {"params", "buffers"})
            for (const Json& entry : file.at(list)) file_name[model.own_name(entry[0])] = entry[0];
    }
    const auto spelled = [&](const std::string& own) {
        const auto found = file_name.find(own);
        return found == file_name.end() ? own : found->second;
    };
    for (const NamedParameter& p : parameters_of(model)) {
        const Shape shape = checkpoint_shape(*p.parameter);
        set_state(model, p.name,
                  Tensor::from(rule_values(spelled(p.name), shape), shape, DType::F64,
                               Device::reference()));
    }
    for (const NamedBuffer& b : buffers_of(model)) {
        if (b.buffer->value.rank() == 0) continue;  // num_batches_tracked starts at 0
        const Shape& shape = b.buffer->value.shape();
        set_state(model, b.name,
                  Tensor::from(rule_values(spelled(b.name), shape), shape, DType::F64,
                               Device::reference()));
    }
}

}  // namespace fovea::parity
