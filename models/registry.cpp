#include "models/registry.h"

#include <map>

#include "core/error.h"
#include "core/suggest.h"
#include "models/alexnet.h"
#include "models/cvt.h"
#include "models/deit.h"
#include "models/resnet.h"
#include "models/simplified_cvt.h"
#include "models/swin.h"

namespace fovea {
namespace {

using Maker = std::unique_ptr<Classifier> (*)(const std::string&, const ModelOptions&);

std::unique_ptr<Classifier> make_cvt(const std::string& name, const ModelOptions& options) {
    CvtConfig config = *cvt_preset(name);
    config.num_classes = or_own(options.num_classes, config.num_classes);
    config.in_channels = or_own(options.in_channels, config.in_channels);
    config.image_size[0] = or_own(options.height, config.image_size[0]);
    config.image_size[1] = or_own(options.width, config.image_size[1]);
    config.dropout = or_own(options.dropout, config.dropout);
    if (options.drop_path >= 0.0) {
        // As Microsoft's models: only the last stage drops paths, rising inside it.
        for (CvtStageConfig& stage : config.stages) stage.drop_path = 0.0;
        config.stages.back().drop_path = options.drop_path;
    }
    return std::make_unique<Cvt>(config);
}

const std::map<std::string, Maker>& table() {
    static const std::map<std::string, Maker> models = {
        {"alexnet", make_alexnet},
        {"alexnet_500px", make_alexnet},
        {"alexnet_67", make_alexnet},
        {"alexnet_tiny", make_alexnet},
        {"cvt13", make_cvt},
        {"cvt21", make_cvt},
        {"cvt_28", make_cvt},
        {"cvt_28_wide", make_cvt},
        {"cvt_64", make_cvt},
        {"cvt_enhanced_embed_m", make_cvt},
        {"cvt_enhanced_embed_s", make_cvt},
        {"cvt_recurrent_enhanced_m", make_cvt},
        {"cvt_recurrent_enhanced_s", make_cvt},
        {"cvt_recurrent_enhanced_test", make_cvt},
        {"cvt_recurrent_m", make_cvt},
        {"cvt_recurrent_s", make_cvt},
        {"cvt_ref_m", make_cvt},
        {"cvt_ref_s", make_cvt},
        {"cvt_simple_embed_m", make_cvt},
        {"cvt_simple_embed_s", make_cvt},
        {"cvt_tiny", make_cvt},
        {"cvt_w24", make_cvt},
        {"deit_base_distilled_patch16_224", make_deit},
        {"deit_base_distilled_patch16_384", make_deit},
        {"deit_base_patch16_224", make_vit},
        {"deit_base_patch16_384", make_vit},
        {"deit_small_distilled_patch16_224", make_deit},
        {"deit_small_patch16_224", make_vit},
        {"deit_test", make_deit},
        {"deit_tiny_distilled_patch16_224", make_deit},
        {"deit_tiny_patch16_224", make_vit},
        {"dropout_network", make_alexnet},
        {"flat_alexnet", make_alexnet},
        {"flat_alexnet_67", make_alexnet},
        {"flat_alexnet_bn", make_alexnet},
        {"flat_alexnet_high_kernel", make_alexnet},
        {"flat_alexnet_hs", make_alexnet},
        {"flat_alexnet_low_kernel", make_alexnet},
        {"flat_alexnet_ls", make_alexnet},
        {"flat_alexnet_opt", make_alexnet},
        {"mydeit", make_mydeit},
        {"mydeit_49", make_mydeit},
        {"mydeit_test", make_mydeit},
        {"narrow_alexnet", make_alexnet},
        {"narrow_alexnet_67", make_alexnet},
        {"resnet101", make_resnet},
        {"resnet101_64", make_resnet},
        {"resnet18", make_resnet},
        {"resnet18_64", make_resnet},
        {"resnet34", make_resnet},
        {"resnet34_64", make_resnet},
        {"resnet50", make_resnet},
        {"resnet50_64", make_resnet},
        {"resnet_tiny", make_resnet},
        {"resnet_tiny_bottleneck", make_resnet},
        {"student_vit_test", make_student_vit},
        {"swin_28", make_swin},
        {"swin_64", make_swin},
        {"swin_b", make_swin},
        {"swin_base_patch4_window12_384", make_swin},
        {"swin_base_patch4_window7_224", make_swin},
        {"swin_l", make_swin},
        {"swin_large_patch4_window12_384", make_swin},
        {"swin_large_patch4_window7_224", make_swin},
        {"swin_s", make_swin},
        {"swin_small_patch4_window7_224", make_swin},
        {"swin_t", make_swin},
        {"swin_test", make_swin},
        {"swin_tiny_patch4_window7_224", make_swin},
        {"teacher_bn", make_alexnet},
        {"teacher_mnist", make_alexnet},
        {"teacher_tiny", make_alexnet},
        {"teacher_vgg", make_alexnet},
        {"vit_28", make_vit},
        {"vit_64", make_vit},
        {"vit_b_16", make_vit},
        {"vit_b_32", make_vit},
        {"vit_base_patch16_224", make_vit},
        {"vit_base_patch16_384", make_vit},
        {"vit_base_patch32_224", make_vit},
        {"vit_cifar", make_student_vit},
        {"vit_fmnist", make_student_vit},
        {"vit_fmnist_49", make_student_vit},
        {"vit_l_16", make_vit},
        {"vit_large_patch16_224", make_vit},
        {"vit_p4_m", make_vit_control},
        {"vit_p4_s", make_vit_control},
        {"vit_p8_s", make_vit_control},
        {"vit_small_patch16_224", make_vit},
        {"vit_small_patch32_224", make_vit},
        {"vit_test", make_vit},
        {"vit_tiny_patch16_224", make_vit},
    };
    return models;
}

}  // namespace

std::vector<std::string> model_names() {
    std::vector<std::string> names;
    for (const auto& [name, maker] : table()) names.push_back(name);
    return names;
}

std::unique_ptr<Classifier> make_model(const std::string& name, const ModelOptions& options) {
    const auto found = table().find(name);
    if (found == table().end()) {
        const std::string near = suggest(name, model_names());
        throw Error("C20", "no such model: " + name, "--model",
                    (near.empty() ? "" : near + "; ") + "./fovea models lists all");
    }
    std::unique_ptr<Classifier> model = found->second(name, options);
    if (options.swin_padding && dynamic_cast<const Swin*>(model.get()) == nullptr)
        throw Error("C04", name + " has no windows whose maps could need padding", "--swin-padding",
                    "without it, or a swin_* model");
    if (options.zero_init && dynamic_cast<const ResNet*>(model.get()) == nullptr)
        throw Error("C04", name + " has no residual branches that end with a BatchNorm to zero",
                    "--zero-init", "without it, or a resnet* model");
    return model;
}

}  // namespace fovea
