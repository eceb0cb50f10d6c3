#include "apps/common/html.h"

#include <algorithm>
#include <fstream>
#include <sstream>

#include "core/serialize/utf8.h"
#include "data/image_io.h"
#include "data/image_ops.h"

namespace fovea::apps {
namespace {

/// Bytes of the UTF-8 code point that begins at text[i], 0 if none does.
std::size_t code_point_size(std::string_view text, std::size_t i) {
    for (std::size_t n = 1; n <= 4 && i + n <= text.size(); ++n)
        if (is_valid_utf8(text.substr(i, n))) return n;
    return 0;
}

/// U+200E/F, U+202A..E, U+2066..9: invisible marks that change the reading direction.
bool is_direction_mark(std::string_view point) {
    if (point.size() != 3 || point[0] != '\xE2') return false;
    const auto second = static_cast<unsigned char>(point[1]);
    const auto third = static_cast<unsigned char>(point[2]);
    return (second == 0x80 &&
            (third == 0x8E || third == 0x8F || (third >= 0xAA && third <= 0xAE))) ||
           (second == 0x81 && third >= 0xA6 && third <= 0xA9);
}

void replace_all(std::string& text, const std::string& from, const std::string& to) {
    for (std::size_t at = text.find(from); at != std::string::npos;
         at = text.find(from, at + to.size()))
        text.replace(at, from.size(), to);
}

}  // namespace

std::string clean_utf8(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size();) {
        const std::size_t size = code_point_size(text, i);
        const std::string_view point = text.substr(i, std::max<std::size_t>(1, size));
        i += point.size();
        const auto first = static_cast<unsigned char>(point[0]);
        if (size == 0) {
            out += "\xEF\xBF\xBD";  // U+FFFD
        } else if (first < 0x20 && point != "\n" && point != "\t") {
            out += ' ';
        } else if (first != 0x7F && !is_direction_mark(point)) {
            out += point;
        }
    }
    return out;
}

std::string escape_html(std::string_view text) {
    std::string out;
    for (const char c : clean_utf8(text)) {
        switch (c) {
            case '&': out += "&amp;"; break;
            case '<': out += "&lt;"; break;
            case '>': out += "&gt;"; break;
            case '"': out += "&quot;"; break;
            case '\'': out += "&#39;"; break;
            default: out += c;
        }
    }
    return out;
}

std::string shortened(std::string_view text, std::size_t longest) {
    std::size_t points = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const bool starts = (static_cast<unsigned char>(text[i]) & 0xC0) != 0x80;
        if (starts && points++ == longest) return std::string(text.substr(0, i)) + "…";
    }
    return std::string(text);
}

std::string label_html(std::string_view text, std::size_t longest) {
    return "<bdi>" + escape_html(shortened(text, longest)) + "</bdi>";
}

std::string base64(std::span<const std::uint8_t> bytes) {
    constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string out;
    out.reserve((bytes.size() + 2) / 3 * 4);
    for (std::size_t i = 0; i < bytes.size(); i += 3) {
        const std::size_t n = std::min<std::size_t>(3, bytes.size() - i);
        std::uint32_t group = 0;
        for (std::size_t j = 0; j < 3; ++j) group = group << 8 | (j < n ? bytes[i + j] : 0u);
        for (std::size_t j = 0; j < 4; ++j)
            out += j <= n ? kDigits[group >> (18 - 6 * j) & 63] : '=';
    }
    return out;
}

std::string png_uri(const ImageView& image, int longest_side) {
    const int longest = std::max(image.width, image.height);
    Image small;
    ImageView shown = image;
    if (longest > longest_side) {
        const auto fit = [&](int side) {
            return std::max(1, static_cast<int>(std::int64_t{side} * longest_side / longest));
        };
        small = resize(image, fit(image.height), fit(image.width), ResizeFilter::Bilinear);
        shown = small.view();
    }
    return "data:image/png;base64," + base64(encode_png(shown));
}

std::string inline_svg(const std::filesystem::path& file, const std::string& prefix) {
    std::ifstream in(file, std::ios::binary);
    std::ostringstream content;
    content << in.rdbuf();
    std::string text = content.str();
    const std::size_t start = text.find("<svg");
    if (start == std::string::npos || text.find("</svg>") == std::string::npos) return {};
    if (text.find("<script") != std::string::npos) return {};  // not drawn by our scripts
    text.erase(0, start);
    // gnuplot's own title would show as a tooltip all over the plot.
    const std::size_t title = text.find("<title>Gnuplot</title>");
    if (title != std::string::npos) text.erase(title, std::string("<title>Gnuplot</title>").size());
    replace_all(text, " id=\"", " id=\"" + prefix);
    replace_all(text, " id='", " id='" + prefix);
    replace_all(text, "href='#", "href='#" + prefix);
    replace_all(text, "href=\"#", "href=\"#" + prefix);
    replace_all(text, "url(#", "url(#" + prefix);
    return text;
}

}  // namespace fovea::apps
