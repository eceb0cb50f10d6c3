// Safe pieces of HTML.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "data/image.h"

namespace fovea::apps {

/// Valid UTF-8 without surprises: other bytes become U+FFFD, control characters (but line break and
/// tab) a space, and marks that could reorder their surroundings are dropped.
std::string clean_utf8(std::string_view text);

/// clean_utf8() with & < > " ' escaped, for an element or an attribute.
std::string escape_html(std::string_view text);

/// The first `longest` code points, with "…" when cut.
std::string shortened(std::string_view text, std::size_t longest);

/// A label: shortened, escaped, and isolated from the direction of its neighbours (<bdi>).
std::string label_html(std::string_view text, std::size_t longest = 40);

std::string base64(std::span<const std::uint8_t> bytes);

/// data: URI of a PNG whose sides are at most `longest_side` pixels.
std::string png_uri(const ImageView& image, int longest_side = 160);

/// An SVG file as an element of the page: no XML prologue, ids prefixed with `prefix` so that two
/// plots do not share them. "" if there is no such file, or a script is in it.
std::string inline_svg(const std::filesystem::path& file, const std::string& prefix);

}  // namespace fovea::apps
