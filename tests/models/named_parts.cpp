// The parts that models know by name: heads, and the layer that explains a prediction.
#include <algorithm>
#include <catch2/catch.hpp>

#include "tests/models/sample.h"

using namespace fovea;

namespace {

std::vector<std::string> modules_of(Classifier& model) {
    struct Names : Visitor {
        std::vector<std::string> found;
        void enter_module(const std::string& name, Module&) override { found.push_back(name); }
    } names;
    model.visit(names);
    return names.found;
}

}  // namespace

TEST_CASE("a head's outputs are the classes, and no other layer's are") {
    for (const test::Small& small : test::kSmall) {
        CAPTURE(small.name);
        ModelOptions options;
        options.num_classes = 13;
        const auto model = make_model(small.name, options);
        for (const NamedParameter& p : parameters_of(*model)) {
            CAPTURE(p.name);
            CHECK(is_head(*model, p.name) == (p.parameter->value.size(0) == 13));
        }
    }
}

TEST_CASE("the layer to explain is the last one of which every place counts") {
    const std::pair<const char*, const char*> table[] = {
        {"alexnet_tiny", "conv5"},
        {"teacher_tiny", "features.7"},
        {"cvt_tiny", "stage2.blocks.2.norm1"},
        {"cvt_recurrent_enhanced_test", "stage2.blocks.1.norm1"},
        {"cvt_recurrent_s", "stage2.blocks.3.norm1"},
        {"deit_test", "blocks.2.norm1"},
        {"mydeit_test", "encoder.1.norm1"},
        {"resnet18_64", "layer4.1"},
        {"resnet_tiny", "layer4.0"},
        {"student_vit_test", "encoder.1.norm1"},
        {"swin_28", "layers.1.blocks.1.norm1"},
        {"vit_test", "blocks.2.norm1"},
    };
    for (const auto& [name, expected] : table) {
        CAPTURE(name);
        const auto model = make_model(name, {});
        CHECK(model->explain_layer() == expected);
        const std::vector<std::string> modules = modules_of(*model);
        CHECK(std::count(modules.begin(), modules.end(), expected) == 1);
    }
}
