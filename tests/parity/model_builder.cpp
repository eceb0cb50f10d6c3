#include "tests/parity/model_builder.h"

#include <map>

#include "models/weights.h"
#include "tests/parity/families.h"

namespace fovea::parity {
namespace {

// Parameters (or buffers) as the file lists them against the model's own.
void compare_names(const Json& listed, const std::vector<std::pair<std::string, Shape>>& own,
                   const OwnNames& own_name, const char* kind, Checker& check) {
    std::size_t computed = 0;  // what the model does not store
    std::map<std::string, Shape> by_name(own.begin(), own.end());
    for (const Json& entry : listed) {
        const std::string name = entry[0];
        if (is_computed(name) && ++computed) continue;
        const auto translated = own_name.find(name);
        const auto found =
            translated == own_name.end() ? by_name.end() : by_name.find(translated->second);
        check.require(name + " is there with the file's shape",
                      found != by_name.end() && found->second == shape_from(entry[1]));
    }
    check.require(std::string("number of ") + kind + " is " + std::to_string(own.size()),
                  listed.size() == own.size() + computed);
}

}  // namespace

std::unique_ptr<Classifier> build_model(const std::string& family, const Json& model) {
    using Builder = std::unique_ptr<Classifier> (*)(const Json&);
    static const std::map<std::string, Builder> builders = {
        {"alexnet_500px", build_alexnet_500px},
        {"alexnet_torchvision", build_alexnet_torchvision},
        {"cvt", build_cvt},
        {"deit_distilled", build_deit},
        {"resnet", build_resnet},
        {"swin", build_swin},
        {"teacher_vgg", build_teacher_vgg},
        {"vit", build_vit},
        {"vit_fmnist", build_student_vit},
    };
    const auto found = builders.find(family);
    return found == builders.end() ? nullptr : found->second(model);
}

OwnNames own_names(Classifier& model, const Json& description) {
    const std::string naming = description.at("naming");
    NameStyle style = own_style(naming);  // as in the studies
    for (const NameStyle& known : model.name_styles())
        if (known.name == (naming == "huggingface" ? "hf" : naming)) style = known;
    OwnNames names;
    for (const auto& [theirs, part] : names_in_style(model, style)) names[theirs] = part.own;
    return names;
}

void fill_by_formula(Classifier& model, const Json& file, const Target& target, Checker& check) {
    move_to(model, target.device, target.dtype);
    const OwnNames own_name = own_names(model, file.at("model"));
    std::map<std::string, std::string> file_name;  // by own name: the spelling that is hashed
    for (const auto& [theirs, own] : own_name) file_name[own] = theirs;
    if (file.contains("params")) {
        std::vector<std::pair<std::string, Shape>> parameters, buffers;
        for (const NamedParameter& p : parameters_of(model))
            parameters.emplace_back(p.name, checkpoint_shape(*p.parameter));
        for (const NamedBuffer& b : buffers_of(model))
            buffers.emplace_back(b.name, b.buffer->value.shape());
        compare_names(file.at("params"), parameters, own_name, "parameters", check);
        compare_names(file.at("buffers"), buffers, own_name, "buffers", check);
    }
    for (const NamedParameter& p : parameters_of(model)) {
        const Shape shape = checkpoint_shape(*p.parameter);
        set_state(model, p.name,
                  Tensor::from(rule_values(file_name.at(p.name), shape), shape, DType::F64,
                               Device::reference()));
    }
    for (const NamedBuffer& b : buffers_of(model)) {
        if (b.buffer->value.rank() == 0) continue;  // num_batches_tracked starts at 0
        const Shape& shape = b.buffer->value.shape();
        set_state(model, b.name,
                  Tensor::from(rule_values(file_name.at(b.name), shape), shape, DType::F64,
                               Device::reference()));
    }
}

}  // namespace fovea::parity
