// Relative position bias tables for windows of another size. The way is BEiT's (Bao et al. 2021), with the
// linear interpolation that timm uses.
#include <algorithm>
#include <vector>

#include "core/ops/check.h"
#include "layers/window_attention.h"

namespace fovea {
namespace {

/// 1 + q + q^2 + ... (n terms).
double geometric_sum(double q, std::int64_t n) {
    double sum = 0.0, power = 1.0;
    for (std::int64_t i = 0; i < n; ++i, power *= q) sum += power;
    return sum;
}

/// Places for the old offsets -n .. n along an axis whose new offsets reach to `reach`: 0, 1, 1 + q,
/// 1 + q + q^2, ... to both sides, with the q in [1.01, 1.5] whose last place is closest to `reach`.
std::vector<double> old_places(std::int64_t n, std::int64_t reach) {
    double low = 1.01, high = 1.5, q = low;
    while (high - low > 1e-6) {
        q = (low + high) / 2.0;
        (geometric_sum(q, n) > static_cast<double>(reach) ? high : low) = q;
    }
    std::vector<double> places;
    for (std::int64_t i = -n; i <= n; ++i)
        places.push_back(i < 0 ? -geometric_sum(q, -i) : geometric_sum(q, i));
    return places;
}

/// Weight of old offset `left` and of the one after it.
struct Blend {
    std::size_t left;
    double share;  ///< of the right one
};

/// For every new offset -reach .. reach between which old ones it lies; beyond the ends, the end.
std::vector<Blend> blends(std::int64_t old_extent, std::int64_t new_extent) {
    std::vector<Blend> out;
    const std::vector<double> places = old_places(old_extent - 1, new_extent - 1);
    for (std::int64_t offset = 1 - new_extent; offset < new_extent; ++offset) {
        const auto at = static_cast<double>(offset);
        if (places.size() == 1 || at <= places.front()) {
            out.push_back({0, 0.0});
            continue;
        }
        const auto above = std::lower_bound(places.begin(), places.end(), at);
        const std::size_t right = std::min<std::size_t>(
            static_cast<std::size_t>(above - places.begin()), places.size() - 1);
        const double gap = places[right] - places[right - 1];
        out.push_back({right - 1, std::min(1.0, (at - places[right - 1]) / gap)});
    }
    return out;
}

}  // namespace

Tensor resize_bias_table(const Tensor& table, GridSize from, GridSize to) {
    const std::int64_t rows = 2 * from.rows - 1, columns = 2 * from.columns - 1;
    ops::check(table.rank() == 2 && table.size(0) == rows * columns, "resize_bias_table",
               "table [(2 rows - 1) (2 columns - 1), heads]", table);
    if (from == to) return table;
    const std::int64_t heads = table.size(1);
    const std::vector<double> old = table.to_vector();
    const auto value = [&](std::size_t r, std::size_t c, std::int64_t head) {
        const auto row = static_cast<std::int64_t>(r), column = static_cast<std::int64_t>(c);
        return old[static_cast<std::size_t>(
            (std::min(row, rows - 1) * columns + std::min(column, columns - 1)) * heads + head)];
    };
    std::vector<double> values;
    for (const Blend& r : blends(from.rows, to.rows))
        for (const Blend& c : blends(from.columns, to.columns))
            for (std::int64_t h = 0; h < heads; ++h) {
                const auto along = [&](std::size_t row) {
                    return (1.0 - c.share) * value(row, c.left, h) +
                           c.share * value(row, c.left + 1, h);
                };
                values.push_back((1.0 - r.share) * along(r.left) + r.share * along(r.left + 1));
            }
    return Tensor::from(values, {(2 * to.rows - 1) * (2 * to.columns - 1), heads},
                        table.dtype() == DType::F64 ? DType::F64 : DType::F32, table.device());
}

}  // namespace fovea
