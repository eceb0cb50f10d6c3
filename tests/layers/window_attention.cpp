// Swin's layers: padding rules of window attention, bias tables of other windows, patch merging.
#include "layers/window_attention.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "core/error.h"
#include "core/ops/shape_ops.h"
#include "layers/init.h"
#include "layers/patch_merging.h"

using namespace fovea;

namespace {

WindowAttention layer(WindowAttentionConfig config, std::uint64_t seed = 3) {
    WindowAttention attention(config);
    for (const NamedParameter& p : parameters_of(attention))
        init::uniform(p.parameter->value, 0.5, init::site_of(seed, p.name));
    move_to(attention, Device::reference(), DType::F64);
    return attention;
}

WindowAttentionConfig small(GridSize window, bool shifted,
                            WindowPadding padding = WindowPadding::BeforeShift) {
    WindowAttentionConfig config;
    config.width = 8;
    config.heads = 2;
    config.window = window;
    if (shifted) config.shift = {window.rows / 2, window.columns / 2};
    config.padding = padding;
    return config;
}

Tensor random_map(std::int64_t rows, std::int64_t columns) {
    const Tensor x = Tensor::zeros({2, rows, columns, 8}, DType::F64, Device::reference());
    init::uniform(x, 1.0, {5, RandomStream::Augment, 0, 0});
    return x;
}

double distance(const Tensor& a, const Tensor& b) {
    REQUIRE(a.shape() == b.shape());
    const std::vector<double> x = a.to_vector(), y = b.to_vector();
    double worst = 0.0;
    for (std::size_t i = 0; i < x.size(); ++i) worst = std::max(worst, std::abs(x[i] - y[i]));
    return worst;
}

Tensor forward(const WindowAttentionConfig& config, const Tensor& x) {
    return layer(config).forward(x, {});
}

Tensor cyclic(const Tensor& x, std::int64_t rows, std::int64_t columns) {
    return ops::roll(ops::roll(x, 1, rows), 2, columns);
}

}  // namespace

TEST_CASE("padding rules agree on maps of whole windows and only there", "[layers]") {
    const WindowAttentionConfig torchvision = small({3, 3}, true);
    const WindowAttentionConfig timm = small({3, 3}, true, WindowPadding::AfterShift);
    const WindowAttentionConfig microsoft = small({3, 3}, true, WindowPadding::None);
    const Tensor whole = random_map(6, 9), part = random_map(5, 7);
    CHECK(distance(forward(torchvision, whole), forward(timm, whole)) == 0.0);
    CHECK(distance(forward(torchvision, whole), forward(microsoft, whole)) == 0.0);
    CHECK(distance(forward(torchvision, part), forward(timm, part)) > 1e-3);
    try {
        forward(microsoft, part);
        FAIL("a map of 5x7 has no whole windows of 3x3");
    } catch (const Error& e) {
        CHECK(e.code() == "C04");
        CHECK(format_error(e).find("5x7") != std::string::npos);
    }
    // Without a shift there is one place to pad.
    const Tensor a = forward(small({3, 3}, false), part);
    CHECK(distance(a, forward(small({3, 3}, false, WindowPadding::AfterShift), part)) == 0.0);
}

TEST_CASE("padding is that of a map with zeros, before or after the shift", "[layers]") {
    const Tensor x = random_map(5, 7);
    const Tensor padded = ops::pad_map(x, 6, 9);
    const WindowAttentionConfig config = small({3, 3}, true);
    CHECK(distance(forward(config, x), ops::crop_map(forward(config, padded), 5, 7)) == 0.0);

    // timm: what the whole map gives whose shifted form is the padded shifted map.
    const Tensor after = cyclic(ops::pad_map(cyclic(x, -1, -1), 6, 9), 1, 1);
    const Tensor expected =
        cyclic(ops::crop_map(cyclic(forward(config, after), -1, -1), 5, 7), 1, 1);
    CHECK(distance(forward(small({3, 3}, true, WindowPadding::AfterShift), x), expected) < 1e-15);
}

TEST_CASE("windows shift along axes of more than one window only", "[layers]") {
    const auto same = [](std::int64_t rows, std::int64_t columns, GridSize window) {
        const Tensor x = random_map(rows, columns);
        return distance(forward(small(window, true), x), forward(small(window, false), x)) == 0.0;
    };
    CHECK(same(3, 3, {3, 3}));
    CHECK(same(2, 3, {3, 3}));  // the window is larger than the map
    CHECK(same(4, 4, {5, 7}));
    CHECK_FALSE(same(4, 3, {3, 3}));
    CHECK_FALSE(same(3, 6, {3, 3}));
    CHECK(same(4, 4, {1, 1}));  // half of one is none
    // Along the axis of a single window a shift would move nothing but the mask: it must not be there.
    const Tensor x = random_map(3, 6);
    const Tensor moved = ops::roll(x, 1, 1);
    WindowAttention attention = layer(small({3, 3}, true));
    attention.relative_position_bias_table.value.fill(0.0);
    CHECK(distance(ops::roll(attention.forward(x, {}), 1, 1), attention.forward(moved, {})) <
          1e-13);
}

