// Tables of shifted-window attention (Liu et al., "Swin Transformer", ICCV 2021, section 3.2).
#pragma once

#include "core/tensor.h"
#include "layers/grid.h"

namespace fovea {

/// A window and its cyclic shift on a given map.
struct ShiftedWindow {
    GridSize window;
    std::int64_t shift_rows = 0, shift_columns = 0;

    bool shifted() const { return shift_rows > 0 || shift_columns > 0; }
};

/// Along an axis where the map is not larger than the window, the window shrinks to the map and is not
/// shifted (Microsoft's and timm's rule).
ShiftedWindow fitted_to(GridSize map, ShiftedWindow wanted);

/// Row of the bias table for every pair of a window's tokens, [N,N] (I64) with N = window.area():
/// (dr + rows - 1) (2 columns - 1) + dc + columns - 1, where (dr, dc) is the query's place minus the key's.
/// The table has (2 rows - 1) (2 columns - 1) rows.
Tensor relative_position_index(GridSize window, Device device = Device::cpu());

/// What is added to the attention scores of each window of the shifted map, [windows,N,N]: 0 between
/// tokens that are neighbours in the image too, `masked_value` between those that the cyclic shift
/// brought together. The map is padded up to whole windows; windows row by row.
Tensor shift_mask(GridSize map, const ShiftedWindow& w, double masked_value = -100.0,
                  DType dtype = DType::F32, Device device = Device::cpu());

}  // namespace fovea
