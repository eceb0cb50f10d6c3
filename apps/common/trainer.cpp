#include "apps/common/trainer.h"

#include <chrono>
#include <cmath>
#include <cstdio>
#include <optional>

#include "apps/common/announce.h"
#include "apps/common/csv_log.h"
#include "apps/common/device.h"
#include "apps/common/env_info.h"
#include "apps/common/experiment.h"
#include "apps/common/finish.h"
#include "apps/common/interrupt.h"
#include "apps/common/metrics_files.h"
#include "apps/common/progress.h"
#include "apps/common/run_folder.h"
#include "apps/common/training_state.h"
#include "core/autocast.h"
#include "core/error.h"
#include "core/ops/loss.h"
#include "core/staging.h"
#include "core/tape.h"
#include "kernels/include/gpu.h"
#include "models/weights.h"
#include "optim/clip.h"

namespace fovea::apps {
namespace {

double seconds_now() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch())
        .count();
}

class Trainer {
public:
    Trainer(Flags& flags, Config config, Experiment experiment)
        : flags_(flags), config_(std::move(config)), experiment_(std::move(experiment)),
          device_(device_of(config_.get<std::string>("train.device"))),
          amp_(amp_dtype(config_, device_)), staging_(device_),
          accum_(config_.get<std::int64_t>("optim.accum")),
          epochs_(config_.get<std::int64_t>("train.epochs")),
          loader_(experiment_.train, sampler_options(), transform_of(config_, true),
                  loader_options()),
          steps_per_epoch_(steps_in(loader_.batches())),
          state_(new_training_state(config_, steps_per_epoch_, starting_model())) {
        gpu::allow_tf32(config_.get<bool>("train.tf32"));
    }

    /// Says what would be trained, and makes nothing.
    void dry_run() {
        progress_.emplace(progress_options());
        introduce();
    }

    /// Trains in `run`, from the start or from `from`.
    int run(const RunFolder& run, const std::optional<LoadedCheckpoint>& from) {
        run_ = run;
        ProgressOptions options = progress_options();
        options.log_file = run.train_log();
        progress_.emplace(options);
        const SignalGuard signals;
        introduce();
        progress_->line("run      " + run.path().string());
        if (from) resume(*from);
        plot_rates(*run_, state_, steps_per_epoch_, *progress_);
        TrainingLog log(*run_);
        while (state_.epochs_done < epochs_ && !reached_limit()) {
            const double start = seconds_now();
            const std::int64_t images_before = state_.sums.images;
            train_epoch(log);
            if (stop_signal() != 0) return stop();
            if (state_.batches_done < steps_per_epoch_ * accum_)
                break;  // at the limit: no row for half an epoch
            end_epoch(log, seconds_now() - start, state_.sums.images - images_before);
            if (stop_signal() != 0) return stop();
        }
        log.sync();
        save();
        const Metrics scores =
            finish_run({config_, experiment_, *run_, *state_.model, state_.ema.get(), *progress_});
        if (flags_.json) std::printf("%s\n", metrics_json(scores, experiment_.class_names).c_str());
        return 0;
    }

private:
    /// With --json standard output is for the scores alone.
    ProgressOptions progress_options() const {
        return {.quiet = flags_.quiet, .out = flags_.json ? stderr : stdout};
    }

    /// With random weights, or those of model.init. A run that is resumed brings its own.
    std::unique_ptr<Classifier> starting_model() {
        std::unique_ptr<Classifier> model = new_model(config_);
        const auto file = config_.get<std::string>("model.init");
        if (file.empty() || flags_.resume) return model;
        const ImportOptions options{config_.get<bool>("model.reset_head")};
        init_line_ = "init     " + file + ": " + to_string(load_weights(*model, file, options));
        return model;
    }

    void introduce() {
        announce(config_, experiment_, loader_.samples(), state_, *progress_);
        if (!init_line_.empty()) progress_->line(init_line_);
    }

    std::int64_t steps_in(std::int64_t batches) const {
        if (batches >= accum_) return batches / accum_;
        throw Error("C09",
                    "an epoch has " + std::to_string(batches) + " batches, one step needs " +
                        std::to_string(accum_),
                    "--accum", "--accum " + std::to_string(batches));
    }

    void resume(const LoadedCheckpoint& from) {
        if (!from.warning.empty()) progress_->warning(from.warning);
        restore(state_, from.checkpoint, from.path);
        if (!flags_.fork) TrainingLog::cut_back(*run_, state_.steps(), state_.epochs_done);
        progress_->line("resume   step " + std::to_string(state_.steps()) + " (epoch " +
                        std::to_string(state_.epochs_done + 1) + ") from " + from.path);
    }

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

    bool reached_limit() const {
        const auto limit = config_.get<std::int64_t>("train.max_steps");
        return limit > 0 && state_.steps() >= limit;
    }

