#include "data/pnm.h"

#include <algorithm>

namespace fovea {
namespace {

bool space(std::uint8_t c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

/// Next number of the header, 0 when there is none or it is larger than 99,999,999.
std::int64_t number(std::span<const std::uint8_t> file, std::size_t& at) {
    while (at < file.size() && (space(file[at]) || file[at] == '#')) {
        if (file[at] == '#')
            while (at < file.size() && file[at] != '\n') ++at;
        else
            ++at;
    }
    std::int64_t value = 0;
    for (int digits = 0; at < file.size() && file[at] >= '0' && file[at] <= '9'; ++at) {
        if (++digits > 8) return 0;
        value = 10 * value + (file[at] - '0');
    }
    return value;
}

}  // namespace

PnmHeader read_pnm_header(std::span<const std::uint8_t> file) {
    PnmHeader h;
    std::size_t at = 2;
    h.channels = file.size() > 1 && file[1] == '6' ? 3 : 1;
    h.width = number(file, at);
    h.height = number(file, at);
    const std::int64_t most = number(file, at);
    if (h.width < 1 || h.height < 1)
        h.error = "PNM header has no valid size";
    else if (most < 1 || most > 65535)
        h.error = "PNM header's maximum is not within 1 to 65535";
    else if (at >= file.size() || !space(file[at]))
        h.error = "PNM header is not followed by pixels";
    h.most = static_cast<int>(most);
    h.data = at + 1;
    return h;
}

bool read_pnm_pixels(std::span<const std::uint8_t> file, const PnmHeader& header,
                     std::uint8_t* to) {
    const std::size_t n = static_cast<std::size_t>(header.width * header.height) *
                          static_cast<std::size_t>(header.channels);
    const std::size_t size = header.most > 255 ? 2 : 1;
    if (file.size() - header.data < n * size) return false;
    const std::uint8_t* p = file.data() + header.data;
    for (std::size_t i = 0; i < n; ++i, p += size) {
        const int value = std::min(header.most, size == 2 ? p[0] << 8 | p[1] : p[0]);
        to[i] = static_cast<std::uint8_t>((value * 255 + header.most / 2) / header.most);
    }
    return true;
}

}  // namespace fovea
