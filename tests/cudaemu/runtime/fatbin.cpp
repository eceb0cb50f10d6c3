#include "tests/cudaemu/runtime/fatbin.h"

#include <lz4.h>
#include <zstd.h>

namespace emu {

namespace {
struct Wrapper {
    u32 magic, version;
    const u8* data;
    const void* other;
};
struct Header {
    u32 magic;
    u16 version, header_size;
    u64 size;
};
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
constexpr u64 kLz4 = 0x2000, kZstd = 0x8000;
}  // namespace

std::vector<PtxEntry> fatbin_ptx(const void* wrapper) {
    std::vector<PtxEntry> out;
    const Wrapper* w = static_cast<const Wrapper*>(wrapper);
    if (w->magic != 0x466243b1) die(format("unknown fat binary wrapper magic 0x%x", w->magic));
    const u8* p = w->data;
    Header h;
    memcpy(&h, p, sizeof(h));
    if (h.magic != 0xba55ed50) die(format("unknown fat binary magic 0x%x", h.magic));
    const u8* end = p + h.header_size + h.size;
    p += h.header_size;
    while (p + sizeof(Entry) <= end) {
        Entry e;
        memcpy(&e, p, sizeof(e));
        if (!e.header_size) break;
        const char* payload = reinterpret_cast<const char*>(p + e.header_size);
        if (e.kind == 1) {
            PtxEntry x;
            x.arch = int(e.arch);
            if (e.flags & (kLz4 | kZstd)) {
                x.text.resize(e.raw_size);
                size_t n = e.compressed_size ? e.compressed_size : e.size;
                if (e.flags & kZstd) {
                    size_t r = ZSTD_decompress(x.text.data(), e.raw_size, payload, n);
                    if (ZSTD_isError(r))
                        die(std::string("fat binary: zstd: ") + ZSTD_getErrorName(r));
                    x.text.resize(r);
                } else {
                    int r = LZ4_decompress_safe(payload, x.text.data(), int(n), int(e.raw_size));
                    if (r < 0) die("fat binary: lz4 decompression failed");
                    x.text.resize(size_t(r));
                }
            } else {
                x.text.assign(payload, e.size);
            }
            size_t z = x.text.find('\0');
            if (z != std::string::npos) x.text.resize(z);
            out.push_back(std::move(x));
        }
        p += e.header_size + e.size;
    }
    return out;
}

}  // namespace emu
