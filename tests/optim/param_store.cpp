// The flat arenas: where the slices lie, which parameters decay, what is frozen.
#include "optim/param_store.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "core/error.h"
#include "core/ops/loss.h"
#include "core/tape.h"
#include "optim/clip.h"
#include "optim/optimizer.h"
#include "tests/optim/small_model.h"

using namespace fovea;
using test::SmallModel;

TEST_CASE("the arena holds every parameter in visiting order, each on its own cache line") {
    for (const DType dtype : {DType::F32, DType::F64}) {
        const Device device = dtype == DType::F32 ? Device::cpu() : Device::reference();
        SmallModel model(dtype, device);
        const std::vector<double> before = test::values_of(model);
        const ParamStore store(model);
        CHECK(test::values_of(model) == before);

        const Segments segments = store.segments();
        REQUIRE(segments.count == 7);
        const std::int64_t sizes[] = {54, 3, 3, 3, 5, 20, 4};
        std::int64_t end = 0;
        for (std::int64_t i = 0; i < segments.count; ++i) {
            const Segment& s = segments.data[i];
            const NamedParameter& p = store.parameters()[static_cast<std::size_t>(i)];
            CAPTURE(p.name);
            CHECK(s.size == sizes[i]);
            CHECK(s.offset >= end);
            end = s.offset + s.size;
            const Tensor& value = p.parameter->value;
            CHECK(reinterpret_cast<std::uintptr_t>(value.data()) % 64 == 0);
            CHECK(value.storage() == store.values().storage());
            CHECK(value.offset() == s.offset);
            CHECK(value.requires_grad());
            CHECK(value.grad().storage() == store.gradients().storage());
            CHECK(value.grad().shape() == value.shape());
        }
        CHECK(store.values().numel() >= end);
    }
}

TEST_CASE("decay is for tensors of two or more axes that are not marked") {
    SmallModel model;
    const ParamStore store(model, {.weight_decay = 0.05});
    for (std::size_t i = 0; i < store.parameters().size(); ++i) {
        const std::string& name = store.parameters()[i].name;
        CAPTURE(name);
        const bool decays = name == "conv.weight" || name == "head.weight";
        CHECK(store.segments().data[i].weight_decay == (decays ? 0.05 : 0.0));
    }
    SmallModel other;
    const ParamStore all(other, {.weight_decay = 0.05, .decay_all = true});
    for (std::int64_t i = 0; i < all.segments().count; ++i)
        CHECK(all.segments().data[i].weight_decay == 0.05);
}

TEST_CASE("backward adds into the gradient arena, which is cleared and measured as a whole") {
    SmallModel model;
    const ParamStore store(model);
    const Tensor x = Tensor::from({0.5, -1.0, 2.0, 0.25, 1.0, 1.0, 0.0, -0.5, 3.0, 0.125}, {2, 5});
    const Tensor labels = Tensor::from({1, 3}, {2}, DType::I64);
    const auto backward = [&] {
        Tape tape;
        tape.backward(ops::cross_entropy(model.head.forward(x), labels));
    };
    backward();
    const std::vector<double> once = model.head.weight.value.grad().to_vector();
    double squares = 0.0;
    for (const double g : store.gradients().to_vector()) squares += g * g;
    CHECK(squares > 0.0);
    CHECK(store.gradient_norm() == Approx(std::sqrt(squares)).epsilon(1e-12));
    backward();
    const std::vector<double> twice = model.head.weight.value.grad().to_vector();
    for (std::size_t i = 0; i < once.size(); ++i) CHECK(twice[i] == 2.0 * once[i]);
    store.zero_gradients();
    CHECK(store.gradient_norm() == 0.0);
}

TEST_CASE("other norms, and limits on single gradients") {
    SmallModel model;
    const ParamStore store(model);
    test::set_gradients(store, 1);
    double sum = 0.0, largest = 0.0;
    for (const double g : store.gradients().to_vector()) {
        sum += std::abs(g);
        largest = std::max(largest, std::abs(g));
    }
    CHECK(gradient_norm(store, 1.0) == Approx(sum).epsilon(1e-12));
    CHECK(gradient_norm(store, 2.0) == store.gradient_norm());
    CHECK(gradient_norm(store, std::numeric_limits<double>::infinity()) == largest);
    CHECK_THROWS_AS(gradient_norm(store, 0.0), Error);
    clip_gradient_values(store, 0.25);
    CHECK(gradient_norm(store, std::numeric_limits<double>::infinity()) == 0.25);

    CHECK(clip_factor(10.0, 0.0) == 1.0);
    CHECK(clip_factor(0.5, 1.0) == 1.0);
    CHECK(clip_factor(4.0, 1.0) == Approx(1.0 / 4.000001).epsilon(1e-15));
}

TEST_CASE("frozen parameters and scaled rates") {
    SmallModel model;
    ParamStore store(model, {.weight_decay = 0.1});
    Adam adam(store, {});
    store.segment(0).frozen = true;
    store.segment(6).lr_scale = 0.0;
    store.segment(1).lr_scale = 2.0;
    const std::vector<double> before = test::values_of(model);
    test::set_gradients(store, 1);
    adam.step(store, 0.01);
    const std::vector<double> after = test::values_of(model);
    for (std::size_t i = 0; i < 54; ++i) REQUIRE(after[i] == before[i]);  // conv.weight
    for (std::size_t i = 88; i < 92; ++i) CHECK(after[i] == before[i]);   // head.bias
    // Adam's first step is the rate itself, whatever the gradient.
    for (std::size_t i = 54; i < 57; ++i)
        CHECK(std::abs(after[i] - before[i]) == Approx(0.02).epsilon(1e-4));  // conv.bias
    for (std::size_t i = 57; i < 63; ++i)
        CHECK(std::abs(after[i] - before[i]) == Approx(0.01).epsilon(1e-4));  // bn
}
