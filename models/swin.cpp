#include "models/swin.h"

#include "core/error.h"
#include "core/ops/reduce.h"
#include "layers/init.h"
#include "layers/token_embedding.h"
#include "layers/transformer_block.h"

namespace fovea {
namespace {

std::int64_t width_of(const SwinConfig& config, std::size_t stage) {
    return config.embed_dim << stage;
}

std::int64_t hidden_of(const SwinConfig& config, std::int64_t width) {
    return static_cast<std::int64_t>(static_cast<double>(width) * config.mlp_ratio);
}

void require(bool ok, const std::string& what) {
    if (!ok) throw Error("C04", "Swin: " + what);
}

void require_consistent(const SwinConfig& c) {
    require(!c.depths.empty() && c.depths.size() == c.num_heads.size(),
            "as many depths as numbers of heads, at least one");
    require(c.num_classes > 0 && c.in_channels > 0 && c.patch_size.rows > 0 &&
                c.patch_size.columns > 0 && c.embed_dim > 0 && c.window.rows > 0 &&
                c.window.columns > 0,
            "classes, channels, patch, width and window must be positive");
    require(c.image_size.rows >= c.patch_size.rows && c.image_size.columns >= c.patch_size.columns,
            "the image is smaller than a patch");
    for (std::size_t i = 0; i < c.depths.size(); ++i) {
        require(c.depths[i] > 0 && c.num_heads[i] > 0, "a stage needs blocks and heads");
        require(width_of(c, i) % c.num_heads[i] == 0, std::to_string(c.num_heads[i]) +
                                                          " heads do not divide a width of " +
                                                          std::to_string(width_of(c, i)));
    }
    if (c.rule != SwinRule::Microsoft) return;
    const std::vector<SwinStageGrid> grids = swin_grids(c);
    for (std::size_t i = 0; i < grids.size(); ++i) {
        const auto [map, window, shift] = grids[i];
        const bool even = map.rows % 2 == 0 && map.columns % 2 == 0;
        if (map == whole_windows(map, window) && (even || i + 1 == grids.size())) continue;
        throw Error("C04",
                    "Swin: a map of " + std::to_string(map.rows) + "x" +
                        std::to_string(map.columns) +
                        " needs padding, which Microsoft's Swin does not have",
                    "--swin-padding microsoft",
                    "--swin-padding torchvision or timm, or another --img-size");
    }
}

GridSize half(GridSize window) { return {window.rows / 2, window.columns / 2}; }

WindowPadding padding_of(SwinRule rule) {
    switch (rule) {
        case SwinRule::Timm: return WindowPadding::AfterShift;
        case SwinRule::Microsoft: return WindowPadding::None;
        default: return WindowPadding::BeforeShift;
    }
}

}  // namespace

std::vector<SwinStageGrid> swin_grids(const SwinConfig& config) {
    std::vector<SwinStageGrid> grids;
    const GridSize patches{config.image_size.rows / config.patch_size.rows,
                           config.image_size.columns / config.patch_size.columns};
    GridSize map = patches;
    for (std::size_t i = 0; i < config.depths.size(); ++i) {
        if (i > 0) map = {(map.rows + 1) / 2, (map.columns + 1) / 2};
        SwinStageGrid grid{map, config.window, half(config.window)};
        if (config.rule == SwinRule::Timm) {
            // Here timm 1.0.28 halves rounding down, though its maps round up: a map may be larger by
            // one than the window that it is taken to fit. (timm 1.0.31 rounds up here too.)
            const auto taken = [i](std::int64_t extent) {
                return std::max<std::int64_t>(extent >> i, 1);
            };
            const GridSize size{taken(patches.rows), taken(patches.columns)};
            grid.window = {std::min(size.rows, config.window.rows),
                           std::min(size.columns, config.window.columns)};
            grid.shift = {size.rows > grid.window.rows ? grid.shift.rows : 0,
                          size.columns > grid.window.columns ? grid.shift.columns : 0};
        } else if (config.rule == SwinRule::Microsoft) {
            const std::int64_t side = std::min(map.rows, map.columns);
            if (side <= std::min(config.window.rows, config.window.columns))
                grid = {map, {side, side}, {0, 0}};
        }
        grids.push_back(grid);
    }
    return grids;
}

std::optional<SwinRule> swin_rule(std::string_view name) {
    if (name == "torchvision") return SwinRule::Torchvision;
    if (name == "timm") return SwinRule::Timm;
    if (name == "microsoft") return SwinRule::Microsoft;
    return std::nullopt;
}

bool swin_rules_agree(const SwinConfig& config, SwinRule other) {
    if (other == config.rule) return true;
    SwinConfig another = config;
    another.rule = other;
    const std::vector<SwinStageGrid> ours = swin_grids(config), theirs = swin_grids(another);
    for (std::size_t i = 0; i < ours.size(); ++i) {
        const SwinStageGrid &a = ours[i], &b = theirs[i];
        if (!(a.map == whole_windows(a.map, a.window) && a.window == b.window)) return false;
        // Windows do not shift along an axis of one window.
        if (a.map.rows > a.window.rows && a.shift.rows != b.shift.rows) return false;
        if (a.map.columns > a.window.columns && a.shift.columns != b.shift.columns) return false;
    }
    return true;
}

SwinBlock::SwinBlock(const SwinConfig& model, const WindowAttentionConfig& attention,
                     double drop_path_rate)
    : norm1(attention.width, model.ln_eps), norm2(attention.width, model.ln_eps), attn(attention),
      mlp(attention.width, hidden_of(model, attention.width), model.activation, model.dropout),
      drop_path1(drop_path_rate), drop_path2(drop_path_rate) {}

void SwinBlock::visit(Visitor& v) {
    v("norm1", norm1);
    v("attn", attn);
    v("drop_path1", drop_path1);
    v("norm2", norm2);
    v("mlp", mlp);
    v("drop_path2", drop_path2);
}

Tensor SwinBlock::forward(const Tensor& x, const Pass& pass) const {
    const Tensor attended = drop_path1.add(x, attn.forward(norm1.forward(x), pass), pass);
    return drop_path2.add(attended, mlp.forward(norm2.forward(attended), pass), pass);
}

SwinStage::SwinStage(const SwinConfig& model, std::size_t index) {
    if (index > 0) downsample = PatchMerging(width_of(model, index - 1), model.ln_eps);
    const SwinStageGrid grid = swin_grids(model)[index];
    std::int64_t before = 0, total = 0;  // blocks of the stages before this one, and of all
    for (std::size_t i = 0; i < model.depths.size(); ++i) {
        before += i < index ? model.depths[i] : 0;
        total += model.depths[i];
    }
    for (std::int64_t i = 0; i < model.depths[index]; ++i) {
        WindowAttentionConfig attention;
        attention.width = width_of(model, index);
        attention.heads = model.num_heads[index];
        attention.window = grid.window;
        if (i % 2 == 1) attention.shift = grid.shift;
        attention.qkv_bias = model.qkv_bias;
        attention.padding = padding_of(model.rule);
        attention.dropout = model.dropout;
        blocks.emplace_back(model, attention, rising_rate(model.drop_path, before + i, total));
    }
}

void SwinStage::visit(Visitor& v) {
    if (downsample) v("downsample", *downsample);
    v("blocks", blocks);
}

Tensor SwinStage::forward(const Tensor& images, const Pass& pass) const {
    Tensor x = downsample ? downsample->forward(images) : images;
    for (const SwinBlock& block : blocks) x = block.forward(x, pass);
    return x;
}

Swin::Swin(const SwinConfig& config) : config_(config) {
    require_consistent(config);
    proj_ = patch_projection(config.in_channels, config.embed_dim, config.patch_size);
    patch_norm_ = LayerNorm(config.embed_dim, config.ln_eps);
    pos_drop_ = Dropout(config.dropout);
    for (std::size_t i = 0; i < config.depths.size(); ++i) stages_.emplace_back(config, i);
    const std::int64_t width = width_of(config, config.depths.size() - 1);
    norm_ = LayerNorm(width, config.ln_eps);
    head_ = Linear(width, config.num_classes);
    assign_sites(*this);
}

void Swin::visit(Visitor& v) {
    v("patch_embed.proj", proj_);
    v("patch_embed.norm", patch_norm_);
    v("pos_drop", pos_drop_);
    v("layers", stages_);
    v("norm", norm_);
    v("head.fc", head_);
}

Tensor Swin::embed(const Tensor& images, const Pass& pass) const {
    return pos_drop_.forward(patch_norm_.forward(proj_.forward(images)), pass);
}

Tensor Swin::forward(const Tensor& images, const Pass& pass) const {
    Tensor x = embed(images, pass);
    for (const SwinStage& stage : stages_) x = stage.forward(x, pass);
    return head_.forward(ops::mean(norm_.forward(x), {1, 2}));
}

std::vector<Tensor> Swin::features(const Tensor& images, const Pass& pass) const {
    std::vector<Tensor> maps;
    Tensor x = embed(images, pass);
    for (const SwinStage& stage : stages_) maps.push_back(x = stage.forward(x, pass));
    return maps;
}

void Swin::initialise(std::uint64_t seed) {
    struct Initialise : Visitor {
        std::uint64_t seed = 0;
        void enter_module(const std::string& name, Module& m) override {
            if (auto* linear = dynamic_cast<Linear*>(&m)) {
                init::truncated_normal(linear->weight, 0.02, init::site_of(seed, name + ".weight"));
            } else if (auto* attention = dynamic_cast<WindowAttention*>(&m)) {
                init::truncated_normal(attention->relative_position_bias_table, 0.02,
                                       init::site_of(seed, name + ".relative_position_bias_table"));
            } else if (auto* conv = dynamic_cast<Conv2d*>(&m)) {
                init::pytorch_default(conv->weight, conv->bias, seed, name);
            }
        }
    } initialise;
    initialise.seed = seed;
    visit(initialise);
}

std::int64_t Swin::macs() const { return swin_macs(config_); }

std::string Swin::explain_layer() const {
    return "layers." + std::to_string(stages_.size() - 1) + ".blocks." +
           std::to_string(stages_.back().blocks.size() - 1) + ".norm1";
}

Tensor Swin::fitted(const std::string& name, const Tensor& value) const {
    if (!name.ends_with("relative_position_bias_table") || value.rank() != 2) return value;
    for (std::size_t i = 0; i < stages_.size(); ++i) {
        if (name.rfind("layers." + std::to_string(i) + ".", 0) != 0) continue;
        const GridSize window = stages_[i].blocks.front().attn.config.window;
        const std::int64_t rows = (2 * window.rows - 1) * (2 * window.columns - 1);
        // A file does not say its windows' sides: they are taken to be equal, as timm does.
        std::int64_t side = 1;
        while ((2 * side - 1) * (2 * side - 1) < value.size(0)) ++side;
        if (value.size(0) == rows || (2 * side - 1) * (2 * side - 1) != value.size(0)) return value;
        return resize_bias_table(value, {side, side}, window);
    }
    return value;
}

std::int64_t swin_macs(const SwinConfig& config) {
    const std::vector<SwinStageGrid> grids = swin_grids(config);
    std::int64_t total =
        grids.front().map.area() * config.embed_dim * config.patch_size.area() * config.in_channels;
    for (std::size_t i = 0; i < grids.size(); ++i) {
        const std::int64_t width = width_of(config, i), tokens = grids[i].map.area();
        if (i > 0) total += tokens * (2 * width) * width;  // 4 C of before to 2 C
        total += config.depths[i] * (window_attention_macs(grids[i].map, grids[i].window, width) +
                                     2 * tokens * width * hidden_of(config, width));
    }
    return total + width_of(config, grids.size() - 1) * config.num_classes;
}

}  // namespace fovea
