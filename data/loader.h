// DataLoader: batches of normalised images, prepared ahead by worker threads.
//
// The consumer's thread takes the memory of each batch (the tensor allocator keeps and reuses it) and
// hands the workers plain pointers; a worker fills one batch at a time; batches come out in order.
// Which thread fills a batch has no influence on its content.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "core/tensor.h"
#include "data/dataset.h"
#include "data/sampler.h"
#include "data/transforms.h"

namespace fovea {

struct Batch {
    Tensor images;                      ///< [B,H,W,C] F32 on the CPU
    Tensor labels;                      ///< [B] I64; kNoLabel where there is none
    std::vector<std::int64_t> indices;  ///< [B] sample numbers in the data set
};

struct LoaderOptions {
    std::int64_t batch = 128;
    bool drop_last = false;  ///< leave out a last batch that is not full
    int threads = 1;         ///< 0: next() does the work itself
    int prefetch = 4;        ///< batches prepared ahead
};

class DataLoader {
public:
    /// Error C03: batch < 1, threads < 0 or > 256, prefetch < 1, or no batch in an epoch.
    DataLoader(std::shared_ptr<const Dataset> data, const SamplerOptions& sampler,
               Transform transform, const LoaderOptions& options);
    ~DataLoader();  ///< at any time; waits only for batches being filled
    DataLoader(const DataLoader&) = delete;
    DataLoader& operator=(const DataLoader&) = delete;

    std::int64_t batches() const;  ///< per epoch
    std::int64_t samples() const;  ///< per epoch
    const Dataset& dataset() const { return *data_; }

    /// Begins an epoch at batch number `first_batch`, dropping whatever was prepared before.
    void start_epoch(std::int64_t epoch, std::int64_t first_batch = 0);

    /// The next batch in order; nothing at the end of the epoch. An error of a worker (D11, D10) comes
    /// out here at its batch, and ends the epoch.
    std::optional<Batch> next();

    /// Time that next() has spent waiting for data since construction.
    double wait_seconds() const { return wait_seconds_; }

private:
    struct Job;
    class Workers;

    std::unique_ptr<Job> make_job(std::int64_t number) const;
    void schedule();

    std::shared_ptr<const Dataset> data_;
    Sampler sampler_;
    Transform transform_;
    LoaderOptions options_;
    std::vector<std::int64_t> order_;
    std::int64_t epoch_ = 0, next_to_schedule_ = 0, next_to_deliver_ = 0;
    double wait_seconds_ = 0.0;
    std::unique_ptr<Workers> workers_;  // null with threads = 0
};

}  // namespace fovea
