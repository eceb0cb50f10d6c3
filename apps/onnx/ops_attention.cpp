// Scaled dot-product attention.
#include "apps/onnx/ops.h"

namespace fovea::apps {
namespace {

/// q, k, v [B,T,H,D] -> [B,T,H,D].
std::string attend(OnnxBuilder& b, const std::string& q, const std::string& k, const std::string& v,
                   double scale) {
    const std::string queries = b.transpose(q, {0, 2, 1, 3}), keys = b.transpose(k, {0, 2, 3, 1}),
                      values = b.transpose(v, {0, 2, 1, 3});
    return b.transpose(onnx_attention(b, queries, keys, values, scale), {0, 2, 1, 3});
}

void attention(OnnxBuilder& b, const OnnxCall& c) {
    const std::string q = b.plain(c.tensor(0)), k = b.plain(c.tensor(1)), v = b.plain(c.tensor(2));
    b.bind_plain(c.result(), attend(b, q, k, v, c.value<double>(3)));
}

void attention_packed(OnnxBuilder& b, const OnnxCall& c) {
    const auto heads = c.value<std::int64_t>(1);
    const Extents packed = b.extents(c.result());  // [B,T,H*D]
    const Extents split = {packed[0], packed[1], {heads}, {packed[2].size / heads}};
    std::vector<std::string> parts =
        b.nodes("Split", {b.plain(c.tensor(0))}, 3, {{"axis", std::int64_t{-1}}});
    for (std::string& part : parts) part = b.reshape(part, packed, split);
    const std::string mixed = attend(b, parts[0], parts[1], parts[2], c.value<double>(2));
    b.bind_plain(c.result(), b.reshape(mixed, split, packed));
}

}  // namespace

std::string onnx_attention(OnnxBuilder& b, const std::string& q, const std::string& k_transposed,
                           const std::string& v, double scale,
                           const std::vector<std::string>& added) {
    std::string scores = b.node("MatMul", {q, k_transposed});
    scores = b.node("Mul", {scores, b.scalar(scale)});
    for (const std::string& term : added) scores = b.node("Add", {scores, term});
    const std::string weights = b.node("Softmax", {scores}, {{"axis", std::int64_t{-1}}});
    return b.node("MatMul", {weights, v});
}

void add_attention_ops(OnnxOps& ops) {
    ops["attention"] = attention;
    ops["attention_packed"] = attention_packed;
}

}  // namespace fovea::apps
