// Tokens: their order, which of them have positions, and positions of another grid.
#include "layers/token_embedding.h"

#include <catch2/catch.hpp>

#include "core/error.h"
#include "layers/position_embedding.h"
#include "layers/transformer_block.h"

using namespace fovea;

namespace {

/// Class token 100, distillation token 200, position row r holds r + 1, and each patch of a picture of
/// ones adds 0.5 (its mean times weights of 0.5).
TokenEmbedding embedding(bool distilled, bool token_positions) {
    TokenEmbedding e({1, 2, {4, 6}, {2, 2}, distilled, token_positions, 0.0});
    e.cls_token.value.fill(100.0);
    if (distilled) e.dist_token.value.fill(200.0);
    e.proj.weight.value.fill(0.125);  // 4 pixels
    std::vector<double> rows;
    for (std::int64_t r = 0; r < e.positions.value.size(1); ++r)
        rows.insert(rows.end(), 2, static_cast<double>(r + 1));
    e.positions.value.copy_from(Tensor::from(rows, e.positions.value.shape()));
    return e;
}

/// First channel of each token.
std::vector<double> tokens_of(const TokenEmbedding& e, const Shape& images = {1, 4, 6, 1}) {
    const Tensor x = e.forward(Tensor::full(images, 1.0), {});
    CHECK(x.size(0) == images[0]);
    CHECK(x.size(2) == 2);
    return x.slice(2, 0, 1).contiguous().to_vector();
}

using Values = std::vector<double>;

}  // namespace

TEST_CASE("class token, distillation token, patches; each with its position", "[layers]") {
    CHECK(tokens_of(embedding(false, true)) == Values{101, 2.5, 3.5, 4.5, 5.5, 6.5, 7.5});
    CHECK(tokens_of(embedding(true, true)) == Values{101, 202, 3.5, 4.5, 5.5, 6.5, 7.5, 8.5});
    CHECK(tokens_of(embedding(false, false)) == Values{100, 1.5, 2.5, 3.5, 4.5, 5.5, 6.5});
    CHECK(tokens_of(embedding(true, false)) == Values{100, 200, 1.5, 2.5, 3.5, 4.5, 5.5, 6.5});
    CHECK(tokens_of(embedding(true, true), {0, 4, 6, 1}).empty());
    CHECK_THROWS_AS(tokens_of(embedding(true, true), {1, 4, 5, 1}), Error);
}

TEST_CASE("patches of an image are its rows, one after another", "[layers]") {
    const TokenEmbedding e = embedding(false, false);
    std::vector<double> pixels(24, 0.0);
    pixels[2 * 6 + 5] = 8.0;  // the last column of the lower row of patches: patch 5
    const Tensor x = e.forward(Tensor::from(pixels, {1, 4, 6, 1}), {});
    CHECK(x.slice(2, 1, 2).contiguous().to_vector() == Values{100, 1, 2, 3, 4, 5, 7});
}

TEST_CASE("positions of another grid are resampled, the tokens' own rows stay", "[layers]") {
    const TokenEmbedding e = embedding(true, true);  // 2x3 patches
    const Values larger = tokens_of(e, {1, 8, 8, 1});
    REQUIRE(larger.size() == 2 + 16);
    CHECK(larger[0] == 101);
    CHECK(larger[1] == 202);
    const Values rows =
        resample_position_embedding(e.positions, {2, 3}, {4, 4}, 2).slice(2, 0, 1).to_vector();
    for (std::size_t i = 2; i < larger.size(); ++i)
        CHECK(larger[i] == Approx(rows[i] + 0.5).epsilon(1e-6));
}

TEST_CASE("another model's positions fit where its patches form a square", "[layers]") {
    const TokenEmbedding e = embedding(false, true);  // 1 + 2x3 rows
    const auto fitted = [&](const Shape& shape) {
        return e.fit_positions(Tensor::full(shape, 3.0)).shape();
    };
    CHECK(fitted({1, 1 + 9, 2}) == Shape{1, 7, 2});
    CHECK(fitted({1, 1 + 1, 2}) == Shape{1, 7, 2});
    CHECK(fitted({1, 7, 2}) == Shape{1, 7, 2});
    // Left as they are: no square, a row too many (a distilled model's), another width.
    for (const Shape& other :
         {Shape{1, 1 + 8, 2}, {1, 2 + 9, 2}, {1, 1, 2}, {1, 1 + 9, 3}, {10, 2}})
        CHECK(fitted(other) == other);
    CHECK(e.fit_positions(Tensor::full({1, 10, 2}, 3.0, DType::F64, Device::reference())).dtype() ==
          DType::F32);
}

TEST_CASE("drop-path rates of blocks rise from 0", "[layers]") {
    CHECK(rising_rate(0.3, 0, 4) == 0.0);
    CHECK(rising_rate(0.3, 1, 4) == Approx(0.1));
    CHECK(rising_rate(0.3, 3, 4) == 0.3);
    CHECK(rising_rate(0.3, 0, 1) == 0.0);
}

TEST_CASE("a transformer block is named as timm's", "[layers]") {
    TransformerBlockConfig config;
    config.width = 8;
    config.heads = 2;
    config.hidden = 12;
    config.qkv_bias = false;
    TransformerBlock block(config, 0.1);
    std::vector<std::string> names;
    for (const NamedParameter& p : parameters_of(block)) names.push_back(p.name);
    CHECK(names == std::vector<std::string>{"norm1.weight", "norm1.bias", "attn.qkv.weight",
                                            "attn.proj.weight", "attn.proj.bias", "norm2.weight",
                                            "norm2.bias", "mlp.fc1.weight", "mlp.fc1.bias",
                                            "mlp.fc2.weight", "mlp.fc2.bias"});
    CHECK(block.attn.scale == 0.5);
    CHECK(block.mlp.fc1.weight.value.shape() == Shape{12, 8});
}
