// Window attention against its own story, told in ops: roll the map, cut it into windows, whole score
// matrices with the bias looked up in Swin's index table and the mask added, softmax, put everything back.
#include "core/ops/window_attention.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "core/error.h"
#include "core/ops/elementwise.h"
#include "core/ops/matmul.h"
#include "core/ops/shape_ops.h"
#include "core/ops/softmax.h"
#include "core/tape.h"
#include "layers/window_tables.h"
#include "tests/reference/array.h"

using namespace fovea;

namespace {

constexpr DType kDouble = DType::F64;
const Device kDevice = Device::reference();

/// One row a pair of tokens, with a one at its place in the bias table.
Tensor one_hot_pairs(GridSize window, std::int64_t table_rows) {
    const std::vector<double> index = relative_position_index(window).to_vector();
    std::vector<double> ones(index.size() * static_cast<std::size_t>(table_rows), 0.0);
    for (std::size_t i = 0; i < index.size(); ++i)
        ones[i * static_cast<std::size_t>(table_rows) + static_cast<std::size_t>(index[i])] = 1.0;
    return Tensor::from(ones, {static_cast<std::int64_t>(index.size()), table_rows}, kDouble,
                        kDevice);
}

/// [B,H,W,3C] -> o [B,H,W,C].
Tensor composed(const Tensor& qkv, const Tensor& table, const WindowParams& p) {
    const std::int64_t B = qkv.size(0), H = qkv.size(1), W = qkv.size(2), C = qkv.size(3) / 3;
    const std::int64_t wr = p.window[0], wc = p.window[1], N = wr * wc, D = C / p.heads;
    const std::int64_t windows = H / wr * (W / wc), batch = B * windows * p.heads;
    const Tensor rolled = ops::roll(ops::roll(qkv, 1, -p.shift[0]), 2, -p.shift[1]);
    // [B,H/wr,wr,W/wc,wc,C] -> [B,H/wr,W/wc,wr,wc,C] -> [B*windows*heads,N,D], for each of q, k, v.
    const auto part = [&](std::int64_t which) {
        const Tensor x = ops::contiguous(ops::slice(rolled, 3, which * C, (which + 1) * C));
        const Tensor cut =
            ops::permute(ops::reshape(x, {B, H / wr, wr, W / wc, wc, C}), {0, 1, 3, 2, 4, 5});
        const Tensor heads =
            ops::permute(ops::reshape(cut, {B * windows, N, p.heads, D}), {0, 2, 1, 3});
        return ops::reshape(heads, {batch, N, D});
    };
    Tensor scores = ops::reshape(ops::matmul(part(0), part(1), false, true, p.scale),
                                 {B, windows, p.heads, N, N});
    if (table.defined()) {
        const Tensor bias = ops::matmul(one_hot_pairs({wr, wc}, table.size(0)), table);
        scores = ops::add(scores, ops::reshape(ops::permute(bias, {1, 0}), {1, 1, p.heads, N, N}));
    }
    const ShiftedWindow window{{wr, wc}, p.shift[0], p.shift[1]};
    const Tensor mask = shift_mask({H, W}, window, p.masked_value, kDouble, kDevice);
    scores = ops::add(scores, ops::reshape(mask, {1, windows, 1, N, N}));
    const Tensor mixed = ops::matmul(ops::softmax(ops::reshape(scores, {batch, N, N})), part(2));
    const Tensor tokens =
        ops::permute(ops::reshape(mixed, {B * windows, p.heads, N, D}), {0, 2, 1, 3});
    const Tensor map =
        ops::permute(ops::reshape(tokens, {B, H / wr, W / wc, wr, wc, C}), {0, 1, 3, 2, 4, 5});
    return ops::roll(ops::roll(ops::reshape(map, {B, H, W, C}), 1, p.shift[0]), 2, p.shift[1]);
}

Tensor random(const Shape& shape, std::uint64_t seed) {
    const auto values = tests::Array<double>::random(shape, seed);
    std::vector<double> list;
    for (std::int64_t i = 0; i < values.size(); ++i) list.push_back(values[i]);
    return Tensor::from(list, shape, kDouble, kDevice);
}

struct Results {
    std::vector<double> o, dqkv, dtable;
};

template <class F>
Results run(const F& attention, const Shape& shape, const Shape& table_shape) {
    Tensor qkv = random(shape, 1), table;
    qkv.set_requires_grad();
    if (table_shape.numel() > 0) (table = random(table_shape, 2)).set_requires_grad();
    Tape tape;
    const Tensor o = attention(qkv, table);
    tape.backward_from(o, random(o.shape(), 3));
    return {o.to_vector(), qkv.grad().to_vector(),
            table.defined() ? table.grad().to_vector() : std::vector<double>()};
}

double distance(const std::vector<double>& a, const std::vector<double>& b) {
    if (a.size() != b.size()) return 1e9;
    double worst = 0.0;
    for (std::size_t i = 0; i < a.size(); ++i) {
        const double d = std::abs(a[i] - b[i]);
        worst = std::isnan(d) ? 1e9 : std::max(worst, d);
    }
    return worst;
}

}  // namespace

