#include "data/loader.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <string>
#include <thread>

#include "core/error.h"

namespace fovea {

/// One batch to be filled. Workers see the raw pointers only.
struct DataLoader::Job {
    Batch batch;
    float* images = nullptr;
    std::int64_t* labels = nullptr;
    std::int64_t epoch = 0;
    bool done = false;  // guarded by Workers::mutex_
    std::exception_ptr error;

    void fill(const Dataset& data, const Transform& transform) noexcept {
        for (std::size_t k = 0; k < batch.indices.size(); ++k) {
            const std::int64_t i = batch.indices[k];
            try {
                const Sample sample = data.get(i);
                transform.apply(sample.image, i, epoch, images + k * transform.values());
                labels[k] = sample.label;
            } catch (const Error&) {
                error = std::current_exception();
                return;
            } catch (const std::exception& e) {
                error = std::make_exception_ptr(
                    Error("D10", std::string("cannot read sample: ") + e.what(), data.describe(i),
                          "check the file"));
                return;
            }
        }
    }
};

/// Threads around a queue of jobs that is delivered from the front.
class DataLoader::Workers {
public:
    Workers(int threads, const Dataset& data, const Transform& transform)
        : data_(data), transform_(transform) {
        for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { run(); });
    }

    ~Workers() {
        {
            const std::lock_guard lock(mutex_);
            stop_ = true;
        }
        work_.notify_all();
        for (std::thread& t : threads_) t.join();
    }

    void push(std::unique_ptr<Job> job) {
        {
            const std::lock_guard lock(mutex_);
            jobs_.push_back(std::move(job));
        }
        work_.notify_one();
    }

    std::size_t queued() const { return jobs_.size(); }  // only the consumer changes the size

    /// Waits until the first job is done.
    std::unique_ptr<Job> pop() {
        std::unique_lock lock(mutex_);
        done_.wait(lock, [&] { return jobs_.front()->done; });
        auto job = std::move(jobs_.front());
        jobs_.pop_front();
        --started_;
        return job;
    }

    /// Drops what nobody has begun and waits for the rest.
    void clear() {
        std::unique_lock lock(mutex_);
        jobs_.resize(started_);
        done_.wait(lock, [&] {
            return std::all_of(jobs_.begin(), jobs_.end(), [](const auto& j) { return j->done; });
        });
        jobs_.clear();
        started_ = 0;
    }

private:
    void run() {
        std::unique_lock lock(mutex_);
        for (;;) {
            work_.wait(lock, [&] { return stop_ || started_ < jobs_.size(); });
            if (stop_) return;
            Job& job = *jobs_[started_++];
            lock.unlock();
            job.fill(data_, transform_);
            lock.lock();
            job.done = true;
            done_.notify_one();
        }
    }

    const Dataset& data_;
    const Transform& transform_;
    std::mutex mutex_;
    std::condition_variable work_, done_;
    std::deque<std::unique_ptr<Job>> jobs_;  // in order; the first `started_` have a worker
    std::size_t started_ = 0;
    bool stop_ = false;
    std::vector<std::thread> threads_;
};

DataLoader::DataLoader(std::shared_ptr<const Dataset> data, const SamplerOptions& sampler,
                       Transform transform, const LoaderOptions& options)
    : data_(std::move(data)), sampler_(*data_, sampler), transform_(std::move(transform)),
      options_(options) {
    if (options_.batch < 1)
        throw Error("C03", "batch must be at least 1", "--batch", "--batch 128");
    if (options_.threads < 0 || options_.threads > 256)
        throw Error("C03", "loader threads must be 0 to 256", "--loader-threads",
                    "--loader-threads 1");
    if (options_.prefetch < 1)
        throw Error("C03", "prefetch must be at least 1", "loader", "prefetch 4");
    if (batches() == 0) {
        throw Error("C03",
                    "an epoch of " + std::to_string(samples()) + " samples has no batch of " +
                        std::to_string(options_.batch),
                    data_->name(), "a smaller --batch, or more data");
    }
    if (options_.threads > 0)
        workers_ = std::make_unique<Workers>(options_.threads, *data_, transform_);
    next_to_schedule_ = next_to_deliver_ = batches();
}

DataLoader::~DataLoader() = default;

std::int64_t DataLoader::batches() const {
    const std::int64_t partial = options_.drop_last ? 0 : options_.batch - 1;
    return (sampler_.size() + partial) / options_.batch;
}

std::int64_t DataLoader::samples() const {
    return options_.drop_last ? sampler_.size() / options_.batch * options_.batch : sampler_.size();
}

std::unique_ptr<DataLoader::Job> DataLoader::make_job(std::int64_t number) const {
    auto job = std::make_unique<Job>();
    const auto first = order_.begin() + number * options_.batch;
    const std::int64_t size = std::min<std::int64_t>(options_.batch, order_.end() - first);
    const TransformOptions& t = transform_.options();
    job->batch.indices.assign(first, first + size);
    job->batch.images = Tensor::empty({size, t.height, t.width, t.channels});
    job->batch.labels = Tensor::empty({size}, DType::I64);
    job->images = job->batch.images.data<float>();
    job->labels = job->batch.labels.data<std::int64_t>();
    job->epoch = epoch_;
    return job;
}

void DataLoader::schedule() {
    while (workers_ && next_to_schedule_ < batches() &&
           workers_->queued() < static_cast<std::size_t>(options_.prefetch))
        workers_->push(make_job(next_to_schedule_++));
}

void DataLoader::start_epoch(std::int64_t epoch, std::int64_t first_batch) {
    if (workers_) workers_->clear();
    epoch_ = epoch;
    order_ = sampler_.order(epoch);
    next_to_schedule_ = next_to_deliver_ = std::clamp<std::int64_t>(first_batch, 0, batches());
    schedule();
}

std::optional<Batch> DataLoader::next() {
    if (next_to_deliver_ >= batches()) return std::nullopt;
    const auto begin = std::chrono::steady_clock::now();
    std::unique_ptr<Job> job;
    if (workers_) {
        job = workers_->pop();
    } else {
        job = make_job(next_to_deliver_);
        job->fill(*data_, transform_);
    }
    wait_seconds_ +=
        std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    if (job->error) {
        next_to_schedule_ = next_to_deliver_ = batches();
        std::rethrow_exception(job->error);
    }
    ++next_to_deliver_;
    schedule();
    return std::move(job->batch);
}

}  // namespace fovea
