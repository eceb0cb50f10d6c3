#include "apps/common/trainer.h"

#include <chrono>
#include <cmath>

#include "apps/common/csv_log.h"
#include "apps/common/env_info.h"
#include "apps/common/experiment.h"
#include "apps/common/finish.h"
#include "apps/common/interrupt.h"
#include "apps/common/plots.h"
#include "apps/common/progress.h"
#include "apps/common/run_folder.h"
#include "apps/common/training_state.h"
#include "core/error.h"
#include "core/ops/loss.h"
#include "core/tape.h"
#include "optim/clip.h"

namespace fovea::apps {
namespace {

double seconds_now() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch())
        .count();
}

class Trainer {
public:
    Trainer(Flags& flags, Config config, Experiment experiment, RunFolder run, std::int64_t threads)
        : flags_(flags), config_(std::move(config)), experiment_(std::move(experiment)),
          run_(std::move(run)), threads_(threads),
          device_(device_of(config_.get<std::string>("train.device"))),
          accum_(config_.get<std::int64_t>("optim.accum")),
          epochs_(config_.get<std::int64_t>("train.epochs")),
          loader_(experiment_.train, sampler_options(), transform_of(config_, true),
                  loader_options()),
          steps_per_epoch_(std::max<std::int64_t>(1, loader_.batches() / accum_)),
          state_(new_training_state(config_, steps_per_epoch_)),
          progress_({.quiet = flags.quiet, .log_file = run_.train_log()}) {}

    /// Continues from the newest intact checkpoint of the run at `folder`.
    void resume_from(const RunFolder& folder) {
        const LoadedCheckpoint loaded = load_newest_checkpoint(folder.checkpoints().string());
        if (!loaded.warning.empty()) progress_.warning(loaded.warning);
        const auto saved_threads = static_cast<std::int64_t>(loaded.checkpoint.threads);
        if (saved_threads != threads_ && !flags_.fork)
            throw Error("C22",
                        "the run was trained with " + std::to_string(saved_threads) +
                            " compute threads, this start has " + std::to_string(threads_) +
                            "; the number is part of the result",
                        "--resume",
                        "--threads " + std::to_string(saved_threads) + ", or --fork for a new run");
        restore(state_, loaded.checkpoint, loaded.path);
        if (!flags_.fork) TrainingLog::cut_back(run_, state_.steps(), state_.epochs_done);
        progress_.line("resume   step " + std::to_string(state_.steps()) + " (epoch " +
                       std::to_string(state_.epochs_done + 1) + ") from " + loaded.path);
    }

    int run() {
        const SignalGuard signals;
        announce();
        TrainingLog log(run_);
        while (state_.epochs_done < epochs_ && !reached_limit()) {
            const double start = seconds_now();
            const std::int64_t images_before = state_.sums.images;
            train_epoch(log);
            if (stop_signal() != 0) return stop();
            if (reached_limit() && state_.batches_done > 0)
                break;  // mid-epoch: no row for half an epoch
            end_epoch(log, seconds_now() - start, state_.sums.images - images_before);
            if (stop_signal() != 0) return stop();
        }
        log.sync();
        save();
        finish_run({config_, experiment_, run_, *state_.model, state_.ema.get(), progress_});
        return 0;
    }

private:
    SamplerOptions sampler_options() const {
        SamplerOptions options;
        options.seed = config_.get<std::uint64_t>("train.seed");
        options.fraction = config_.get<double>("data.train_fraction");
        return options;
    }

    LoaderOptions loader_options() const {
        LoaderOptions options;
        options.batch = config_.get<std::int64_t>("train.batch");
        options.drop_last = true;
        options.threads = config_.get<int>("data.loader_threads");
        options.prefetch = config_.get<int>("data.prefetch");
        return options;
    }

    void announce() {
        const auto count = static_cast<long long>(parameter_count(*state_.model));
        char text[200];
        std::snprintf(text, sizeof text,
                      "model    %s  %lld parameters  %.2f MMAC  %lldx%lldx%lld -> %zu classes",
                      config_.get<std::string>("model.name").c_str(), count,
                      static_cast<double>(state_.model->macs()) / 1e6,
                      static_cast<long long>(config_.get<std::int64_t>("data.image_size")),
                      static_cast<long long>(config_.get<std::int64_t>("data.image_size")),
                      static_cast<long long>(config_.get<std::int64_t>("data.in_channels")),
                      experiment_.class_names.size());
        progress_.line("device   " + config_.get<std::string>("train.device") + ": " + cpu_name() +
                       ", " + std::to_string(threads_) + " threads");
        progress_.line("data     " + experiment_.train->name() + "  " +
                       std::to_string(loader_.samples()) + " training images, " +
                       std::to_string(experiment_.watched()->size()) + " " +
                       (experiment_.val ? "validation" : "test") + " images");
        progress_.line(text);
        progress_.line("run      " + run_.path().string());
        std::vector<double> lrs;
        for (std::int64_t s = 0; s < state_.schedule.total_steps; ++s)
            lrs.push_back(state_.schedule.at(s));
        plot_schedule(run_, lrs, steps_per_epoch_,
                      [this](const std::string& w) { progress_.warning(w); });
    }

