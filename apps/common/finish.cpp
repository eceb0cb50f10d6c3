#include "apps/common/finish.h"

#include <cmath>
#include <cstdlib>
#include <filesystem>

#include "apps/common/flags.h"
#include "apps/common/foreign_config.h"
#include "apps/common/plots.h"
#include "core/error.h"
#include "core/serialize/atomic_file.h"
#include "core/serialize/checkpoint.h"
#include "models/weights.h"

namespace fovea::apps {
namespace {

// Puts the best checkpoint's weights (averages if it has them) into the model.
void load_best(Classifier& model, const RunFolder& run) {
    const Checkpoint best = load_checkpoint(run.best_checkpoint().string());
    bool averaged = false;
    for (const NamedTensor& t : best.tensors) averaged = averaged || t.name.rfind("ema.", 0) == 0;
    const std::string prefix = averaged ? "ema." : "model.";
    for (const NamedTensor& t : best.tensors) {
        if (t.name.rfind(prefix, 0) != 0) continue;
        const Tensor value = Tensor::empty(t.shape, t.dtype);
        std::copy(t.bytes.begin(), t.bytes.end(), value.data<std::byte>());
        set_state(model, t.name.substr(prefix.size()), value);
    }
}

std::string percent(double share) {
    char text[32];
    std::snprintf(text, sizeof text, "%.2f %%", 100.0 * share);
    return text;
}

std::string decimals(double value) {
    char text[32];
    std::snprintf(text, sizeof text, "%.4f", value);
    return text;
}

}  // namespace

Metrics finish_run(const FinishedRun& f) {
    const bool use_best =
        f.experiment.val != nullptr && std::filesystem::exists(f.run.best_checkpoint());
    const EmaScope averaged(use_best ? nullptr : f.ema);
    if (use_best) load_best(f.model, f.run);
    save_weights(f.model, f.run.model_file().string(), {{"format", "pt"}});
    write_text_atomically(
        (f.run.path() / "config.json").string(),
        foreign_config(f.model, f.config, f.experiment.class_names, "safetensors"));

    PredictionsFile predictions(f.run.eval() / "predictions.csv", f.experiment.class_names);
    Metrics scores = evaluate_model(f.model, f.experiment.test, f.config, &predictions);
    predictions.finish();
    write_eval_files(f.run.eval(), scores, f.experiment.class_names);
    f.progress.line("test     top-1 " + percent(scores.top1) + " (95% interval " +
                    percent(scores.top1_low) + " to " + percent(scores.top1_high) + ")  top-5 " +
                    percent(scores.top5) + "  loss " + decimals(scores.loss) + "  " +
                    std::to_string(scores.n) + " images");

    const Warn warn = [&](const std::string& text) { f.progress.warning(text); };
    plot_curves(f.run, warn);
    plot_confusion(f.run, warn);
    ReportData report;
    report.title = f.config.get<std::string>("model.name") + " on " + f.experiment.test->name();
    report.subtitle = "seed " + std::to_string(f.config.get<std::int64_t>("train.seed")) + ", " +
                      std::to_string(f.config.get<std::int64_t>("train.epochs")) +
                      " epochs; scores on the " + std::to_string(scores.n) +
                      " test images, which had no part in training";
    report.class_names = f.experiment.class_names;
    report.samples = sample_predictions(f.model, f.experiment.test, f.config);
    write_report(f.run, report);
    f.progress.line("report   " + f.run.report().string());
    return scores;
}

std::vector<ReportSample> sample_predictions(const Classifier& model,
                                             const std::shared_ptr<const Dataset>& data,
                                             const Config& config) {
    constexpr std::int64_t kFirst = 30, kWrong = 30, kLookedAt = 2000;
    const Transform transform = transform_of(config, false);
    const Device device = device_of(config.get<std::string>("train.device"));
    const auto side = config.get<std::int64_t>("data.image_size"),
               channels = config.get<std::int64_t>("data.in_channels");
    std::vector<ReportSample> first, wrong;
    for (std::int64_t i = 0; i < std::min(data->size(), kLookedAt); ++i) {
        if (i >= kFirst && static_cast<std::int64_t>(wrong.size()) >= kWrong) break;
        const Sample sample = data->get(i);
        const Tensor input = Tensor::empty({1, side, side, channels});
        transform.apply(sample.image, i, 0, input.data<float>());
        const std::vector<float> logits = host_floats(model.forward(input.to(device), Pass{}));
        const std::int64_t guess = arg_max(logits);
        const ReportSample shown{Image(sample.image), sample.label, guess,
                                 std::exp(log_softmax_at(logits, guess)), data->describe(i)};
        if (i < kFirst)
            first.push_back(shown);
        else if (guess != sample.label)
            wrong.push_back(shown);
    }
    first.insert(first.end(), wrong.begin(), wrong.end());
    return first;
}

std::string dump_nonfinite(const ParamStore& store, const Batch& batch, const RunFolder& run) {
    const auto bytes_of = [](const Tensor& t) {
        return std::span<const std::byte>(t.data<std::byte>(),
                                          static_cast<std::size_t>(t.numel()) * size_of(t.dtype()));
    };
    const std::vector<NamedTensor> tensors = {
        {"images", batch.images.dtype(), batch.images.shape(), bytes_of(batch.images)},
        {"labels", batch.labels.dtype(), batch.labels.shape(), bytes_of(batch.labels)}};
    write_safetensors((run.path() / "nan_dump.safetensors").string(), tensors);
    for (std::size_t i = 0; i < store.parameters().size(); ++i) {
        const Tensor gradient = store.slice_of(store.gradients(), i).to(Device::cpu());
        if (first_nonfinite(gradient.dtype(), bytes_of(gradient)))
            return store.parameters()[i].name + ".grad";
    }
    return {};
}

void remove_leftovers(const RunFolder& run) {
    for (const auto& folder : {run.path(), run.checkpoints(), run.plots(), run.eval()})
        remove_stale_temporaries(folder.string());
}

std::string resume_line(const std::vector<std::string>& command) {
    std::vector<std::string> words = command;
    if (const char* launcher = std::getenv("FOVEA_LAUNCHER")) {
        words.front() = std::filesystem::path(words.front()).filename().string();
        words.insert(words.begin(), launcher);
    }
    return shell_line(words);
}

}  // namespace fovea::apps
