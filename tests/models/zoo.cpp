// Every registered model: its size, that inference repeats itself, and that training reaches every
// parameter with a finite gradient.
#include <catch2/catch.hpp>

#include <cmath>

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
    {"cvt13", 19997480, 32},     {"cvt21", 31622696, 32},  {"cvt_28", 225482, 28},
    {"cvt_28_wide", 763498, 28}, {"cvt_64", 12540936, 32}, {"cvt_tiny", 39050, 32},
    {"cvt_w24", 277196392, 32},
};

/// Numbers in [-1, 1) without pattern to the eye.
Tensor noise(const Shape& shape) {
    std::vector<double> values;
    for (std::int64_t i = 0; i < shape.numel(); ++i) values.push_back(std::sin(1.0 + 78.233 * i));
    return Tensor::from(values, shape);
}

void check_model(const Row& row) {
    INFO(row.name);
    ModelOptions options;
    options.height = options.width = row.side;
    const std::unique_ptr<Classifier> model = make_model(row.name, options);
    CHECK(parameter_count(*model) == row.parameters);
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

TEST_CASE("models infer and train", "[models]") {
    for (const Row& row : kModels)
        if (row.parameters < 50'000'000) check_model(row);
}

TEST_CASE("large models infer and train", "[models][.slow]") {
    for (const Row& row : kModels)
        if (row.parameters >= 50'000'000) check_model(row);
}
