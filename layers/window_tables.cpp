#include "layers/window_tables.h"

#include <vector>

namespace fovea {
namespace {

constexpr std::int64_t round_up(std::int64_t n, std::int64_t step) {
    return (n + step - 1) / step * step;
}

/// Bands of one axis of the shifted map: 0 untouched, 1 the last window's part that stayed, 2 what the
/// shift moved here from the other side. Tokens of different bands are no neighbours.
std::int64_t band(std::int64_t at, std::int64_t extent, std::int64_t window, std::int64_t shift) {
    if (at < extent - window) return 0;
    return at < extent - shift ? 1 : 2;
}

}  // namespace

ShiftedWindow fitted_to(GridSize map, ShiftedWindow wanted) {
    if (map.rows <= wanted.window.rows) {
        wanted.window.rows = map.rows;
        wanted.shift_rows = 0;
    }
    if (map.columns <= wanted.window.columns) {
        wanted.window.columns = map.columns;
        wanted.shift_columns = 0;
    }
    return wanted;
}

Tensor relative_position_index(GridSize window, Device device) {
    const std::int64_t n = window.area();
    std::vector<double> index;
    index.reserve(static_cast<std::size_t>(n * n));
    for (std::int64_t query = 0; query < n; ++query)
        for (std::int64_t key = 0; key < n; ++key) {
            const std::int64_t dr = query / window.columns - key / window.columns;
            const std::int64_t dc = query % window.columns - key % window.columns;
            index.push_back(static_cast<double>((dr + window.rows - 1) * (2 * window.columns - 1) +
                                                dc + window.columns - 1));
        }
    return Tensor::from(index, {n, n}, DType::I64, device);
}

Tensor shift_mask(GridSize map, const ShiftedWindow& w, double masked_value, DType dtype,
                  Device device) {
    const std::int64_t rows = round_up(map.rows, w.window.rows);
    const std::int64_t columns = round_up(map.columns, w.window.columns);
    const std::int64_t n = w.window.area();
    std::vector<double> mask;
    mask.reserve(static_cast<std::size_t>(rows * columns * n));
    std::vector<std::int64_t> region(static_cast<std::size_t>(n));
    for (std::int64_t top = 0; top < rows; top += w.window.rows)
        for (std::int64_t left = 0; left < columns; left += w.window.columns) {
            for (std::int64_t i = 0; i < n; ++i)
                region[static_cast<std::size_t>(i)] =
                    3 * band(top + i / w.window.columns, rows, w.window.rows, w.shift_rows) +
                    band(left + i % w.window.columns, columns, w.window.columns, w.shift_columns);
            for (const std::int64_t query : region)
                for (const std::int64_t key : region)
                    mask.push_back(query == key ? 0.0 : masked_value);
        }
    return Tensor::from(mask, {rows * columns / n, n, n}, dtype, device);
}

}  // namespace fovea
