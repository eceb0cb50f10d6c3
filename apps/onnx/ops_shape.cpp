// Reshape, permute, slice, concat, expand.
#include <algorithm>

#include "apps/onnx/ops.h"

namespace fovea::apps {
namespace {

std::size_t axis_of(int axis, std::size_t rank) {
    return static_cast<std::size_t>(axis < 0 ? axis + static_cast<int>(rank) : axis);
}

void reshape(OnnxBuilder& b, const OnnxCall& c) {
    const int x = c.tensor(0);
    b.bind_plain(c.result(), b.reshape(b.flat(x), b.extents(x), b.extents(c.result())));
}

void permute(OnnxBuilder& b, const OnnxCall& c) {
    const int x = c.tensor(0);
    const std::size_t rank = b.extents(x).size();
    std::vector<std::int64_t> axes;
    for (const int axis : c.value<std::vector<int>>(1))
        axes.push_back(static_cast<std::int64_t>(axis_of(axis, rank)));
    if (std::is_sorted(axes.begin(), axes.end())) return b.alias(c.result(), x);
    const bool to_planes = axes == std::vector<std::int64_t>{0, 3, 1, 2};
    b.bind_plain(c.result(), to_planes ? b.planes(x) : b.transpose(b.plain(x), axes));
}

void slice(OnnxBuilder& b, const OnnxCall& c) {
    const int x = c.tensor(0);
    const Extents extents = b.extents(x);
    const std::size_t axis = axis_of(c.value<int>(1), extents.size());
    const auto begin = c.value<std::int64_t>(2), end = c.value<std::int64_t>(3);
    if (extents == b.extents(c.result())) return b.alias(c.result(), x);
    b.bind_plain(c.result(), b.slice(b.plain(x), static_cast<std::int64_t>(axis), begin, end));
}

void concat(OnnxBuilder& b, const OnnxCall& c) {
    const std::vector<int>& parts = c.tensors(0);
    const std::size_t rank = b.extents(c.result()).size(), axis = axis_of(c.value<int>(1), rank);
    // Zeros behind a map are padding, which needs no tensor of the batch's size.
    if (parts.size() == 2 && c.trace().zeros(parts[1])) {
        std::vector<std::int64_t> pads(2 * rank, 0);
        pads[rank + axis] = b.extents(parts[1])[axis].size;
        return b.bind_plain(c.result(), b.node("Pad", {b.plain(parts[0]), b.integers(pads)}));
    }
    std::vector<std::string> names;
    for (const int part : parts) names.push_back(b.plain(part));
    b.bind_plain(c.result(), b.node("Concat", names, {{"axis", static_cast<std::int64_t>(axis)}}));
}

void expand(OnnxBuilder& b, const OnnxCall& c) {
    const int x = c.tensor(0);
    const Extents to = b.extents(c.result());
    if (b.extents(x) == to) return b.alias(c.result(), x);
    b.bind_plain(c.result(), b.node("Expand", {b.plain(x), b.shape_vector(to)}));
}

/// concat(prefix, patches) + position.
void embed_tokens(OnnxBuilder& b, const OnnxCall& c) {
    std::string tokens = b.plain(c.tensor(0));
    if (c.has(1)) {
        Extents prefix = b.extents(c.tensor(0));
        prefix[1] = b.extents(c.tensor(1))[b.extents(c.tensor(1)).size() - 2];
        const std::string each = b.node("Expand", {b.plain(c.tensor(1)), b.shape_vector(prefix)});
        tokens = b.node("Concat", {each, tokens}, {{"axis", std::int64_t{1}}});
    }
    if (c.has(2)) tokens = b.node("Add", {tokens, b.plain(c.tensor(2))});
    b.bind_plain(c.result(), tokens);
}

}  // namespace

void add_shape_ops(OnnxOps& ops) {
    ops["reshape"] = reshape;
    ops["permute"] = permute;
    ops["slice"] = slice;
    ops["concat"] = concat;
    ops["expand"] = expand;
    ops["embed_tokens"] = embed_tokens;
}

}  // namespace fovea::apps
