// Every registered model: its size, that inference repeats itself, and that training reaches every
// parameter with a finite gradient.
#include <catch2/catch.hpp>

#include <cmath>

#include "core/error.h"
#include "core/ops/loss.h"
#include "core/tape.h"
#include "models/registry.h"

using namespace fovea;

namespace {

/// A model's own number of parameters, and the side of an image that is cheap and large enough for it.
struct Row {
    const char* name;
    std::int64_t parameters;
    std::int64_t side;
};

const Row kModels[] = {
    {"alexnet", 61100840, 63},
    {"alexnet_500px", 58396060, 227},
    {"alexnet_67", 5088668, 67},
    {"alexnet_tiny", 20218, 67},
    {"cvt13", 19997480, 32},
    {"cvt21", 31622696, 32},
    {"cvt_28", 225482, 28},
    {"cvt_28_wide", 763498, 28},
    {"cvt_64", 12540936, 32},
    {"cvt_enhanced_embed_m", 20267720, 32},
    {"cvt_enhanced_embed_s", 6669768, 32},
    {"cvt_recurrent_enhanced_m", 19557960, 32},
    {"cvt_recurrent_enhanced_s", 6621384, 32},
    {"cvt_recurrent_enhanced_test", 24058, 32},
    {"cvt_recurrent_m", 19547976, 32},
    {"cvt_recurrent_s", 6611400, 32},
    {"cvt_ref_m", 19689480, 32},
    {"cvt_ref_s", 6668424, 32},
    {"cvt_simple_embed_m", 19654856, 32},
    {"cvt_simple_embed_s", 6408648, 32},
    {"cvt_tiny", 39050, 32},
    {"cvt_w24", 277196392, 32},
    {"deit_base_distilled_patch16_224", 87338192, 32},
    {"deit_base_distilled_patch16_384", 87630032, 32},
    {"deit_base_patch16_224", 86567656, 32},
    {"deit_base_patch16_384", 86859496, 32},
    {"deit_small_distilled_patch16_224", 22436432, 32},
    {"deit_small_patch16_224", 22050664, 32},
    {"deit_test", 17300, 24},
    {"deit_tiny_distilled_patch16_224", 5910800, 32},
    {"deit_tiny_patch16_224", 5717416, 32},
    {"dropout_network", 72756991, 227},
    {"flat_alexnet", 75057948, 227},
    {"flat_alexnet_67", 3007260, 67},
    {"flat_alexnet_bn", 72790133, 227},
    {"flat_alexnet_high_kernel", 22120476, 227},
    {"flat_alexnet_hs", 32860956, 227},
    {"flat_alexnet_low_kernel", 42691452, 227},
    {"flat_alexnet_ls", 373287708, 227},
    {"flat_alexnet_opt", 72756991, 227},
    {"mydeit", 210900, 28},
    {"mydeit_49", 210772, 28},
    {"mydeit_test", 5572, 12},
    {"narrow_alexnet", 19413457, 227},
    {"narrow_alexnet_67", 658207, 67},
    {"resnet101", 44549160, 32},
    {"resnet101_64", 42902280, 32},
    {"resnet18", 11689512, 32},
    {"resnet18_64", 11271432, 32},
    {"resnet34", 21797672, 32},
    {"resnet34_64", 21379592, 32},
    {"resnet50", 25557032, 32},
    {"resnet50_64", 23910152, 32},
    {"resnet_tiny", 32642, 32},
    {"resnet_tiny_bottleneck", 15762, 32},
    {"student_vit_test", 5370, 12},
    {"swin_28", 95510, 28},
    {"swin_64", 7125218, 64},
    {"swin_b", 87768224, 32},
    {"swin_base_patch4_window12_384", 87903584, 32},
    {"swin_base_patch4_window7_224", 87768224, 32},
    {"swin_l", 196532476, 32},
    {"swin_large_patch4_window12_384", 196735516, 32},
    {"swin_large_patch4_window7_224", 196532476, 32},
    {"swin_s", 49606258, 32},
    {"swin_small_patch4_window7_224", 49606258, 32},
    {"swin_t", 28288354, 32},
    {"swin_test", 35942, 32},
    {"swin_tiny_patch4_window7_224", 28288354, 32},
    {"teacher_bn", 1147722, 28},
    {"teacher_mnist", 1199882, 28},
    {"teacher_tiny", 5998, 28},
    {"teacher_vgg", 871018, 28},
    {"vit_28", 456394, 28},
    {"vit_64", 2756744, 32},
    {"vit_b_16", 86567656, 32},
    {"vit_b_32", 88224232, 64},
    {"vit_base_patch16_224", 86567656, 32},
    {"vit_base_patch16_384", 86859496, 32},
    {"vit_base_patch32_224", 88224232, 64},
    {"vit_cifar", 827530, 32},
    {"vit_fmnist", 210122, 28},
    {"vit_fmnist_49", 210058, 28},
    {"vit_l_16", 304326632, 32},
    {"vit_large_patch16_224", 304326632, 32},
    {"vit_p4_m", 19714760, 64},
    {"vit_p4_s", 6448584, 64},
    {"vit_p8_s", 6436296, 64},
    {"vit_small_patch16_224", 22050664, 32},
    {"vit_small_patch32_224", 22878952, 64},
    {"vit_test", 17002, 24},
    {"vit_tiny_patch16_224", 5717416, 32},
};

/// Numbers in [-1, 1) without pattern to the eye.
Tensor noise(const Shape& shape) {
    std::vector<double> values;
    for (std::int64_t i = 0; i < shape.numel(); ++i) values.push_back(std::sin(1.0 + 78.233 * i));
    return Tensor::from(values, shape);
}

void check_model(const Row& row) {
    INFO(row.name);
    // Position embeddings depend on the size of the image.
    CHECK(parameter_count(*make_model(row.name, {})) == row.parameters);
    ModelOptions options;
    options.height = options.width = row.side;
    const std::unique_ptr<Classifier> model = make_model(row.name, options);
    CHECK(model->macs() > 0);

    model->initialise(1);
    const Shape input = model->input_shape();
    CHECK(input[0] == row.side);
    const Tensor images = noise({2, input[0], input[1], input[2]});
    const Tensor logits = model->forward(images, {});
    CHECK((logits.shape() == Shape{2, model->classes()}));
    CHECK(logits.to_vector() == model->forward(images, {}).to_vector());

    Tape tape;
    const Tensor labels = Tensor::from({0, 1}, {2}, DType::I64);
    tape.backward(ops::cross_entropy(model->forward(images, {true, 1, 0}), labels));
    for (const NamedParameter& p : parameters_of(*model)) {
        INFO(p.name);
        const Tensor& gradient = p.parameter->value.grad();
        REQUIRE(gradient.defined());
        double sum = 0.0;
        for (const double g : gradient.to_vector()) sum += std::abs(g);
        CHECK(std::isfinite(sum));
    }
}

}  // namespace

