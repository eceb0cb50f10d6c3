// What a model can learn by heart: eight random pictures.
#include <catch2/catch.hpp>

#include "optim/optimizer.h"
#include "tests/models/sample.h"

using namespace fovea;

TEST_CASE("every small model learns one batch by heart") {
    for (const test::Small& small : test::kSmall) {
        CAPTURE(small.name);
        const auto model = test::make_small(small, false);
        model->initialise(1);
        const Shape image = model->input_shape();
        const Tensor images =
            test::pictures({8, image[0], image[1], image[2]}, DType::F32, Device::cpu());
        const Tensor truth = test::labels(8, model->classes(), Device::cpu());
        ParamStore store(*model);
        Adam optimizer(store, {});
        double first = 0.0, last = 1.0;
        for (std::uint32_t step = 0; step < 200 && last >= 0.05; ++step) {
            store.zero_gradients();
            Tape tape;
            const Tensor loss = test::loss_of(*model, images, truth, {true, 1, step});
            last = loss.item();
            if (step == 0) first = last;
            tape.backward(loss);
            optimizer.step(store, 5e-3);
        }
        CHECK(first > 1.5);
        CHECK(last < 0.05);
    }
}
