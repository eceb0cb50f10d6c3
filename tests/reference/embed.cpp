// Tokens in front of patches, and positions, against numbers put together by hand.
#include <catch2/catch.hpp>

#include "kernels/include/embed.h"
#include "tests/reference/array.h"

using namespace fovea;
using namespace fovea::tests;
namespace reference = fovea::kernels::reference;

TEST_CASE("Prefix, patches and positions land where they belong", "[reference]") {
    // Two samples of two patches and two channels behind one token.
    const Array<double> patches({2, 2, 2}, {1, 2, 3, 4, 5, 6, 7, 8});
    const Array<double> prefix({1, 2}, {-1, -2});
    const Array<double> position({3, 2}, {10, 20, 30, 40, 50, 60});
    Array<double> y({2, 3, 2});
    reference::embed_tokens_forward(on_reference, y, patches, prefix, position);
    CHECK(error(y, {9, 18, 31, 42, 53, 64, 9, 18, 35, 46, 57, 68}) == 0.0);
    CHECK(y.intact());

    Array<double> plain({2, 2, 2});
    reference::embed_tokens_forward(on_reference, plain, patches, CView{}, CView{});
    CHECK(error(plain, {1, 2, 3, 4, 5, 6, 7, 8}) == 0.0);
}

TEST_CASE("Gradients of tokens and positions are sums over the samples", "[reference]") {
    const Array<double> dy({2, 3, 2}, {1, 2, 3, 4, 5, 6, 10, 20, 30, 40, 50, 60});
    Array<double> dpatches({2, 2, 2}), dprefix({1, 2}, {100, 200}), dposition({3, 2});
    reference::embed_tokens_backward(on_reference, dpatches, dprefix, dposition, dy, 1,
                                     GradMode::Overwrite, GradMode::Accumulate,
                                     GradMode::Overwrite);
    CHECK(error(dpatches, {3, 4, 5, 6, 30, 40, 50, 60}) == 0.0);
    CHECK(error(dprefix, {111, 222}) == 0.0);
    CHECK(error(dposition, {11, 22, 33, 44, 55, 66}) == 0.0);

    Array<double> untouched({3, 2}, {7, 7, 7, 7, 7, 7});
    reference::embed_tokens_backward(on_reference, View{}, View{}, untouched, dy, 1,
                                     GradMode::Ignore, GradMode::Ignore, GradMode::Ignore);
    CHECK(error(untouched, {7, 7, 7, 7, 7, 7}) == 0.0);
}
