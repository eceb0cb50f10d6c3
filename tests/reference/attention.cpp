// Attention against the textbook: the whole matrix S = scale Q K^T, P = softmax(S), O = P V, and
// the gradients dV = P^T dO, dS = P o (dO V^T - rowsum), dQ = scale dS K, dK = scale dS^T Q.
#include <catch2/catch.hpp>

#include "kernels/include/attention.h"
#include "tests/reference/array.h"

using namespace fovea;
using namespace fovea::tests;
namespace reference = fovea::kernels::reference;

namespace {

using Index = std::int64_t;
using Matrix = std::vector<std::vector<double>>;

Matrix zeros(Index rows, Index columns) {
    return Matrix(static_cast<std::size_t>(rows),
                  std::vector<double>(static_cast<std::size_t>(columns), 0.0));
}

Matrix multiply(const Matrix& a, const Matrix& b, double factor = 1.0) {
    Matrix c = zeros(static_cast<Index>(a.size()), b.empty() ? 0 : static_cast<Index>(b[0].size()));
    for (std::size_t i = 0; i < c.size(); ++i)
        for (std::size_t j = 0; j < c[i].size(); ++j)
            for (std::size_t k = 0; k < b.size(); ++k) c[i][j] += factor * a[i][k] * b[k][j];
    return c;
}

Matrix transpose(const Matrix& a, Index columns) {
    Matrix t = zeros(columns, static_cast<Index>(a.size()));
    for (std::size_t i = 0; i < a.size(); ++i)
        for (std::size_t j = 0; j < t.size(); ++j) t[j][i] = a[i][j];
    return t;
}

/// The [T,D] matrix of a (batch, head) of a [B,T,H,D] view.
template <class T>
Matrix head_of(const CView& v, Index b, Index h) {
    Matrix m = zeros(v.dim(1), v.dim(3));
    for (Index t = 0; t < v.dim(1); ++t)
        for (Index d = 0; d < v.dim(3); ++d)
            m[static_cast<std::size_t>(t)][static_cast<std::size_t>(d)] =
                v.as<T>()[b * v.strides[0] + t * v.strides[1] + h * v.strides[2] + d];
    return m;
}

double difference(const Matrix& a, const Matrix& b) {
    double worst = a.size() == b.size() ? 0.0 : 1e9;
    for (std::size_t i = 0; i < a.size() && worst < 1e9; ++i)
        for (std::size_t j = 0; j < b[i].size(); ++j) {
            const double d = std::abs(a[i][j] - b[i][j]);
            worst = std::isnan(d) ? 1e9 : std::max(worst, d);
        }
    return worst;
}

}  // namespace

