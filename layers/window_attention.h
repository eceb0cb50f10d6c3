// Swin's attention within windows, shifted in every second block (Liu et al., "Swin Transformer", ICCV
// 2021, section 3.2). Names are timm's.
#pragma once

#include "layers/dropout.h"
#include "layers/grid.h"
#include "layers/linear.h"

namespace fovea {

/// Where zeros go on a map that is no multiple of the window. What comes out differs by far more than
/// rounding, so weights need the rule that they were trained with.
enum class WindowPadding : std::uint8_t {
    BeforeShift,  ///< torchvision
    AfterShift,   ///< timm
    None,         ///< Microsoft: such a map is an error
};

struct WindowAttentionConfig {
    std::int64_t width = 96, heads = 3;
    GridSize window = {7, 7};
    GridSize shift = {0, 0};  ///< of the windows, along axes of more than one; Swin: half a window
    bool qkv_bias = true;
    WindowPadding padding = WindowPadding::BeforeShift;
    double dropout = 0.0;  ///< behind the projection
};

/// x [B,H,W,width] -> the same shape; attention is scaled by (width / heads)^-0.5. Error C04: a map that
/// is no multiple of the window with WindowPadding::None.
struct WindowAttention : Module {
    Parameter relative_position_bias_table;  ///< [(2 rows - 1) (2 columns - 1), heads]
    Linear qkv, proj;
    Dropout proj_drop;
    WindowAttentionConfig config;

    WindowAttention() = default;
    explicit WindowAttention(const WindowAttentionConfig& c);
    void visit(Visitor& v) override;
    Tensor forward(const Tensor& x, const Pass& pass) const;
};

/// Multiply-adds of a WindowAttention on a map: the two projections and both products with all keys of
/// each token's window. On whole windows 4 hw C^2 + 2 M^2 hw C (M^2 = window.area()); with one window
/// the size of the map the 4 hw C^2 + 2 (hw)^2 C of plain self-attention (the paper's equations 1 and 2).
std::int64_t window_attention_macs(GridSize map, GridSize window, std::int64_t width);

/// The smallest map of whole windows that holds `map`.
GridSize whole_windows(GridSize map, GridSize window);

/// A bias table [(2 from.rows - 1) (2 from.columns - 1), heads] for windows of another size, as timm
/// does for weights of another resolution: old offsets are placed at geometrically growing distances
/// (near ones stay dense, the farthest reaches the new edge) and interpolated linearly. F32, or F64 if
/// the table is. The same window gives the table itself. Error B01: rows that do not fit `from`.
Tensor resize_bias_table(const Tensor& table, GridSize from, GridSize to);

}  // namespace fovea