    bool reached_limit() const {
        const auto limit = config_.get<std::int64_t>("train.max_steps");
        return limit > 0 && state_.steps() >= limit;
    }

    void train_epoch(TrainingLog& log) {
        const std::int64_t epoch = state_.epochs_done;
        const double waited_before = loader_.wait_seconds(), start = seconds_now();
        const std::int64_t images_before = state_.sums.images;
        loader_.start_epoch(epoch, state_.batches_done);
        progress_.begin_epoch(epoch + 1, epochs_, steps_per_epoch_, state_.batches_done / accum_);
        while (state_.batches_done < steps_per_epoch_ * accum_ && !reached_limit()) {
            const double lr = state_.schedule.at(state_.steps());
            const StepRow row = train_step(epoch, lr);
            log.step(row);
            StepStatus status;
            status.step = state_.batches_done / accum_;
            status.loss = row.loss;
            status.mean_loss = state_.sums.loss / static_cast<double>(state_.sums.images);
            status.top1 = 100.0 * static_cast<double>(state_.sums.hits) /
                          static_cast<double>(state_.sums.images);
            status.lr = lr;
            status.images = state_.sums.images - images_before;
            status.data_share =
                (loader_.wait_seconds() - waited_before) / std::max(1e-9, seconds_now() - start);
            progress_.step(status);
            if (take_save_request()) {
                log.sync();
                save();
            }
            if (stop_signal() != 0) {
                log.sync();
                return;
            }
        }
    }

    /// One optimizer step over `accum` batches: forward, loss, backward, clip, update.
    StepRow train_step(std::int64_t epoch, double lr) {
        double loss_sum = 0.0;
        std::optional<Batch> batch;
        state_.store->zero_gradients();
        for (std::int64_t micro = 0; micro < accum_; ++micro) {
            batch = loader_.next();
            const Pass pass{true, config_.get<std::uint64_t>("train.seed"),
                            static_cast<std::uint32_t>(state_.steps() * accum_ + micro)};
            Tape tape;
            const Tensor logits = state_.model->forward(batch->images.to(device_), pass);
            const Tensor loss = ops::cross_entropy(logits, batch->labels.to(device_),
                                                   config_.get<double>("train.smoothing"));
            const double value = loss.item();
            if (!std::isfinite(value)) stop_nonfinite("the loss", *batch, epoch);
            tape.backward(loss, 1.0 / static_cast<double>(accum_));
            count(logits, *batch, value);
            loss_sum += value;
            ++state_.batches_done;
        }
        const double norm = state_.store->gradient_norm();
        if (!std::isfinite(norm)) stop_nonfinite("the gradient", *batch, epoch);
        state_.optimizer->step(*state_.store, lr,
                               clip_factor(norm, config_.get<double>("optim.clip")));
        if (state_.ema) state_.ema->update();
        return {state_.steps(), epoch + 1, loss_sum / static_cast<double>(accum_), lr, norm};
    }

    void count(const Tensor& logits, const Batch& batch, double loss) {
        const std::vector<float> values = host_floats(logits);
        const auto* labels = batch.labels.data<std::int64_t>();
        const std::size_t rows = batch.indices.size(), classes = values.size() / rows;
        for (std::size_t i = 0; i < rows; ++i)
            state_.sums.hits +=
                arg_max(std::span(values).subspan(i * classes, classes)) == labels[i];
        state_.sums.images += static_cast<std::int64_t>(rows);
        state_.sums.loss += loss * static_cast<double>(rows);
    }

