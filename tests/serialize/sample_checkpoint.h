// A checkpoint whose every byte follows from its step.
#pragma once

#include "core/serialize/checkpoint.h"
#include "tests/serialize/test_files.h"

namespace fovea::test {

struct SampleCheckpoint {
    std::vector<float> weights;
    std::vector<double> moments;
    std::vector<std::int64_t> count;
    Checkpoint checkpoint;

    explicit SampleCheckpoint(std::uint64_t step, std::size_t size = 600)
        : weights(size), moments(size / 10), count{static_cast<std::int64_t>(step)} {
        for (std::size_t i = 0; i < weights.size(); ++i)
            weights[i] = static_cast<float>(i % 97) + static_cast<float>(step);
        for (std::size_t i = 0; i < moments.size(); ++i)
            moments[i] = 1.0 / static_cast<double>(i + step + 1);
        checkpoint.step = step;
        checkpoint.epoch = step / 10;
        checkpoint.seed = ~std::uint64_t{0};
        checkpoint.threads = 2;
        checkpoint.config = "[optim]\nlr = 1e-3\n";
        checkpoint.config_hash = hash_text(checkpoint.config);
        checkpoint.classes = {"cat", "with \"quotes\"\nand lines", "\xC3\xA9t\xC3\xA9", ""};
        checkpoint.metadata = {{"best_top1", "0.5"}};
        checkpoint.tensors = {
            {"head.weight", DType::F32, {static_cast<std::int64_t>(size)}, bytes_of(weights)},
            {"adam.m", DType::F64, {static_cast<std::int64_t>(size / 10)}, bytes_of(moments)},
            {"bn.num_batches_tracked", DType::I64, {}, bytes_of(count)}};
    }
    SampleCheckpoint(const SampleCheckpoint&) = delete;
    SampleCheckpoint& operator=(const SampleCheckpoint&) = delete;
};

/// True where all that `loaded` holds is what SampleCheckpoint(loaded.step, size) holds.
inline bool is_sample(const Checkpoint& loaded, std::size_t size = 600) {
    const SampleCheckpoint sample(loaded.step, size);
    const Checkpoint& c = sample.checkpoint;
    bool same = loaded.epoch == c.epoch && loaded.seed == c.seed && loaded.threads == c.threads &&
                loaded.config == c.config && loaded.config_hash == c.config_hash &&
                loaded.classes == c.classes && loaded.metadata == c.metadata &&
                loaded.tensors.size() == c.tensors.size();
    for (const NamedTensor& t : c.tensors) {
        const NamedTensor* other = loaded.find(t.name);
        same = same && other != nullptr && other->dtype == t.dtype && other->shape == t.shape &&
               std::ranges::equal(other->bytes, t.bytes);
    }
    return same;
}

}  // namespace fovea::test
