// What a recipe asks of a model reaches the model; and models chosen by patterns.
#include <catch2/catch.hpp>

#include "apps/common/experiment.h"
#include "apps/common/model_globs.h"
#include "core/error.h"
#include "models/registry.h"
#include "models/resnet.h"
#include "models/swin.h"

using namespace fovea;
using namespace fovea::apps;

namespace {

std::unique_ptr<Classifier> model_of(std::vector<std::pair<std::string, std::string>> flags) {
    return new_model(resolve({.recipe = "cvt_28", .sets = {}, .flags = std::move(flags)}));
}

}  // namespace

TEST_CASE("the default recipe leaves a model its own drop-path; flags change it and more") {
    const auto swin = model_of({{"--model", "swin_64"}});
    CHECK(dynamic_cast<const Swin&>(*swin).config().drop_path == 0.1);
    const auto other =
        model_of({{"--model", "swin_64"}, {"--drop-path", "0.3"}, {"--dropout", "0.2"}});
    CHECK(dynamic_cast<const Swin&>(*other).config().drop_path == 0.3);
    CHECK(dynamic_cast<const Swin&>(*other).config().dropout == 0.2);
    for (const bool zero : {false, true}) {
        const auto resnet =
            model_of({{"--model", "resnet_tiny"}, {"--zero-init", zero ? "true" : "false"}});
        CHECK(dynamic_cast<const ResNet&>(*resnet).config().zero_init_residual == zero);
        for (const NamedParameter& p : parameters_of(*resnet))
            if (p.name == "layer1.0.bn2.weight")
                CHECK(p.parameter->value.to_vector() == std::vector<double>(8, zero ? 0.0 : 1.0));
    }
    CHECK_THROWS_AS(model_of({{"--model", "vit_28"}, {"--zero-init", "true"}}), Error);
}

TEST_CASE("patterns choose models; a pattern without any is answered with the nearest name") {
    CHECK(models_matching({}) == model_names());
    CHECK(models_matching({"swin_?", "resnet*_64"}) ==
          std::vector<std::string>{"resnet101_64", "resnet18_64", "resnet34_64", "resnet50_64",
                                   "swin_b", "swin_l", "swin_s", "swin_t"});
    for (const auto& [glob, attempt] :
         {std::pair{"resnet81*", "resnet18; ./fovea models lists all"},
          {"nope*", "./fovea models lists all"}}) {
        try {
            models_matching({glob});
            FAIL("there is one");
        } catch (const Error& e) {
            CHECK(e.code() == "C20");
            CHECK(e.what() == "no model matches " + std::string(glob));
            CHECK(e.attempt() == attempt);
        }
    }
}
