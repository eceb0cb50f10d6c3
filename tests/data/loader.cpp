// DataLoader: same batches for any number of threads, restart anywhere, errors that come out.
#include "data/loader.h"

#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <cstring>
#include <thread>

#include "core/error.h"

using namespace fovea;

namespace {

constexpr std::int64_t kSize = 203;

std::shared_ptr<const Dataset> small_set() {
    std::vector<std::uint8_t> pixels(kSize * 64);
    for (std::size_t i = 0; i < pixels.size(); ++i)
        pixels[i] = static_cast<std::uint8_t>(i * 7 % 251);
    std::vector<std::int64_t> labels;
    for (std::int64_t i = 0; i < kSize; ++i) labels.push_back(i % 3);
    return std::make_shared<MemoryDataset>(DatasetInfo{"small", {"a", "b", "c"}, 8, 8, 1}, pixels,
                                           labels);
}

Transform augmenting() {
    TransformOptions o;
    o.height = o.width = 8;
    o.pad_crop = 2;
    o.flip = 0.5;
    o.erase = 0.3;
    o.erase_fill = Erase::Noise;
    return Transform(o, true, 42);
}

LoaderOptions with_threads(int threads, bool drop_last = false) {
    LoaderOptions o;
    o.batch = 16;
    o.threads = threads;
    o.prefetch = 3;
    o.drop_last = drop_last;
    return o;
}

struct Copy {
    std::vector<float> images;
    std::vector<std::int64_t> labels, indices;
    bool operator==(const Copy& o) const {  // bits, not values
        return labels == o.labels && indices == o.indices && images.size() == o.images.size() &&
               std::memcmp(images.data(), o.images.data(), images.size() * sizeof(float)) == 0;
    }
};

std::vector<Copy> collect(DataLoader& loader) {
    std::vector<Copy> all;
    while (auto b = loader.next()) {
        REQUIRE(b->images.shape() == Shape{b->labels.size(0), 8, 8, 1});
        const float* x = b->images.data<float>();
        const std::int64_t* l = b->labels.data<std::int64_t>();
        all.push_back({{x, x + b->images.numel()}, {l, l + b->labels.numel()}, b->indices});
    }
    return all;
}

std::vector<Copy> epoch_of(int threads, std::int64_t epoch, std::int64_t first = 0) {
    DataLoader loader(small_set(), {}, augmenting(), with_threads(threads));
    loader.start_epoch(epoch, first);
    return collect(loader);
}

/// Sample `bad` throws; every sample takes `delay`.
class Faulty : public Dataset {
public:
    Faulty(std::int64_t bad, bool own_error, std::chrono::milliseconds delay = {})
        : Dataset({"faulty", {"a"}, 1, 1, 1}), bad_(bad), own_error_(own_error), delay_(delay) {}
    std::int64_t size() const override { return 64; }
    std::int64_t label(std::int64_t) const override { return 0; }
    std::string describe(std::int64_t i) const override {
        return "file" + std::to_string(i) + ".png";
    }
    Sample get(std::int64_t i) const override {
        std::this_thread::sleep_for(delay_);
        ++reads;
        if (i == bad_ && own_error_) throw Error("D11", "ends early", describe(i), "remove it");
        if (i == bad_) throw std::runtime_error("disk fell off");
        return {Image(1, 1, 1, static_cast<std::uint8_t>(i)), 0};
    }
    mutable std::atomic<int> reads{0};

private:
    std::int64_t bad_;
    bool own_error_;
    std::chrono::milliseconds delay_;
};

Transform one_pixel() {
    TransformOptions o;
    o.height = o.width = 1;
    return Transform(o, false, 0);
}

}  // namespace

TEST_CASE("loader: batches are bit-identical for any number of threads") {
    const auto inline_batches = epoch_of(0, 3);
    REQUIRE(inline_batches.size() == 13);
    CHECK(inline_batches.back().labels.size() == kSize % 16);
    for (const int threads : {1, 2, 4, 8}) {
        INFO(threads << " threads");
        CHECK(epoch_of(threads, 3) == inline_batches);
    }
    CHECK_FALSE(epoch_of(2, 4) == inline_batches);
}

