// A program outside the tree: trains a small CvT for some steps, saves its weights, reads them back.
#include <cstdio>

#include "core/error.h"
#include "core/ops/loss.h"
#include "core/tape.h"
#include "models/registry.h"
#include "models/weights.h"
#include "optim/optimizer.h"

using namespace fovea;

int main(int, char** argv) try {
    const ModelOptions options{.num_classes = 2, .in_channels = 1};
    const auto model = make_model("cvt_tiny", options), copy = make_model("cvt_tiny", options);
    model->initialise(/*seed=*/1);
    ParamStore parameters(*model);
    Adam adam(parameters, {});

    const Tensor images = Tensor::from({0.5, -0.5}, {2, 1, 1, 1}).expand({2, 64, 64, 1});
    const Tensor labels = Tensor::from({0, 1}, {2}, DType::I64);
    double loss_now = 0.0;
    for (std::uint32_t step = 0; step < 20; ++step) {
        parameters.zero_gradients();
        Tape tape;
        const Tensor loss = ops::cross_entropy(model->forward(images, {true, 1, step}), labels);
        tape.backward(loss);
        adam.step(parameters, /*lr=*/3e-3);
        loss_now = loss.item();
    }
    save_weights(*model, argv[1]);
    load_weights(*copy, argv[1]);
    const bool same =
        model->forward(images, {}).to_vector() == copy->forward(images, {}).to_vector();
    std::printf("loss %.4f, weights %s\n", loss_now, same ? "read back" : "differ");
    return loss_now < 0.2 && same ? 0 : 1;
} catch (const Error& e) {
    std::fprintf(stderr, "%s\n", format_error(e).c_str());
    return static_cast<int>(e.exit());
}
