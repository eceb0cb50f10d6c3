// Scores a finished run's model on its test (or validation) images.
#include <cstdio>
#include <filesystem>

#include "apps/common/experiment.h"
#include "apps/common/flags.h"
#include "apps/common/run_app.h"
#include "apps/common/trained_run.h"
#include "core/error.h"
#include "core/serialize/atomic_file.h"

namespace {

using namespace fovea;
using namespace fovea::apps;

int evaluate(const Flags& flags) {
    TrainedRun trained = open_trained_run(flags.one("RUN"), flags.device, flags.threads);
    const Experiment experiment = open_experiment(trained.config);
    const bool on_val = flags.text("--split") == "val";
    const auto& data = on_val ? experiment.val : experiment.test;
    if (!data)
        throw Error("C23", "the run had no validation images", "--split val", "--split test");
    const std::filesystem::path folder =
        flags.out.empty() ? trained.run.eval() : std::filesystem::path(flags.out);
    std::error_code failed;
    std::filesystem::create_directories(folder, failed);
    if (failed) throw file_error(failed.value(), "create", folder.string());
    PredictionsFile predictions(folder / "predictions.csv", experiment.class_names);
    const Metrics scores = evaluate_model(*trained.model, data, trained.config, &predictions);
    predictions.finish();
    write_eval_files(folder, scores, experiment.class_names);
    if (flags.json) {
        std::printf("%s\n", metrics_json(scores, experiment.class_names).c_str());
        return 0;
    }
    std::printf("%s  %lld images\n", data->name().c_str(), static_cast<long long>(scores.n));
    std::printf("top-1 %.2f %% (95%% interval %.2f to %.2f)  top-5 %.2f %%  loss %.6f\n",
                100 * scores.top1, 100 * scores.top1_low, 100 * scores.top1_high, 100 * scores.top5,
                scores.loss);
    std::printf("macro precision %.2f %%  recall %.2f %%  F1 %.2f %%\n",
                100 * scores.macro.precision, 100 * scores.macro.recall, 100 * scores.macro.f1);
    std::printf("wrote %s\n", folder.string().c_str());
    return scores.nonfinite > 0 ? static_cast<int>(Exit::NonFinite) : 0;
}

}  // namespace

int main(int argc, char** argv) {
    return run_app([&] {
        AppSpec app;
        app.name = "evaluate";
        app.summary =
            "Score a trained model: accuracy, per-class table, confusion matrix, predictions.";
        app.positionals = {{"RUN", "run folder of a train_* program", Arity::One}};
        app.own_flags = {{"--split", "test|val", "which images", "test"}};
        app.examples = {"evaluate runs/1122-1423_cvt_28_s42", "evaluate RUN --json"};
        const std::optional<Flags> flags = parse_flags(argc, argv, app);
        return flags ? evaluate(*flags) : 0;
    });
}