TEST_CASE("loader: images, labels and indices belong together; an epoch visits every sample once") {
    const auto data = small_set();
    TransformOptions o;
    o.height = o.width = 8;
    o.mean = {0.0f};
    o.std = {1.0f};
    DataLoader loader(data, {}, Transform(o, false, 0), with_threads(2));
    loader.start_epoch(0);
    std::vector<int> visits(kSize, 0);
    for (const Copy& b : collect(loader)) {
        for (std::size_t k = 0; k < b.indices.size(); ++k) {
            const Sample s = data->get(b.indices[k]);
            CHECK(b.labels[k] == s.label);
            for (std::size_t p = 0; p < 64; ++p)
                REQUIRE(b.images[k * 64 + p] == static_cast<float>(s.image.data[p]) / 255.0f);
            ++visits[static_cast<std::size_t>(b.indices[k])];
        }
    }
    CHECK(visits == std::vector<int>(kSize, 1));
}

TEST_CASE("loader: an epoch can begin at any batch, and be left at any batch") {
    const auto whole = epoch_of(0, 5);
    for (const int threads : {0, 2}) {
        DataLoader loader(small_set(), {}, augmenting(), with_threads(threads));
        CHECK_FALSE(loader.next());  // no epoch yet
        for (const std::int64_t first : {0, 1, 7, 12, 13, 99}) {
            loader.start_epoch(4);
            loader.next();  // the rest of epoch 4 is dropped
            loader.start_epoch(5, first);
            const auto rest = collect(loader);
            const auto from = std::min<std::int64_t>(first, 13);
            CHECK(rest == std::vector<Copy>(whole.begin() + from, whole.end()));
            CHECK_FALSE(loader.next());
        }
    }
}

TEST_CASE("loader: drop_last leaves out the batch that is not full") {
    DataLoader loader(small_set(), {}, augmenting(), with_threads(1, true));
    CHECK(loader.batches() == 12);
    CHECK(loader.samples() == 192);
    loader.start_epoch(0);
    CHECK(collect(loader).size() == 12);
}

TEST_CASE("loader: a batch stays as it is while others are made") {
    DataLoader loader(small_set(), {}, augmenting(), with_threads(2));
    loader.start_epoch(0);
    const auto first = loader.next();
    REQUIRE(first);
    const std::vector<double> before = first->images.to_vector();
    collect(loader);
    loader.start_epoch(1);
    collect(loader);
    CHECK(first->images.to_vector() == before);
}

TEST_CASE("loader: an error comes out at its batch and names the file; the loader lives on") {
    for (const int threads : {0, 1, 4}) {
        for (const bool own_error : {true, false}) {
            SamplerOptions order;
            order.shuffle = false;
            DataLoader loader(std::make_shared<Faulty>(37, own_error), order, one_pixel(),
                              with_threads(threads));
            for (int round = 0; round < 2; ++round) {
                loader.start_epoch(0);
                CHECK(loader.next()->indices[0] == 0);
                CHECK(loader.next()->indices[0] == 16);
                try {
                    loader.next();
                    FAIL("the error was lost");
                } catch (const Error& e) {
                    CHECK(e.code() == (own_error ? "D11" : "D10"));
                    CHECK(e.at() == "file37.png");
                    CHECK_THAT(e.message(),
                               Catch::Contains(own_error ? "ends early" : "disk fell off"));
                }
                CHECK_FALSE(loader.next());
            }
        }
    }
}

TEST_CASE("loader: shutdown does not wait for work that nobody asked for") {
    using namespace std::chrono_literals;
    const auto slow = std::make_shared<Faulty>(-1, false, 2ms);
    for (int round = 0; round < 5; ++round) {
        DataLoader loader(slow, {}, one_pixel(), with_threads(1));
        loader.start_epoch(round);
        if (round % 2) {
            loader.next();
            CHECK(loader.wait_seconds() > 0.025);
        }
    }
    CHECK(slow->reads <= 5 * 2 * 16);  // at most two batches were begun each time
}

TEST_CASE("loader: options that cannot work are refused") {
    const auto refused = [](LoaderOptions o) {
        try {
            DataLoader(small_set(), {}, augmenting(), o);
        } catch (const Error& e) {
            return e.code() == "C03";
        }
        return false;
    };
    LoaderOptions o;
    o.batch = 0;
    CHECK(refused(o));
    o.batch = kSize + 1;
    CHECK_FALSE(refused(o));
    o.drop_last = true;
    CHECK(refused(o));
    o = {};
    o.threads = -1;
    CHECK(refused(o));
    o = {};
    o.prefetch = 0;
    CHECK(refused(o));
}
