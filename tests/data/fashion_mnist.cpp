// The real Fashion-MNIST of Debian's package dataset-fashion-mnist.
#include <catch2/catch.hpp>

#include "data/registry.h"

using namespace fovea;

TEST_CASE("Fashion-MNIST: counts, labels, names and content are the published ones") {
    const DatasetPair pair = open_dataset("");
    REQUIRE(pair.train);
    REQUIRE(pair.test);
    CHECK(pair.train->size() == 60000);
    CHECK(pair.test->size() == 10000);
    CHECK(label_histogram(*pair.train) == std::vector<std::int64_t>(10, 6000));
    CHECK(label_histogram(*pair.test) == std::vector<std::int64_t>(10, 1000));
    const auto first_labels = [](const Dataset& d) {
        std::vector<std::int64_t> l;
        for (std::int64_t i = 0; i < 5; ++i) l.push_back(d.get(i).label);
        return l;
    };
    CHECK(first_labels(*pair.train) == std::vector<std::int64_t>{9, 0, 0, 3, 0});
    CHECK(first_labels(*pair.test) == std::vector<std::int64_t>{9, 2, 1, 1, 6});
    CHECK(pair.train->class_names() ==
          std::vector<std::string>{"T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal",
                                   "Shirt", "Sneaker", "Bag", "Ankle boot"});
    CHECK(pair.train->info().height == 28);
    CHECK(pair.train->info().width == 28);
    CHECK(pair.train->info().channels == 1);
    CHECK(pair.train->name() == "fashion-mnist/train");
    CHECK(pair.train->describe(17) == "fashion-mnist/train[17]");
    CHECK(pair.train->info().fingerprint == 0x5887CEAB058039CBu);
    CHECK(pair.test->info().fingerprint == 0x92CBDA9E90E94E77u);
    double sum = 0.0;
    for (std::int64_t i = 0; i < pair.train->size(); ++i) {
        const ImageView v = pair.train->get(i).image;
        for (std::size_t k = 0; k < v.bytes(); ++k) sum += v.data[k];
    }
    CHECK(sum / (60000.0 * 784.0) / 255.0 == Approx(0.2860).margin(5e-5));
}

TEST_CASE("Fashion-MNIST: the test pictures are those of the golden files") {
    const auto test = open_dataset("fashion-mnist", "auto", Split::Test).test;
    const Image golden =
        load_image_for_model(FOVEA_SOURCE_DIR "/tests/golden/images/fashion_t10k_0.png", 28, 28, 1);
    const Image first(test->get(0).image);
    CHECK(first.pixels == golden.pixels);
}

TEST_CASE("Subset renumbers the samples of its base") {
    const auto test = open_dataset("", "auto", Split::Test).test;
    const Subset some(test, {7, 2});
    CHECK(some.size() == 2);
    CHECK(some.get(1).image.data == test->get(2).image.data);
    CHECK(some.label(0) == test->label(7));
    CHECK(some.describe(0) == "fashion-mnist/test[7]");
    CHECK(some.info().fingerprint != test->info().fingerprint);
}