    void train_epoch(TrainingLog& log) {
        const std::int64_t epoch = state_.epochs_done;
        const double waited_before = loader_.wait_seconds(), start = seconds_now();
        const std::int64_t images_before = state_.sums.images;
        loader_.start_epoch(epoch, state_.batches_done);
        if (ahead_) staging_.take();  // a batch too few for a whole step of the last epoch
        ahead_.reset();
        progress_->begin_epoch(epoch + 1, epochs_, steps_per_epoch_, state_.batches_done / accum_);
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
            progress_->step(status);
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

    struct StagedBatch {
        Batch batch;
        Tensor images, labels;  // on the device
    };

    /// The next batch of the epoch. The one after it is fetched here and travels to the device while
    /// this one is worked on.
    StagedBatch next_batch() {
        const auto fetch = [&] {
            ahead_ = loader_.next();
            if (ahead_) staging_.begin({ahead_->images, ahead_->labels});
        };
        if (!ahead_) fetch();
        StagedBatch next;
        next.batch = std::move(*ahead_);
        const std::vector<Tensor> tensors = staging_.take();
        next.images = tensors[0];
        next.labels = tensors[1];
        fetch();
        return next;
    }

    /// One optimizer step over `accum` batches: forward, loss, backward, clip, update.
    StepRow train_step(std::int64_t epoch, double lr) {
        double loss_sum = 0.0;
        StagedBatch staged;
        state_.store->zero_gradients();
        for (std::int64_t micro = 0; micro < accum_; ++micro) {
            staged = next_batch();
            const Pass pass{true, config_.get<std::uint64_t>("train.seed"),
                            static_cast<std::uint32_t>(state_.steps() * accum_ + micro)};
            const Autocast autocast(amp_);
            Tape tape;
            const Tensor logits = state_.model->forward(staged.images, pass);
            const Tensor loss =
                ops::cross_entropy(logits, staged.labels, config_.get<double>("train.smoothing"));
            const double value = loss.item();
            if (!std::isfinite(value)) stop_nonfinite("the loss", staged.batch, epoch);
            tape.backward(loss, 1.0 / static_cast<double>(accum_));
            count(logits, staged.batch, value);
            loss_sum += value;
            ++state_.batches_done;
        }
        const double norm = state_.store->gradient_norm();
        if (!std::isfinite(norm)) stop_nonfinite("the gradient", staged.batch, epoch);
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
        progress_->end_epoch({row.train_loss, row.train_top1, row.eval_loss, row.eval_top1,
                              row.eval_top5, seconds, best});
        log.sync();
        if (best) {
            const StateSnapshot s = snapshot(state_, config_, experiment_.class_names);
            write_checkpoint(run_->best_checkpoint().string(), s.checkpoint);
        }
        if (state_.epochs_done % config_.get<std::int64_t>("train.save_every") == 0) save();
    }

    void save() {
        const StateSnapshot s = snapshot(state_, config_, experiment_.class_names);
        save_checkpoint(run_->checkpoints().string(), s.checkpoint);
    }

    int stop() {
        save();
        const std::vector<std::string> command = {
            flags_.command.empty() ? "train" : flags_.command.front(), "--resume",
            run_->path().string()};
        progress_->line(std::string("stopped  by ") + signal_name(stop_signal()) + " after step " +
                        std::to_string(state_.steps()) + "; saved. Go on with:");
        progress_->line("         " + resume_line(command));
        return exit_status(stop_signal());
    }

    /// Keeps the batch that did it, then ends the run; the weights are still those before the step.
    [[noreturn]] void stop_nonfinite(const std::string& what, const Batch& batch,
                                     std::int64_t epoch) {
        const std::string tensor = dump_nonfinite(*state_.store, batch, *run_);
        throw Error(
            "N01",
            what + " is not finite at step " + std::to_string(state_.steps() + 1) + " (epoch " +
                std::to_string(epoch + 1) + ")" +
                (tensor.empty() ? "" : "; first bad tensor: " + tensor),
            run_->path().string() +
                "/nan_dump.safetensors holds the batch; checkpoints hold finite weights only",
            "--clip 1.0, a lower --lr, or FOVEA_ANOMALY=1 to name the operation");
    }

    Flags& flags_;
    Config config_;
    Experiment experiment_;
    Device device_;
    DType amp_;
    Staging staging_;
    std::optional<Batch> ahead_;  // under way to the device
    std::int64_t accum_, epochs_;
    DataLoader loader_;
    std::int64_t steps_per_epoch_;
    std::string init_line_;  // what model.init gave
    TrainingState state_;
    std::optional<RunFolder> run_;  // none in a dry run
    std::optional<Progress> progress_;
};

}  // namespace

int train(Flags& flags) {
    Config config = flags.config;
    // The number of threads decides the order of some sums: the one in use belongs to the settings.
    config.set("train.threads", use_threads(config.get<std::int64_t>("train.threads")),
               config.origin("train.threads"));
    Experiment experiment = open_experiment(config);
    const bool same_folder = flags.resume && !flags.fork;
    std::optional<LoadedCheckpoint> from;
    if (flags.resume)
        from = load_newest_checkpoint(RunFolder::open(flags.resume_dir).checkpoints().string());
    if (same_folder) refuse_other_settings(*from, config);
    const std::string dataset = experiment.train->name(),
                      fingerprint = hex16(experiment.train->info().fingerprint);
    Trainer trainer(flags, config, std::move(experiment));
    if (flags.dry_run) {
        trainer.dry_run();
        return 0;
    }
    // Nothing is written before all settings have proved to fit together.
    const RunFolder run =
        same_folder ? RunFolder::open(flags.resume_dir)
                    : RunFolder::create(config.get<std::string>("model.name"),
                                        config.get<std::int64_t>("train.seed"), flags.out);
    if (same_folder) remove_leftovers(run);
    run.write_config(config.to_toml());
    run.write_env(env_json({.command = flags.command,
                            .device = describe_device(config.get<std::string>("train.device"),
                                                      config.get<std::int64_t>("train.threads")),
                            .threads = config.get<std::int64_t>("train.threads"),
                            .dataset = dataset,
                            .dataset_hash = fingerprint,
                            .config_hash = config.hash()}));
    return trainer.run(run, from);
}

}  // namespace fovea::apps
