// Initial weights of a ViT: timm's and torchvision's distributions.
#include <catch2/catch.hpp>
#include <cmath>
#include <map>

#include "models/vit.h"
#include "models/weights.h"

using namespace fovea;

namespace {

double deviation(const std::vector<double>& values) {
    double squares = 0.0;
    for (const double v : values) squares += v * v;
    return std::sqrt(squares / static_cast<double>(values.size()));
}

double largest(const std::vector<double>& values) {
    double out = 0.0;
    for (const double v : values) out = std::max(out, std::abs(v));
    return out;
}

std::map<std::string, std::vector<double>> initial_values(Classifier& model) {
    model.initialise(42);
    std::map<std::string, std::vector<double>> values;
    for (const StateTensor& t : state_of(model)) values[t.name] = t.value.to_vector();
    return values;
}

}  // namespace

TEST_CASE("ViT: initial weights as timm draws them") {
    VitConfig config = *vit_preset("vit_28");
    config.representation_size = 64;
    Vit model(config);
    for (const auto& [name, v] : initial_values(model)) {
        CAPTURE(name);
        const double slack = 5.0 / std::sqrt(2.0 * static_cast<double>(v.size()));
        if (name == "cls_token") {
            CHECK(deviation(v) == Approx(1e-6).epsilon(slack));
        } else if (name.starts_with("patch_embed")) {
            CHECK(largest(v) <= 1.0 / 4.0);  // fan_in 4 * 4 * 1
            CHECK(deviation(v) == Approx(0.25 / std::sqrt(3.0)).epsilon(slack));
        } else if (name.find("norm") != std::string::npos) {
            CHECK(v == std::vector<double>(v.size(), name.ends_with("weight") ? 1.0 : 0.0));
        } else if (name.ends_with(".bias")) {
            CHECK(largest(v) == 0.0);
        } else {
            CHECK(deviation(v) == Approx(0.02).epsilon(slack));
            CHECK(largest(v) < 0.2);
        }
    }
}

TEST_CASE("ViT: initial weights as torchvision draws them") {
    VitConfig config = *vit_preset("vit_28");
    config.init = VitInit::Torchvision;
    config.representation_size = 64;
    Vit model(config);
    const auto uniform = [](double bound) { return bound / std::sqrt(3.0); };
    const double width = 96.0;
    for (const auto& [name, v] : initial_values(model)) {
        CAPTURE(name);
        const double slack = 5.0 / std::sqrt(2.0 * static_cast<double>(v.size()));
        const std::string& path = name;  // a structured binding cannot be captured
        const auto is = [&path](const char* part) { return path.find(part) != std::string::npos; };
        if (is("norm"))
            CHECK(v == std::vector<double>(v.size(), name.ends_with("weight") ? 1.0 : 0.0));
        else if (is(".mlp.") && name.ends_with("bias"))
            CHECK(deviation(v) == Approx(1e-6).epsilon(slack));
        else if (name == "cls_token" || name == "head.weight" || name.ends_with("bias"))
            CHECK(largest(v) == 0.0);
        else if (name == "pos_embed")
            CHECK(deviation(v) == Approx(0.02).epsilon(slack));
        else if (is("patch_embed"))
            CHECK(deviation(v) == Approx(1.0 / 4.0).epsilon(slack));
        else if (is("pre_logits"))
            CHECK(deviation(v) == Approx(1.0 / std::sqrt(width)).epsilon(slack));
        else if (is("attn.proj"))
            CHECK(deviation(v) == Approx(uniform(1.0 / std::sqrt(width))).epsilon(slack));
        else if (is("attn.qkv"))
            CHECK(deviation(v) == Approx(uniform(std::sqrt(6.0 / (4.0 * width)))).epsilon(slack));
        else
            CHECK(deviation(v) == Approx(uniform(std::sqrt(6.0 / (3.0 * width)))).epsilon(slack));
    }
}
