// Run folder: where everything about one training run lies.
//
//     RunFolder run = RunFolder::create("cvt_28", 42, flags->out);   // runs/1122-1423_cvt_28_s42
//     run.write_config(config.to_toml());
//     run.write_env(env_json(...));
//     RunFolder old = RunFolder::open(flags->resume_dir);
//
// config.toml env.json train.log log.csv steps.csv checkpoints/ plots/ eval/ report.html
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace fovea::apps {

class RunFolder {
public:
    /// Makes `out`, or with out = "" the folder root/MMDD-HHMM_MODEL_sSEED (-2, -3, ... if taken),
    /// and its sub-folders. An existing `out` must be empty, or hold a run that never got as far as
    /// a checkpoint. Errors: C12 the folder is not ours or holds a run, F01 it cannot be made.
    static RunFolder create(const std::string& model, std::int64_t seed,
                            const std::string& out = {},
                            const std::filesystem::path& root = "runs");

    /// An existing run. Errors: C13 no such folder, or it is no run folder; its missing sub-folders are made.
    static RunFolder open(const std::filesystem::path& folder);

    /// The run under `root` whose last checkpoint is the youngest; Error C13 if there is none.
    static std::filesystem::path newest(const std::filesystem::path& root = "runs");

    const std::filesystem::path& path() const { return path_; }
    std::filesystem::path config_file() const { return path_ / "config.toml"; }
    std::filesystem::path env_file() const { return path_ / "env.json"; }
    std::filesystem::path train_log() const { return path_ / "train.log"; }
    std::filesystem::path log_csv() const { return path_ / "log.csv"; }
    std::filesystem::path steps_csv() const { return path_ / "steps.csv"; }
    std::filesystem::path report() const { return path_ / "report.html"; }
    std::filesystem::path model_file() const { return path_ / "model.safetensors"; }
    std::filesystem::path checkpoints() const { return path_ / "checkpoints"; }
    std::filesystem::path last_checkpoint() const {
        return checkpoints() / "last.ckpt.safetensors";
    }
    std::filesystem::path prev_checkpoint() const {
        return checkpoints() / "prev.ckpt.safetensors";
    }
    std::filesystem::path best_checkpoint() const {
        return checkpoints() / "best.ckpt.safetensors";
    }
    std::filesystem::path plots() const { return path_ / "plots"; }
    std::filesystem::path eval() const { return path_ / "eval"; }

    void write_config(const std::string& toml) const;  ///< atomically; Error F..
    void write_env(const std::string& json) const;     ///< atomically; Error F..

private:
    explicit RunFolder(std::filesystem::path path) : path_(std::move(path)) {}
    void make_sub_folders() const;

    std::filesystem::path path_;
};

}  // namespace fovea::apps
