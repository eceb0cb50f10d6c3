// Trains a CvT.
#include "apps/common/run_app.h"
#include "apps/common/trainer.h"

int main(int argc, char** argv) {
    using namespace fovea::apps;
    return run_app([&] {
        AppSpec app;
        app.name = "train_cvt";
        app.summary = "Train a convolutional vision transformer (CvT) on images.";
        app.training = true;
        app.default_recipe = "cvt_28";
        app.examples = {"train_cvt", "train_cvt --quick", "train_cvt --config cvt_28_long --seed 7",
                        "train_cvt --model cvt_tiny --epochs 3 --batch 64",
                        "train_cvt --resume runs/1122-1423_cvt_28_s42"};
        std::optional<Flags> flags = parse_flags(argc, argv, app);
        return flags ? train(*flags) : 0;
    });
}
