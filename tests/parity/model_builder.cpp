#include "tests/parity/model_builder.h"

#include <map>

#include "models/weights.h"
#include "tests/parity/families.h"

namespace fovea::parity {
namespace {

// Parameters (or buffers) as the file lists them against the model's own.
void compare_names(const Json& listed, const std::vector<std::pair<std::string, Shape>>& own,
                   const Classifier& model, const char* kind, Checker& check) {
    std::size_t computed = 0;  // what the model does not store, as Swin's index tables
    std::map<std::string, Shape> by_name(own.begin(), own.end());
    for (const Json& entry : listed) {
        const std::string name = entry[0];
        if (model.own_name(name).empty() && ++computed) continue;
        const auto found = by_name.find(model.own_name(name));
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
    for (const char* list : {"weight_decay_on", "weight_decay_off"})
        for (const std::string name : file.value(list, Json::array()))
            file_name[model.own_name(name)] = name;
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
