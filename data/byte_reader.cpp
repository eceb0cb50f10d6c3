#include "data/byte_reader.h"

#include <zlib.h>

#include <algorithm>
#include <cstring>
#include <limits>

#include "core/error.h"

namespace fovea {

struct ByteReader::Inflater {
    z_stream z{};
    bool ended = false;

    Inflater() {
        if (inflateInit2(&z, 16 + MAX_WBITS) != Z_OK)  // 16: gzip header and CRC
            throw Error("M01", "no memory for zlib", {}, "close other programs");
    }
    ~Inflater() { inflateEnd(&z); }
    Inflater(const Inflater&) = delete;
    Inflater& operator=(const Inflater&) = delete;
};

ByteReader::ByteReader(std::span<const std::uint8_t> bytes, std::string name)
    : left_(bytes), name_(std::move(name)) {
    if (bytes.size() >= 2 && bytes[0] == 0x1F && bytes[1] == 0x8B)
        inflater_ = std::make_unique<Inflater>();
}

ByteReader::~ByteReader() = default;

std::size_t ByteReader::read(std::uint8_t* to, std::size_t n) {
    if (!inflater_) {
        n = std::min(n, left_.size());
        if (n > 0) std::memcpy(to, left_.data(), n);
        left_ = left_.subspan(n);
        return n;
    }
    constexpr std::size_t kMost = std::numeric_limits<uInt>::max();
    z_stream& z = inflater_->z;
    std::size_t done = 0;
    while (done < n && !inflater_->ended) {
        z.next_in = const_cast<Bytef*>(left_.data());  // zlib does not write to its input
        z.avail_in = static_cast<uInt>(std::min(left_.size(), kMost));
        z.next_out = to + done;
        z.avail_out = static_cast<uInt>(std::min(n - done, kMost));
        const uInt in = z.avail_in, out = z.avail_out;
        const int rc = inflate(&z, Z_NO_FLUSH);
        left_ = left_.subspan(in - z.avail_in);
        done += out - z.avail_out;
        if (rc == Z_STREAM_END) {
            inflater_->ended = true;
            if (!left_.empty())
                throw Error("D05", std::to_string(left_.size()) + " bytes follow the gzip data",
                            name_, "download the file again");
        } else if (rc == Z_BUF_ERROR || (rc == Z_OK && in == z.avail_in && out == z.avail_out)) {
            throw Error("D05", "gzip data ends early", name_,
                        "the copy is incomplete: copy it again");
        } else if (rc != Z_OK) {
            throw Error("D05",
                        std::string("gzip data is damaged: ") + (z.msg ? z.msg : "unknown reason"),
                        name_, "download the file again");
        }
    }
    return done;
}

std::uint64_t ByteReader::most_left() const {
    if (!inflater_) return left_.size();
    constexpr std::uint64_t kRatio = 1032,
                            kWindow = 65536;  // zlib may hold a window of output back
    return left_.size() * kRatio + kWindow;
}

}  // namespace fovea
