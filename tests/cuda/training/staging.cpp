// Batches that travel while the device computes arrive whole and in order. Under CUDAEMU_LAZY=1 a
// missing event between the two streams gives wrong sums here.
#include "core/staging.h"

#include <catch2/catch.hpp>

#include "core/error.h"
#include "core/ops/reduce.h"

using namespace fovea;

namespace {

/// A batch whose elements are all `number`, and whose size changes now and then.
Tensor batch(int number) { return Tensor::full({number % 5 == 4 ? 100 : 300, 7}, number); }

}  // namespace

TEST_CASE("staged batches arrive whole and in order") {
    constexpr int kBatches = 23;
    const Device device = Device::cuda();
    Staging staging(device);
    std::vector<Tensor> sums;
    staging.begin({batch(0), Tensor::full({3}, 0.5)});
    for (int i = 0; i < kBatches; ++i) {
        const std::vector<Tensor> inputs = staging.take();
        if (i + 1 < kBatches) staging.begin({batch(i + 1), Tensor::full({3}, 0.5)});
        REQUIRE(inputs.size() == 2);
        CHECK(inputs[0].device() == device);
        sums.push_back(ops::sum(inputs[0], {0, 1}));  // enqueued; read after all batches
    }
    for (int i = 0; i < kBatches; ++i) {
        INFO("batch " << i);
        CHECK(sums[static_cast<std::size_t>(i)].to_vector()[0] ==
              static_cast<double>(i) * static_cast<double>(batch(i).numel()));
    }
}

TEST_CASE("no more batches than there are slots") {
    Staging staging(Device::cuda());
    staging.begin({batch(1)});
    staging.begin({batch(2)});
    CHECK_THROWS_AS(staging.begin({batch(3)}), Error);
    staging.take();
    CHECK_THROWS_AS(staging.begin({batch(3)}), Error);  // one is in use, one under way
    staging.take();
    staging.begin({batch(3)});
    CHECK(staging.take()[0].to_vector()[0] == 3.0);
    CHECK_THROWS_AS(staging.take(), Error);
}