TEMPLATE_TEST_CASE("Attention equals the softmax matrix written out", "[reference]", float,
                   double) {
    const Index Tq = GENERATE(0, 1, 31), Tk = GENERATE(1, 32, 33), D = GENERATE(1, 16);
    const Index B = 2, H = 3;
    const double scale = 0.7;
    CAPTURE(Tq, Tk, D);

    // q has a layout of its own; k and v are slices of one packed array, as are their gradients.
    auto q_data = Array<TestType>::random({B, Tq, H, D}, 1);
    auto kv_data = Array<TestType>::random({B, Tk, 2, H, D}, 2);
    auto dq_data = q_data, dkv_data = kv_data;
    const auto slice = [&](Array<TestType>& packed, Index which) {
        return packed.seen_as({B, Tk, H, D}, {Tk * 2 * H * D, 2 * H * D, D, 1}, which * H * D);
    };
    const CView q = q_data, k = slice(kv_data, 0), v = slice(kv_data, 1);
    const View dq = dq_data, dk = slice(dkv_data, 0), dv = slice(dkv_data, 1);
    const auto dout = Array<TestType>::random({B, Tq, H, D}, 3);
    Array<TestType> o({B, Tq, H, D}), lse({B, H, Tq}), p({B, H, Tq, Tk});

    reference::attention_forward(on_reference, o, lse, q, k, v, scale);
    reference::attention_probabilities(on_reference, p, q, k, lse, scale);
    reference::attention_backward(on_reference, dq, dk, dv, dout, o, lse, q, k, v, scale);
    REQUIRE((o.intact() && lse.intact() && p.intact() && dq_data.intact() && dkv_data.intact()));

    const double bound = 20 * tolerance<TestType>;
    for (Index b = 0; b < B; ++b)
        for (Index h = 0; h < H; ++h) {
            const Matrix Q = head_of<TestType>(q, b, h), K = head_of<TestType>(k, b, h);
            const Matrix V = head_of<TestType>(v, b, h), dO = head_of<TestType>(dout, b, h);
            Matrix P = multiply(Q, transpose(K, D), scale);
            for (std::size_t i = 0; i < P.size(); ++i) {
                double sum = 0.0;
                for (double& s : P[i]) sum += s = std::exp(s);
                for (double& s : P[i]) s /= sum;
                const Index row = (b * H + h) * Tq + static_cast<Index>(i);
                CHECK(lse[row] == Approx(std::log(sum)).epsilon(1e-6));
                for (Index j = 0; j < Tk; ++j)
                    REQUIRE(std::abs(p[row * Tk + j] - P[i][static_cast<std::size_t>(j)]) < bound);
            }
            CHECK(difference(head_of<TestType>(o, b, h), multiply(P, V)) < bound);

            Matrix dS = multiply(dO, transpose(V, D));
            for (std::size_t i = 0; i < P.size(); ++i) {
                double sum = 0.0;
                for (std::size_t j = 0; j < P[i].size(); ++j) sum += P[i][j] * dS[i][j];
                for (std::size_t j = 0; j < P[i].size(); ++j) dS[i][j] = P[i][j] * (dS[i][j] - sum);
            }
            if (Tq == 0) continue;  // the products below need a row; the gradients are zero
            CHECK(difference(head_of<TestType>(dq, b, h), multiply(dS, K, scale)) < bound);
            CHECK(difference(head_of<TestType>(dk, b, h), multiply(transpose(dS, Tk), Q, scale)) <
                  bound);
            CHECK(difference(head_of<TestType>(dv, b, h), multiply(transpose(P, Tk), dO)) < bound);
        }
    if (Tq == 0)
        CHECK(error(dkv_data,
                    std::vector<double>(static_cast<std::size_t>(dkv_data.size()), 0.0)) == 0.0);
}

TEST_CASE("Attention survives huge and masked scores", "[reference]") {
    const Shape one{1, 1, 1, 1}, two{1, 2, 1, 1};
    const Array<double> q(one, {1.0}), v(two, {3.0, 5.0}), dout(one, {1.0});
    Array<double> o(one), lse({1, 1, 1}), dq(one), dk(two), dv(two);

    const Array<double> huge(two, {10000.0, 10000.0});
    reference::attention_forward(on_reference, o, lse, q, huge, v, 1.0);
    CHECK(o[0] == Approx(4.0));
    CHECK(lse[0] == Approx(10000.0 + std::log(2.0)));

    const Array<double> masked(two, {-infinity, -infinity});
    reference::attention_forward(on_reference, o, lse, q, masked, v, 1.0);
    CHECK(o[0] == 0.0);
    CHECK(lse[0] == -infinity);
    Array<double> p({1, 1, 1, 2});
    reference::attention_probabilities(on_reference, p, q, masked, lse, 1.0);
    CHECK(error(p, {0.0, 0.0}) == 0.0);
    reference::attention_backward(on_reference, dq, dk, dv, dout, o, lse, q, masked, v, 1.0);
    CHECK(error(dv, {0.0, 0.0}) == 0.0);
    CHECK(error(dk, {0.0, 0.0}) == 0.0);
}
