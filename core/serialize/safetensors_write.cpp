#include <algorithm>
#include <bit>
#include <cstdio>
#include <numeric>
#include <set>

#include "core/error.h"
#include "core/serialize/atomic_file.h"
#include "core/serialize/safetensors.h"
#include "core/serialize/utf8.h"

namespace fovea {
namespace {

static_assert(std::endian::native == std::endian::little,
              "tensors are written as they lie in memory");

[[noreturn]] void refuse(const std::string& what, const std::string& at) {
    throw Error("K17", what, at, "rename it, or leave it out");
}

std::string json_string(const std::string& text) {
    if (!is_valid_utf8(text)) refuse("text for a safetensors header is not UTF-8", text);
    std::string out = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\') {
            out += '\\';
            out += c;
        } else if (c == '\n') {  // recipes have many: keep them readable
            out += "\\n";
        } else if (static_cast<unsigned char>(c) < 0x20) {
            char escape[8];
            std::snprintf(escape, sizeof escape, "\\u%04x", static_cast<unsigned>(c));
            out += escape;
        } else {
            out += c;
        }
    }
    return out + '"';
}

void check(std::span<const NamedTensor> tensors, const Metadata& metadata) {
    std::set<std::string_view> names;
    for (const NamedTensor& t : tensors) {
        if (t.name == "__metadata__") refuse("a tensor may not be called __metadata__", t.name);
        if (t.name.size() > kMaxNameBytes) refuse("the tensor's name is too long", t.name);
        if (!names.insert(t.name).second) refuse("two tensors have one name", t.name);
        if (t.bytes.size() != static_cast<std::uint64_t>(t.shape.numel()) * size_of(t.dtype))
            refuse("the tensor's bytes do not fit its dtype and shape", t.name);
    }
    for (const auto& [key, value] : metadata)
        if (key.size() > kMaxNameBytes) refuse("the metadata key is too long", key);
    if (tensors.size() + metadata.size() > kMaxHeaderEntries)
        refuse("too many tensors and metadata entries for one file",
               std::to_string(tensors.size() + metadata.size()));
}

// "[2,3]"
template <class Range>
std::string json_numbers(const Range& numbers) {
    std::string out;
    for (const auto n : numbers) out += (out.empty() ? '[' : ',') + std::to_string(n);
    return (out.empty() ? "[" : out) + ']';
}

std::string length_prefix(std::uint64_t length) {
    std::string bytes;
    for (int shift = 0; shift < 64; shift += 8)
        bytes += static_cast<char>((length >> shift) & 0xFF);
    return bytes;
}

}  // namespace

SafetensorsLayout layout_safetensors(std::span<const NamedTensor> tensors,
                                     const Metadata& metadata) {
    check(tensors, metadata);
    SafetensorsLayout layout;
    layout.order.resize(tensors.size());
    std::iota(layout.order.begin(), layout.order.end(), std::size_t{0});
    std::sort(layout.order.begin(), layout.order.end(), [&](std::size_t a, std::size_t b) {
        const std::size_t size_a = size_of(tensors[a].dtype), size_b = size_of(tensors[b].dtype);
        return size_a != size_b ? size_a > size_b : tensors[a].name < tensors[b].name;
    });

    std::string json;
    const auto add = [&json](const std::string& name, const std::string& value) {
        json += (json.empty() ? '{' : ',') + json_string(name) + ':' + value;
    };
    if (!metadata.empty()) {
        std::string object;
        for (const auto& [key, value] : metadata)
            object += (object.empty() ? '{' : ',') + json_string(key) + ':' + json_string(value);
        add("__metadata__", object + '}');
    }
    std::uint64_t offset = 0;
    for (const std::size_t i : layout.order) {
        const NamedTensor& t = tensors[i];
        const std::uint64_t range[] = {offset, offset + t.bytes.size()};
        add(t.name, std::string("{\"dtype\":\"") + name_of(t.dtype) + "\",\"shape\":" +
                        json_numbers(t.shape) + ",\"data_offsets\":" + json_numbers(range) + '}');
        offset = range[1];
    }
    json += json.empty() ? "{}" : "}";
    json.resize((json.size() + 7) / 8 * 8, ' ');
    if (json.size() > kMaxHeaderBytes)
        refuse("the safetensors header would be too long", std::to_string(json.size()) + " bytes");

    layout.header = length_prefix(json.size()) + json;
    layout.file_bytes = layout.header.size() + offset;
    return layout;
}

void write_safetensors(AtomicFile& file, const SafetensorsLayout& layout,
                       std::span<const NamedTensor> tensors) {
    file.write(layout.header);
    for (const std::size_t i : layout.order)
        file.write(tensors[i].bytes.data(), tensors[i].bytes.size());
}

void write_safetensors(const std::string& path, std::span<const NamedTensor> tensors,
                       const Metadata& metadata) {
    const SafetensorsLayout layout = layout_safetensors(tensors, metadata);
    AtomicFile file(path, layout.file_bytes);
    write_safetensors(file, layout, tensors);
    file.commit();
}

}  // namespace fovea