    void end_epoch(TrainingLog& log, double seconds, std::int64_t images) {
        Metrics scores;
        const bool measured =
            (state_.epochs_done + 1) % config_.get<std::int64_t>("train.eval_every") == 0 ||
            state_.epochs_done + 1 == epochs_;
        if (measured) {
            const EmaScope averaged(state_.ema.get());
            scores = evaluate_model(*state_.model, experiment_.watched(), config_);
        }
        EpochRow row;
        row.epoch = state_.epochs_done + 1;
        row.train_loss = state_.sums.loss / static_cast<double>(state_.sums.images);
        row.train_top1 =
            100.0 * static_cast<double>(state_.sums.hits) / static_cast<double>(state_.sums.images);
        row.lr = state_.schedule.at(state_.steps() - 1);
        row.epoch_s = seconds;
        row.img_s = static_cast<double>(images) / seconds;
        row.mem_mib = resident_mib();
        if (measured) {
            row.eval_loss = scores.loss;
            row.eval_top1 = 100.0 * scores.top1;
            row.eval_top5 = 100.0 * scores.top5;
            row.eval_f1_macro = 100.0 * scores.macro.f1;
            row.eval_precision_macro = 100.0 * scores.macro.precision;
            row.nonfinite = scores.nonfinite;
        }
        log.epoch(row);
        ++state_.epochs_done;
        state_.batches_done = 0;
        state_.sums = {};
        // Only held-out training images may choose weights; test images never do.
        const bool best = measured && experiment_.val && scores.top1 > state_.best_top1;
        if (best) state_.best_top1 = scores.top1;
        progress_.end_epoch({row.train_loss, row.train_top1, row.eval_loss, row.eval_top1,
                             row.eval_top5, seconds, best});
        log.sync();
        if (best) {
            const StateSnapshot s = snapshot(state_, config_, threads_, experiment_.class_names);
            write_checkpoint(run_.best_checkpoint().string(), s.checkpoint);
        }
        if (state_.epochs_done % config_.get<std::int64_t>("train.save_every") == 0) save();
    }

    void save() {
        const StateSnapshot s = snapshot(state_, config_, threads_, experiment_.class_names);
        save_checkpoint(run_.checkpoints().string(), s.checkpoint);
    }

    int stop() {
        save();
        const std::vector<std::string> command = {
            flags_.command.empty() ? "train" : flags_.command.front(), "--resume",
            run_.path().string()};
        progress_.line(std::string("stopped  by ") + signal_name(stop_signal()) + " after step " +
                       std::to_string(state_.steps()) + "; saved. Go on with:");
        progress_.line("         " + resume_line(command));
        return exit_status(stop_signal());
    }

    /// Keeps the batch that did it, then ends the run; the weights are still those before the step.
    [[noreturn]] void stop_nonfinite(const std::string& what, const Batch& batch,
                                     std::int64_t epoch) {
        const std::string tensor = dump_nonfinite(*state_.store, batch, run_);
        throw Error(
            "N01",
            what + " is not finite at step " + std::to_string(state_.steps() + 1) + " (epoch " +
                std::to_string(epoch + 1) + ")" +
                (tensor.empty() ? "" : "; first bad tensor: " + tensor),
            run_.path().string() +
                "/nan_dump.safetensors holds the batch; checkpoints hold finite weights only",
            "--clip 1.0, a lower --lr, or FOVEA_ANOMALY=1 to name the operation");
    }

    Flags& flags_;
    Config config_;
    Experiment experiment_;
    RunFolder run_;
    std::int64_t threads_;
    Device device_;
    std::int64_t accum_, epochs_;
    DataLoader loader_;
    std::int64_t steps_per_epoch_;
    TrainingState state_;
    Progress progress_;
};

}  // namespace

int train(Flags& flags) {
    Config config = flags.config;
    const std::int64_t threads = use_threads(config.get<std::int64_t>("train.threads"));
    Experiment experiment = open_experiment(config);
    const std::unique_ptr<Classifier> probe =
        new_model(config);  // a wrong model name fails before the folder is made
    if (flags.dry_run) return 0;
    const bool same_folder = flags.resume && !flags.fork;
    RunFolder run = same_folder
                        ? RunFolder::open(flags.resume_dir)
                        : RunFolder::create(config.get<std::string>("model.name"),
                                            config.get<std::int64_t>("train.seed"), flags.out);
    if (same_folder) remove_leftovers(run);
    run.write_config(config.to_toml());
    run.write_env(env_json({.command = flags.command,
                            .device = config.get<std::string>("train.device"),
                            .threads = threads,
                            .dataset = experiment.train->name(),
                            .dataset_hash = hex(experiment.train->info().fingerprint),
                            .config_hash = config.hash()}));
    Trainer trainer(flags, config, std::move(experiment), run, threads);
    if (flags.resume) trainer.resume_from(RunFolder::open(flags.resume_dir));
    return trainer.run();
}

}  // namespace fovea::apps
