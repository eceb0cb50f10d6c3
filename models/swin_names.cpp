// Swin's tensor names in torchvision's and Microsoft's spelling (which older timm shares):
//   timm                       torchvision                     Microsoft
//   patch_embed.proj, .norm    features.0.0, features.0.2      patch_embed.proj, .norm
//   layers.s.blocks.i          features.(2s+1).i               layers.s.blocks.i
//   ...mlp.fc1, mlp.fc2        ...mlp.0, mlp.3                 ...mlp.fc1, mlp.fc2
//   layers.s.downsample        features.(2s)                   layers.(s-1).downsample
//   head.fc                    head                            head
#include <charconv>

#include "models/swin.h"

namespace fovea {
namespace {

/// `name` with the prefix `from` replaced by `to`, if it begins so.
bool swap_prefix(std::string& name, std::string_view from, std::string_view to) {
    if (!name.starts_with(from)) return false;
    name = std::string(to) + name.substr(from.size());
    return true;
}

/// "layers.12.blocks.3" with the prefix "layers." is {12, "blocks.3"}.
struct Numbered {
    std::int64_t number;
    std::string rest;
};
std::optional<Numbered> numbered(const std::string& name, std::string_view prefix) {
    if (!name.starts_with(prefix)) return std::nullopt;
    Numbered out{};
    const char* const begin = name.data() + prefix.size();
    const char* const end = name.data() + name.size();
    const auto [dot, error] = std::from_chars(begin, end, out.number);
    if (error != std::errc() || dot == end || *dot != '.' || out.number < 0) return std::nullopt;
    out.rest = std::string(dot + 1, end);
    return out;
}

std::string join(std::string_view prefix, std::int64_t number, const std::string& rest) {
    return std::string(prefix) + std::to_string(number) + "." + rest;
}

/// The other spelling of a name within a block.
std::string swap_mlp(std::string rest, bool to_timm) {
    for (const auto& [timm, torchvision] :
         {std::pair{"mlp.fc1.", "mlp.0."}, {"mlp.fc2.", "mlp.3."}})
        if (swap_prefix(rest, to_timm ? torchvision : timm, to_timm ? timm : torchvision)) break;
    return rest;
}

std::string from_torchvision(const std::string& name) {
    std::string top = name;
    if (swap_prefix(top, "features.0.0.", "patch_embed.proj.") ||
        swap_prefix(top, "features.0.2.", "patch_embed.norm."))
        return top;
    const auto feature = numbered(name, "features.");
    if (!feature) return name;
    if (feature->number % 2 == 0)
        return join("layers.", feature->number / 2, "downsample." + feature->rest);
    const auto block = numbered(feature->rest, "");
    if (!block) return name;
    return join("layers.", feature->number / 2,
                join("blocks.", block->number, swap_mlp(block->rest, true)));
}

/// layers.s.downsample with s moved by `by`; other names as they are.
std::string move_downsample(const std::string& name, std::int64_t by) {
    const auto layer = numbered(name, "layers.");
    if (!layer || !layer->rest.starts_with("downsample.")) return name;
    return join("layers.", layer->number + by, layer->rest);
}

}  // namespace

std::string swin_name_from(const std::string& name, bool microsoft) {
    if (name.ends_with("relative_position_index") || name.ends_with("attn_mask")) return "";
    std::string own = from_torchvision(name);
    if (microsoft) own = move_downsample(own, 1);
    if (!own.starts_with("head.fc.")) swap_prefix(own, "head.", "head.fc.");
    return own;
}

std::string swin_name_to_torchvision(const std::string& name) {
    std::string out = name;
    if (swap_prefix(out, "patch_embed.proj.", "features.0.0.") ||
        swap_prefix(out, "patch_embed.norm.", "features.0.2.") ||
        swap_prefix(out, "head.fc.", "head."))
        return out;
    const auto layer = numbered(name, "layers.");
    if (!layer) return name;
    if (swap_prefix(out = layer->rest, "downsample.", ""))
        return join("features.", 2 * layer->number, out);
    const auto block = numbered(layer->rest, "blocks.");
    if (!block) return name;
    return join("features.", 2 * layer->number + 1,
                join("", block->number, swap_mlp(block->rest, false)));
}

std::string swin_name_to_microsoft(const std::string& name) {
    std::string out = move_downsample(name, -1);
    swap_prefix(out, "head.fc.", "head.");
    return out;
}

}  // namespace fovea
