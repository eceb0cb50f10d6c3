#include "apps/common/announce.h"

#include <cstdio>

#include "apps/common/device.h"
#include "apps/common/plots.h"

namespace fovea::apps {

void announce(const Config& config, const Experiment& experiment, std::int64_t samples,
              const TrainingState& state, Progress& progress) {
    const auto line = [&](const char* format, auto... values) {
        char text[200];
        std::snprintf(text, sizeof text, format, values...);
        progress.line(text);
    };
    const auto integer = [&](const char* key) {
        return static_cast<long long>(config.get<std::int64_t>(key));
    };
    const auto side = integer("data.image_size"), epochs = integer("train.epochs");
    const CosineSchedule& schedule = state.schedule;
    const auto steps = static_cast<long long>(schedule.total_steps);

    const auto device = config.get<std::string>("train.device");
    const bool bf16 = amp_dtype(config, device_of(device)) == DType::BF16;
    progress.line("device   " + describe_device(device, integer("train.threads")) +
                  (bf16 ? ", bf16" : ""));
    progress.line("data     " + experiment.train->name() + "  " + std::to_string(samples) +
                  " training images, " + std::to_string(experiment.watched()->size()) +
                  (experiment.val ? " validation images" : " test images"));
    line("model    %s  %lld parameters  %.2f MMAC  %lldx%lldx%lld -> %zu classes",
         config.get<std::string>("model.name").c_str(),
         static_cast<long long>(parameter_count(*state.model)),
         static_cast<double>(state.model->macs()) / 1e6, side, side, integer("data.in_channels"),
         experiment.class_names.size());
    line("steps    %lld = %lld epochs of %lld, %lld images each", steps, epochs, steps / epochs,
         integer("optim.accum") * integer("train.batch"));
    if (schedule.warmup_steps > 0)
        line("rate     %g at step 1, %g at step %lld, %g at the end", schedule.at(0), schedule.lr,
             static_cast<long long>(schedule.warmup_steps) + 1, schedule.min_lr);
    else
        line("rate     %g at step 1, %g at the end", schedule.lr, schedule.min_lr);
}

void plot_rates(const RunFolder& run, const TrainingState& state, std::int64_t steps_per_epoch,
                Progress& progress) {
    std::vector<double> rates;
    for (std::int64_t step = 0; step < state.schedule.total_steps; ++step)
        rates.push_back(state.schedule.at(step));
    plot_schedule(run, rates, steps_per_epoch,
                  [&](const std::string& warning) { progress.warning(warning); });
}

}  // namespace fovea::apps