TEST_CASE("Window attention equals roll, partition, masked softmax and back", "[reference]") {
    struct Geometry {
        std::int64_t H, W, window[2], shift[2];
    };
    const Geometry g = GENERATE(values<Geometry>({{4, 4, {2, 2}, {1, 1}},
                                                  {4, 6, {2, 3}, {1, 2}},
                                                  {6, 3, {3, 3}, {1, 0}},
                                                  {9, 6, {3, 3}, {2, 1}},
                                                  {8, 8, {4, 4}, {0, 0}},
                                                  {5, 7, {5, 7}, {0, 0}}}));
    const std::int64_t heads = GENERATE(1, 3);
    const bool with_bias = GENERATE(true, false);
    CAPTURE(g.H, g.W, g.window[0], g.window[1], g.shift[0], g.shift[1], heads, with_bias);
    const WindowParams params = {
        {g.window[0], g.window[1]}, {g.shift[0], g.shift[1]}, heads, 0.7, -3.0};
    const Shape shape = {2, g.H, g.W, 3 * heads * 4};
    const Shape table = {with_bias ? (2 * g.window[0] - 1) * (2 * g.window[1] - 1) : 0, heads};
    const Results expected =
        run([&](const Tensor& x, const Tensor& t) { return composed(x, t, params); }, shape, table);
    const Results got =
        run([&](const Tensor& x, const Tensor& t) { return ops::window_attention(x, t, params); },
            shape, table);
    CHECK(distance(got.o, expected.o) < 1e-13);
    CHECK(distance(got.dqkv, expected.dqkv) < 1e-13);
    CHECK(distance(got.dtable, expected.dtable) < 1e-12);
}

TEST_CASE("Window attention refuses what does not fit", "[reference]") {
    const auto refuses = [](const Shape& qkv, const Shape& table, const WindowParams& params) {
        CHECK_THROWS_AS(
            ops::window_attention(Tensor::zeros(qkv),
                                  table.rank > 0 ? Tensor::zeros(table) : Tensor(), params),
            Error);
    };
    const WindowParams fits = {{2, 2}, {1, 1}, 2, 1.0};
    CHECK(
        ops::window_attention(Tensor::zeros({1, 4, 4, 12}), Tensor::zeros({9, 2}), fits).shape() ==
        Shape{1, 4, 4, 4});
    refuses({1, 16, 12}, {}, fits);
    refuses({1, 4, 4, 10}, {}, fits);
    refuses({1, 4, 5, 12}, {}, fits);
    refuses({1, 5, 4, 12}, {}, fits);
    refuses({1, 4, 4, 12}, {9, 3}, fits);
    refuses({1, 4, 4, 12}, {4, 2}, fits);
    refuses({1, 4, 4, 12}, {}, {{2, 2}, {2, 0}, 2, 1.0});
    refuses({1, 4, 4, 12}, {}, {{2, 2}, {0, -1}, 2, 1.0});
    refuses({1, 4, 4, 12}, {}, {{0, 2}, {0, 0}, 2, 1.0});
    refuses({1, 4, 4, 12}, {}, {{2, 2}, {0, 0}, 0, 1.0});
}