TEST_CASE("every registered model has a row", "[models]") {
    std::vector<std::string> names;
    for (const Row& row : kModels) names.emplace_back(row.name);
    CHECK(names == model_names());  // both sorted
}

TEST_CASE("no image is too small for an answer or for a clear refusal", "[models]") {
    for (const auto& [name, parameters, usual] : kModels) {
        if (parameters > 8'000'000) continue;  // as their smaller relatives
        for (std::int64_t side = 1; side <= 5; ++side) {
            CAPTURE(name, side);
            ModelOptions options;
            options.height = options.width = side;
            try {
                const std::unique_ptr<Classifier> model = make_model(name, options);
                const Shape input = model->input_shape();
                if (parameters > 1'000'000) continue;
                const Tensor logits =
                    model->forward(noise({2, input[0], input[1], input[2]}), Pass{true, 1, 0});
                CHECK((logits.shape() == Shape{2, model->classes()}));
            } catch (const Error& e) {
                CHECK(e.code() == "C04");
            }
        }
    }
    const auto refusal = [](const char* name, std::int64_t height, std::int64_t width) {
        ModelOptions options;
        options.height = height;
        options.width = width;
        try {
            make_model(name, options);
        } catch (const Error& e) {
            return e.what() + (" " + e.attempt());
        }
        return std::string();
    };
    CHECK(refusal("cvt_tiny", 3, 3).empty());
    CHECK(refusal("cvt_tiny", 2, 9).find("images of 2x9 are too small for these convolutions") !=
          std::string::npos);
    CHECK(refusal("cvt_tiny", 9, 2).ends_with(" 3 or more"));
}

TEST_CASE("an unknown model is answered with the nearest name", "[models]") {
    for (const auto& [name, attempt] : {std::pair{"resnet81", "resnet18; ./fovea models lists all"},
                                        {"swin_tt", "swin_t; ./fovea models lists all"},
                                        {"zebra", "./fovea models lists all"}}) {
        CAPTURE(name);
        try {
            make_model(name, {});
            FAIL("there is one");
        } catch (const Error& e) {
            CHECK(e.code() == "C20");
            CHECK(e.attempt() == attempt);
        }
    }
}

TEST_CASE("models infer and train", "[models]") {
    for (const Row& row : kModels)
        if (row.parameters < 20'000'000) check_model(row);
}

TEST_CASE("large models infer and train", "[models][.slow]") {
    for (const Row& row : kModels)
        if (row.parameters >= 20'000'000) check_model(row);
}
