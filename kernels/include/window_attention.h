// Attention within shifted windows of a feature map (Liu et al., "Swin Transformer", ICCV 2021) by
// addressing: no rolled, partitioned or padded copy of the map is ever made.
//
// The map has H x W tokens, H and W multiples of the window (who has another map pads it before the
// projection to q, k, v; padded tokens are then tokens like all others: they attend, are attended
// to, are not masked, and what comes out for them is cut off by the caller). With a shift (sr, sc) the
// windows tile the map rolled by (-sr, -sc): row r of window-row i is map row (i * rows + r + sr) mod H.
// Windows are numbered row by row, tokens in a window as well, each token q, k, v and o stay at the
// token's own place in the map.
#pragma once

#include "kernels/include/kernel.h"
#include "kernels/include/philox.h"

namespace fovea {

struct WindowParams {
    std::int64_t window[2] = {7, 7};  ///< rows, columns
    std::int64_t shift[2] = {0, 0};   ///< of the rows and the columns; 0 <= shift < window
    std::int64_t heads = 1;
    double scale = 1.0;            ///< of q k^T, usually head_dim^-0.5
    double masked_value = -100.0;  ///< added to scores between tokens of different regions
};

/// Where the tokens of windows are, as integer arithmetic for every device.
struct WindowGrid {
    std::int64_t height, width;  ///< of the map, in tokens
    std::int64_t rows, columns;  ///< of a window
    std::int64_t shift_rows, shift_columns;

    FOVEA_HOST_DEVICE constexpr WindowGrid(std::int64_t h, std::int64_t w, const WindowParams& p)
        : height(h), width(w), rows(p.window[0]), columns(p.window[1]), shift_rows(p.shift[0]),
          shift_columns(p.shift[1]) {}

    FOVEA_HOST_DEVICE constexpr std::int64_t across() const { return width / columns; }
    FOVEA_HOST_DEVICE constexpr std::int64_t windows() const {
        return height / rows * (width / columns);
    }
    FOVEA_HOST_DEVICE constexpr std::int64_t tokens() const { return rows * columns; }
    FOVEA_HOST_DEVICE constexpr std::int64_t table_rows() const {
        return (2 * rows - 1) * (2 * columns - 1);
    }

    /// Number (row * width + column) in the map of a window's token.
    FOVEA_HOST_DEVICE constexpr std::int64_t place(std::int64_t window, std::int64_t token) const {
        std::int64_t r = window / across() * rows + token / columns + shift_rows;
        std::int64_t c = window % across() * columns + token % columns + shift_columns;
        if (r >= height) r -= height;
        if (c >= width) c -= width;
        return r * width + c;
    }

    /// Does the window hold tokens that the roll brought together? Only the last row and column of
    /// windows do. All windows else have one region.
    FOVEA_HOST_DEVICE constexpr bool mixed(std::int64_t window) const {
        return (shift_rows > 0 && window / across() == height / rows - 1) ||
               (shift_columns > 0 && window % across() == across() - 1);
    }
    /// A number that differs between two tokens of a window if masked_value comes between them.
    FOVEA_HOST_DEVICE constexpr int region(std::int64_t window, std::int64_t token) const {
        const bool below = shift_rows > 0 && window / across() == height / rows - 1 &&
                           token / columns >= rows - shift_rows;
        const bool right = shift_columns > 0 && window % across() == across() - 1 &&
                           token % columns >= columns - shift_columns;
        return 2 * (below ? 1 : 0) + (right ? 1 : 0);
    }

    /// Row of the bias table for a pair of tokens. It equals offset(query) - offset(key) + table_rows / 2
    /// with offset(t) = t / columns * (2 columns - 1) + t % columns.
    FOVEA_HOST_DEVICE constexpr std::int64_t bias_row(std::int64_t query, std::int64_t key) const {
        const std::int64_t dr = query / columns - key / columns + rows - 1;
        const std::int64_t dc = query % columns - key % columns + columns - 1;
        return dr * (2 * columns - 1) + dc;
    }
};

namespace kernels {

/// Per image, window and head, with N = tokens of a window:
///   S[i,j] = scale q_i . k_j + table[bias_row(i, j), head] + (masked_value if the regions differ)
///   o_i = sum_j softmax_j(S[i,:]) v_j            lse_i = log sum_j exp(S[i,j])
/// qkv [B,H,W,3*C], C = heads * D: for each token q, then k, then v, heads inside each (timm's packing).
/// o [B,H,W,C]. table [(2 rows - 1)(2 columns - 1), heads] or empty (no bias); lse
/// [B,windows,heads,N] or empty (not wanted). All contiguous, and of one dtype, but that table and lse
/// are F32 where qkv and o are BF16. H and W are multiples of the window. B may be 0.
KERNEL(window_attention_forward, View o, View lse, CView qkv, CView table,
       const WindowParams& params);

/// Gradients, from dout [B,H,W,C], the gradient of o, and from what forward read and wrote; the
/// probabilities are computed again as exp(S - lse):
///   dS = P (dout v^T - rowsum(dout o))    dq = scale dS k    dk = scale dS^T q    dv = P^T dout
///   dtable[r, head] = sum of dS[i,j] over images, windows and all pairs with bias_row(i, j) = r
/// dqkv [B,H,W,3*C] is overwritten, every element of it. dtable (shape and dtype of table) follows
/// table_mode; empty or Ignore: not wanted; with B = 0 Overwrite makes it zero. Its sum has a fixed
/// order: the bits depend on the shapes alone, not on threads, blocks or timing; no atomics.
KERNEL(window_attention_backward, View dqkv, View dtable, CView dout, CView o, CView lse, CView qkv,
       CView table, const WindowParams& params, GradMode table_mode);

}  // namespace kernels
}  // namespace fovea
