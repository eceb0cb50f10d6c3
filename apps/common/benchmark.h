// Benchmark of one model: speed, memory and steadiness of its steps on fixed random images.
//
//     BenchmarkSettings settings;
//     settings.model = "cvt_28";
//     settings.training = true;
//     BenchmarkResult result = benchmark(settings);    // in a fresh process: peaks are the process's
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "models/registry.h"
#include "optim/optimizer.h"

namespace fovea::apps {

struct BenchmarkSettings {
    std::string model;
    ModelOptions options;   ///< zeros: the preset's own image size, channels and classes
    bool training = false;  ///< false: inference
    std::int64_t batch = 128, warmup = 10, iterations = 40;
    std::uint64_t seed = 42;  ///< of weights and images
    Device device;
};

/// Plain numbers, so that a child process can hand them over as bytes.
struct BenchmarkResult {
    std::int64_t height = 0, width = 0, channels = 0, threads = 0;
    double images_per_second = 0.0, slowest = 0.0,
           fastest = 0.0;  ///< median, min, max of iterations
    double step_ms = 0.0;  ///< median
    double gmacs = 0.0;    ///< 1e9 multiply-adds an image; training is counted as three forwards
    double sgemm_gflops = 0.0;  ///< the machine's ceiling, measured after the steps
    double parameters = 0.0;
    double peak_mib = 0.0;      ///< peak resident memory above what the process had before
    double first_step_s = 0.0;  ///< from the start of the process to the end of its first step
    std::int64_t late_system_allocations = 0;  ///< by the tensor allocator, after step 2
    bool live_bytes_equal = false;             ///< after every step from the second on
    double faults_per_step = 0.0;  ///< median of minor page faults from step 21 on; NaN without any

    /// Share of the sgemm ceiling that the model's multiply-adds reach.
    double share_of_sgemm() const { return 2.0 * gmacs * images_per_second / sgemm_gflops; }
};

/// Steps on one fixed batch: what is measured, and what the memory tests run.
class BenchmarkSteps {
public:
    explicit BenchmarkSteps(const BenchmarkSettings& settings);

    /// Training: clear gradients, forward, cross-entropy, backward, clip to norm 1, AdamW, as in the
    /// trainer. Inference: forward. Returns the loss, or the first logit.
    double run();

    Classifier& model() const { return *model_; }
    const Tensor& images() const { return images_; }

private:
    double train();

    bool training_;
    std::uint64_t seed_;
    std::unique_ptr<Classifier> model_;
    std::unique_ptr<ParamStore> store_;
    std::unique_ptr<Optimizer> optimizer_;
    Tensor images_, labels_;
};

/// Errors: C20 no such model, M01 out of memory.
BenchmarkResult benchmark(const BenchmarkSettings& settings);

/// Writes what another implementation needs to show that it is the same model: the fresh weights in
/// checkpoint layout, "images" [B,H,W,C], their "logits" in inference, and the "losses" of the first
/// five training steps. Errors: those of safetensors.h.
void dump_for_comparison(BenchmarkSettings settings, const std::string& path);

/// Best of several products of two fp32 matrices [2048, 2048], GFLOP/s.
double sgemm_ceiling(Device device);

double median(std::vector<double> values);

}  // namespace fovea::apps
