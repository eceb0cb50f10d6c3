// The two public spellings of CvT's tensor names: Microsoft's and Hugging Face's.
#include <array>

#include "models/cvt.h"

namespace fovea {
namespace {

struct NamePair {
    const char* microsoft;
    const char* huggingface;
};

// Parts of a block's name after "stage{s}.blocks.{i}." / "cvt.encoder.stages.{s}.layers.{i}.".
constexpr std::array<NamePair, 14> kBlockParts = {{
    {"norm1.", "layernorm_before."},
    {"norm2.", "layernorm_after."},
    {"attn.conv_proj_q.conv.",
     "attention.attention.convolution_projection_query.convolution_projection.convolution."},
    {"attn.conv_proj_k.conv.",
     "attention.attention.convolution_projection_key.convolution_projection.convolution."},
    {"attn.conv_proj_v.conv.",
     "attention.attention.convolution_projection_value.convolution_projection.convolution."},
    {"attn.conv_proj_q.bn.",
     "attention.attention.convolution_projection_query.convolution_projection.normalization."},
    {"attn.conv_proj_k.bn.",
     "attention.attention.convolution_projection_key.convolution_projection.normalization."},
    {"attn.conv_proj_v.bn.",
     "attention.attention.convolution_projection_value.convolution_projection.normalization."},
    {"attn.proj_q.", "attention.attention.projection_query."},
    {"attn.proj_k.", "attention.attention.projection_key."},
    {"attn.proj_v.", "attention.attention.projection_value."},
    {"attn.proj.", "attention.output.dense."},
    {"mlp.fc1.", "intermediate.dense."},
    {"mlp.fc2.", "output.dense."},
}};
// Parts directly below a stage.
constexpr std::array<NamePair, 3> kStageParts = {{
    {"patch_embed.proj.", "embedding.convolution_embeddings.projection."},
    {"patch_embed.norm.", "embedding.convolution_embeddings.normalization."},
    {"cls_token", "cls_token"},
}};
constexpr std::array<NamePair, 2> kTopParts = {{{"norm.", "layernorm."}, {"head.", "classifier."}}};

// Replaces the prefix `from` by `to`; nothing if `name` does not begin so.
std::optional<std::string> swap_prefix(const std::string& name, const char* from, const char* to) {
    const std::string prefix = from;
    if (name.compare(0, prefix.size(), prefix) != 0) return std::nullopt;
    return to + name.substr(prefix.size());
}

// The digits at `at`, which is moved behind them and the following dot; empty if there are none.
std::string take_number(const std::string& name, std::size_t& at) {
    const std::size_t begin = at;
    while (at < name.size() && name[at] >= '0' && name[at] <= '9') ++at;
    std::string digits = name.substr(begin, at - begin);
    if (at < name.size() && name[at] == '.') ++at;
    return digits;
}

template <std::size_t N>
std::optional<std::string> translate(const std::string& rest, const std::array<NamePair, N>& table,
                                     bool to_microsoft) {
    for (const NamePair& pair : table) {
        const char* from = to_microsoft ? pair.huggingface : pair.microsoft;
        const char* to = to_microsoft ? pair.microsoft : pair.huggingface;
        if (auto swapped = swap_prefix(rest, from, to)) return swapped;
    }
    return std::nullopt;
}

std::optional<std::string> rename(const std::string& name, bool to_microsoft) {
    const std::string stage_from = to_microsoft ? "cvt.encoder.stages." : "stage";
    const std::string stage_to = to_microsoft ? "stage" : "cvt.encoder.stages.";
    const std::string block_from = to_microsoft ? "layers." : "blocks.";
    const std::string block_to = to_microsoft ? "blocks." : "layers.";
    if (name.compare(0, stage_from.size(), stage_from) != 0)
        return translate(name, kTopParts, to_microsoft);
    std::size_t at = stage_from.size();
    const std::string head = stage_to + take_number(name, at) + ".";
    if (name.compare(at, block_from.size(), block_from) != 0) {
        const auto part = translate(name.substr(at), kStageParts, to_microsoft);
        return part ? std::optional(head + *part) : std::nullopt;
    }
    at += block_from.size();
    const std::string block = head + block_to + take_number(name, at) + ".";
    const auto part = translate(name.substr(at), kBlockParts, to_microsoft);
    return part ? std::optional(block + *part) : std::nullopt;
}

}  // namespace

std::optional<std::string> cvt_name_from_huggingface(const std::string& name) {
    return rename(name, true);
}

std::string cvt_name_to_huggingface(const std::string& name) {
    return rename(name, false).value_or(name);
}

}  // namespace fovea
