// Mixed precision: every optimizer writes the BF16 copy of the weights together with the weights.
#include <catch2/catch.hpp>

#include "core/autocast.h"
#include "core/ops/loss.h"
#include "core/tape.h"
#include "models/registry.h"
#include "optim/optimizer.h"

using namespace fovea;

namespace {

/// One step of a tiny model under autocast; then the copies must be the weights, rounded.
template <class Optimizer, class Options>
void check_copies(const Options& options) {
    const auto model = make_model("cvt_tiny", {});
    model->initialise(3);
    move_to(*model, Device::cuda(), DType::F32);
    ParamStore store(*model);
    store.keep_low_copy(DType::BF16);
    const std::vector<double> before = store.values().to_vector();
    Optimizer optimizer(store, options);
    const Shape image = model->input_shape();
    const Tensor images =
        Tensor::full({2, image[0], image[1], image[2]}, 0.25, DType::F32, Device::cuda());
    const Tensor labels = Tensor::from({1, 2}, {2}, DType::I64, Device::cuda());
    {
        const Autocast autocast(DType::BF16);
        Tape tape;
        tape.backward(ops::cross_entropy(model->forward(images, Pass{}), labels));
    }
    optimizer.step(store, 0.1);
    CHECK(store.values().to_vector() != before);
    CHECK(store.low_copy().to_vector() == store.values().to(DType::BF16).to_vector());
    for (const NamedParameter& p : store.parameters()) {
        const Tensor low = p.parameter->value.low_copy(DType::BF16);
        CHECK(low.storage() == store.low_copy().storage());  // no further copy was made
    }
    // Weights that somebody else changes are copied again.
    store.values().fill(0.5);
    for (const NamedParameter& p : store.parameters())
        CHECK(p.parameter->value.low_copy(DType::BF16).to_vector().front() == 0.5);
}

}  // namespace

TEST_CASE("optimizers write the low copy together with the weights") {
    SECTION("AdamW") { check_copies<Adam>(AdamOptions{}); }
    SECTION("SGD") { check_copies<Sgd>(SgdOptions{0.9, 0.0, true}); }
    SECTION("RMSprop") { check_copies<Rmsprop>(RmspropOptions{}); }
    SECTION("RAdam") { check_copies<Radam>(RadamOptions{}); }
}
