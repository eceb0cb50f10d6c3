#include "core/suggest.h"

#include <algorithm>
#include <vector>

namespace fovea {

int edit_distance(std::string_view a, std::string_view b) {
    const std::size_t width = b.size() + 1;
    std::vector<int> before(width), last(width), now(width);  // rows i-2, i-1, i of the table
    for (std::size_t j = 0; j < width; ++j) last[j] = static_cast<int>(j);
    for (std::size_t i = 1; i <= a.size(); ++i) {
        now[0] = static_cast<int>(i);
        for (std::size_t j = 1; j < width; ++j) {
            const int change = a[i - 1] == b[j - 1] ? 0 : 1;
            now[j] = std::min({last[j] + 1, now[j - 1] + 1, last[j - 1] + change});
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                now[j] = std::min(now[j], before[j - 2] + 1);
        }
        std::swap(before, last);
        std::swap(last, now);
    }
    return last[b.size()];
}

std::string suggest(std::string_view name, std::span<const std::string> candidates) {
    const std::string* nearest = nullptr;
    int least = 0;
    for (const std::string& candidate : candidates) {
        const int distance = edit_distance(name, candidate);
        if (nearest == nullptr || distance < least) nearest = &candidate, least = distance;
    }
    if (nearest == nullptr) return {};
    const auto longer = static_cast<int>(std::max(name.size(), nearest->size()));
    return 3 * least <= longer ? *nearest : std::string{};
}

}  // namespace fovea
