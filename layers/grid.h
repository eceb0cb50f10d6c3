// GridSize: rows and columns of a feature map, a token grid or a window.
#pragma once

#include <cstdint>

namespace fovea {

struct GridSize {
    std::int64_t rows = 1, columns = 1;
    constexpr std::int64_t area() const { return rows * columns; }
    constexpr bool operator==(const GridSize& o) const {
        return rows == o.rows && columns == o.columns;
    }
};

}  // namespace fovea