TEST_CASE("window attention counts its multiply-adds by the paper's equations", "[layers]") {
    const std::int64_t hw = 56 * 56, C = 96;
    CHECK(window_attention_macs({56, 56}, {7, 7}, C) == 4 * hw * C * C + 2 * 49 * hw * C);
    CHECK(window_attention_macs({56, 56}, {56, 56}, C) == 4 * hw * C * C + 2 * hw * hw * C);
    // Padded: q, k, v and products of 64 tokens, an output of 35.
    CHECK(window_attention_macs({5, 7}, {4, 4}, C) == (3 * 64 + 35) * C * C + 2 * 16 * 64 * C);
}

TEST_CASE("a bias table for other windows is timm's", "[layers]") {
    const auto table = [](std::int64_t side) {
        std::vector<double> values;
        for (std::int64_t r = 0; r < side; ++r)
            for (std::int64_t c = 0; c < side; ++c) {
                const auto y = static_cast<double>(r), x = static_cast<double>(c);
                values.push_back(y * y + 0.5 * x * y - x);
                values.push_back(1.0);  // a second head
            }
        return Tensor::from(values, {side * side, 2}, DType::F64, Device::reference());
    };
    const auto head = [](const Tensor& t, std::size_t which) {
        std::vector<double> values;
        const std::vector<double> all = t.to_vector();
        for (std::size_t i = which; i < all.size(); i += 2) values.push_back(all[i]);
        return values;
    };
    const auto error = [](const std::vector<double>& a, const std::vector<double>& b) {
        double worst = a.size() == b.size() ? 0.0 : 1.0;
        for (std::size_t i = 0; i < a.size() && worst < 1.0; ++i)
            worst = std::max(worst, std::abs(a[i] - b[i]));
        return worst;
    };
    // From 3x3 to 2x2 windows; by a transcription of timm's procedure into plain Python.
    CHECK(error(head(resize_bias_table(table(5), {3, 3}, {2, 2}), 0),
                {0.5, 0.0, -0.5, 4.0, 4.0, 4.0, 9.5, 10.0, 10.5}) < 1e-9);
    // To 5x5: rows 2 and 6 of the nine.
    const Tensor larger = resize_bias_table(table(5), {3, 3}, {5, 5});
    REQUIRE(larger.shape() == Shape{81, 2});
    const std::vector<double> all = head(larger, 0);
    CHECK(error({all.begin() + 18, all.begin() + 27},
                {0.333332918, 0.333332918, 0.055555417, -0.500000623, -1.333334164, -2.166667705,
                 -2.722223745, -3.000001246, -3.000001246}) < 1e-9);
    CHECK(error({all.begin() + 54, all.begin() + 63},
                {13.666669574, 13.666669574, 13.944447075, 14.500003115, 15.333336656, 16.166670197,
                 16.722226238, 17.000003738, 17.000003738}) < 1e-9);
    CHECK(error(head(larger, 1), std::vector<double>(81, 1.0)) < 1e-12);
    CHECK(error(head(resize_bias_table(table(5), {3, 3}, {3, 3}), 0), head(table(5), 0)) == 0.0);
    CHECK(head(resize_bias_table(table(1), {1, 1}, {2, 3}), 1) == std::vector<double>(15, 1.0));
    CHECK(resize_bias_table(table(5), {3, 3}, {1, 1}).to_vector() == std::vector<double>{4.0, 1.0});
    CHECK_THROWS_AS(resize_bias_table(table(5), {3, 4}, {2, 2}), Error);
}

TEST_CASE("patch merging takes four pixels column by column, and zeros beyond the map",
          "[layers]") {
    PatchMerging merging(1, 0.0);
    // The norm of four numbers, then the identity on the first two.
    merging.reduction.weight.value.copy_from(Tensor::from({1, 0, 0, 0, 0, 1, 0, 0}, {2, 4}));
    const auto merged = [&](const std::vector<double>& pixels, const Shape& shape) {
        return merging.forward(Tensor::from(pixels, shape)).to_vector();
    };
    // Pixels 1 2 / 3 4: mean 2.5, deviation sqrt(1.25). The second is the one below the first.
    const double d = std::sqrt(1.25);
    std::vector<double> out = merged({1, 2, 3, 4}, {1, 2, 2, 1});
    REQUIRE(out.size() == 2);
    CHECK(out[0] == Approx((1 - 2.5) / d));
    CHECK(out[1] == Approx((3 - 2.5) / d));
    // Three columns: the last square is 3 0 / 6 0.
    out = merged({1, 2, 3, 4, 5, 6}, {1, 2, 3, 1});
    REQUIRE(out.size() == 4);
    const double mean = 9.0 / 4, deviation = std::sqrt(45.0 / 4 - mean * mean);
    CHECK(out[2] == Approx((3 - mean) / deviation));
    CHECK(out[3] == Approx((6 - mean) / deviation));
    CHECK(PatchMerging(3, 1e-5).forward(Tensor::zeros({2, 5, 4, 3})).shape() == Shape{2, 3, 2, 6});
}
