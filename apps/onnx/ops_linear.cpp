// Matrix products and fully connected layers.
#include "apps/onnx/ops.h"

namespace fovea::apps {
namespace {

std::string with_last_two_swapped(OnnxBuilder& b, const std::string& x, std::size_t rank) {
    std::vector<std::int64_t> axes;
    for (std::size_t i = 0; i < rank; ++i) axes.push_back(static_cast<std::int64_t>(i));
    std::swap(axes[rank - 2], axes[rank - 1]);
    return b.transpose(x, axes);
}

/// alpha op(a) op(b).
void matmul(OnnxBuilder& b, const OnnxCall& c) {
    const auto operand = [&](std::size_t i, bool transposed) {
        const std::string& name = b.plain(c.tensor(i));
        return transposed ? with_last_two_swapped(b, name, b.extents(c.tensor(i)).size()) : name;
    };
    const std::string left = operand(0, c.value<bool>(2)), right = operand(1, c.value<bool>(3));
    const std::string product = b.node("MatMul", {left, right});
    const auto alpha = c.value<double>(4);
    b.bind_plain(c.result(), alpha == 1.0 ? product : b.node("Mul", {product, b.scalar(alpha)}));
}

/// x w^T + bias, where x is called `x`. The weight keeps its shape [N,K]: Gemm takes it so, for MatMul
/// it is transposed, which a runtime does once when it loads the file.
std::string affine(OnnxBuilder& b, const OnnxCall& c, const std::string& x) {
    const std::string w = b.plain(c.tensor(1));
    if (b.extents(c.tensor(0)).size() == 2) {
        std::vector<std::string> inputs = {x, w};
        if (c.has(2)) inputs.push_back(b.plain(c.tensor(2)));
        return b.node("Gemm", inputs, {{"transB", std::int64_t{1}}});
    }
    const std::string y = b.node("MatMul", {x, b.transpose(w, {1, 0})});
    return c.has(2) ? b.node("Add", {y, b.plain(c.tensor(2))}) : y;
}

/// f(x w^T + bias).
void linear(OnnxBuilder& b, const OnnxCall& c) {
    const std::string y = affine(b, c, b.plain(c.tensor(0)));
    b.bind_plain(c.result(), onnx_activation(b, y, c.value<Unary>(3)));
}

/// f(x) w^T + bias.
void activated_linear(OnnxBuilder& b, const OnnxCall& c) {
    const std::string x = onnx_activation(b, b.plain(c.tensor(0)), c.value<Unary>(3));
    b.bind_plain(c.result(), affine(b, c, x));
}

}  // namespace

void add_linear_ops(OnnxOps& ops) {
    ops["matmul"] = matmul;
    ops["linear"] = linear;
    ops["activated_linear"] = activated_linear;
}

}  // namespace fovea::apps
