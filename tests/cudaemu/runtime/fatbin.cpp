#include "tests/cudaemu/runtime/fatbin.h"

#include <lz4.h>
#include <zstd.h>

#include "tests/cudaemu/base.h"

namespace fovea::cudaemu {

namespace {

struct Wrapper {
    u32 magic, version;
    const u8* data;
    const void* other;
};
constexpr u32 kWrapperMagic = 0x466243b1;

struct Header {
    u32 magic;
    u16 version, header_size;
    u64 size;  // of the entries that follow
};
constexpr u32 kHeaderMagic = 0xba55ed50;

struct Entry {
    u16 kind, version;
    u32 header_size;
    u64 size;             // payload bytes, padded
    u32 compressed_size;  // valid bytes of a compressed payload
    u32 options_offset;
    u16 minor, major;
    u32 arch;
    u32 name_offset, name_size;
    u64 flags;
    u64 zero;
    u64 raw_size;  // after decompression
};
constexpr u16 kPtx = 1;
constexpr u64 kLz4 = 0x2000, kZstd = 0x8000;

std::string payload_text(const Entry& e, const char* payload) {
    if (!(e.flags & (kLz4 | kZstd))) return std::string(payload, e.size);
    std::string text(e.raw_size, '\0');
    const size_t bytes = e.compressed_size ? e.compressed_size : e.size;
    if (e.flags & kZstd) {
        const size_t r = ZSTD_decompress(text.data(), text.size(), payload, bytes);
        if (ZSTD_isError(r)) die(std::string("fat binary: zstd: ") + ZSTD_getErrorName(r));
        text.resize(r);
    } else {
        const int r = LZ4_decompress_safe(payload, text.data(), int(bytes), int(text.size()));
        if (r < 0) die("fat binary: lz4 decompression failed");
        text.resize(size_t(r));
    }
    return text;
}

}  // namespace

std::vector<PtxEntry> fatbin_ptx(const void* wrapper) {
    const Wrapper* w = static_cast<const Wrapper*>(wrapper);
    if (w->magic != kWrapperMagic) die(format("unknown fat binary wrapper magic 0x%x", w->magic));
    const u8* p = w->data;
    Header h;
    memcpy(&h, p, sizeof(h));
    if (h.magic != kHeaderMagic) die(format("unknown fat binary magic 0x%x", h.magic));
    const u8* end = p + h.header_size + h.size;
    p += h.header_size;

    std::vector<PtxEntry> out;
    while (p + sizeof(Entry) <= end) {
        Entry e;
        memcpy(&e, p, sizeof(e));
        if (!e.header_size) break;
        if (e.kind == kPtx) {
            std::string text = payload_text(e, reinterpret_cast<const char*>(p + e.header_size));
            text.resize(std::min(text.size(), text.find('\0')));  // padding
            out.push_back({int(e.arch), std::move(text)});
        }
        p += e.header_size + e.size;
    }
    return out;
}

}  // namespace fovea::cudaemu
