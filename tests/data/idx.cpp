// The idx reader: what it reads, and how each kind of damage is reported.
#include "data/idx.h"

#include <zlib.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>

#include "core/error.h"
#include "data/idx_dataset.h"
#include "data/registry.h"

using namespace fovea;

namespace {

namespace fs = std::filesystem;
using Bytes = std::vector<std::uint8_t>;

Bytes idx(std::uint8_t type, const std::vector<std::uint32_t>& extents, const Bytes& elements) {
    Bytes b{0, 0, type, static_cast<std::uint8_t>(extents.size())};
    for (const std::uint32_t e : extents)
        for (int shift = 24; shift >= 0; shift -= 8)
            b.push_back(static_cast<std::uint8_t>(e >> shift));
    b.insert(b.end(), elements.begin(), elements.end());
    return b;
}

Bytes gzip(const Bytes& plain) {
    z_stream z{};
    deflateInit2(&z, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
    Bytes out(plain.size() + 1000);
    z.next_in = const_cast<Bytef*>(plain.data());
    z.avail_in = static_cast<uInt>(plain.size());
    z.next_out = out.data();
    z.avail_out = static_cast<uInt>(out.size());
    deflate(&z, Z_FINISH);
    out.resize(z.total_out);
    deflateEnd(&z);
    return out;
}

Bytes without_end(Bytes b, std::size_t n) {
    b.resize(b.size() - n);
    return b;
}

Bytes with(Bytes b, std::size_t at, std::uint8_t value) {
    b.at(at) = value;
    return b;
}

Bytes appended(Bytes b, std::uint8_t value) {
    b.push_back(value);
    return b;
}

/// A folder that is removed at the end of the test.
struct Folder {
    fs::path path;
    Folder() {
        std::string name = (fs::temp_directory_path() / "fovea_idx_XXXXXX").string();
        REQUIRE(mkdtemp(name.data()) != nullptr);
        path = name;
    }
    ~Folder() { fs::remove_all(path); }
    void write(const std::string& name, const Bytes& b) const {
        fs::create_directories((path / name).parent_path());
        std::ofstream(path / name, std::ios::binary)
            .write(reinterpret_cast<const char*>(b.data()), static_cast<std::streamsize>(b.size()));
    }
};

std::string code_of(const std::function<void()>& call, std::string* message = nullptr) {
    try {
        call();
    } catch (const Error& e) {
        if (message) *message = e.message();
        CHECK_FALSE(e.at().empty());
        CHECK_FALSE(e.attempt().empty());
        CHECK(e.exit() == Exit::Data);
        return e.code();
    }
    return "none";
}

}  // namespace

TEST_CASE("idx: every element type, rank and both packings are read") {
    const Bytes six{1, 2, 3, 4, 5, 6};
    for (const Bytes& file : {idx(8, {2, 3}, six), gzip(idx(8, {2, 3}, six))}) {
        const IdxArray a = read_idx(file, "t");
        CHECK(a.type == IdxType::U8);
        CHECK(a.shape == Shape{2, 3});
        CHECK(a.bytes == six);
    }
    const IdxArray shorts = read_idx(idx(0x0B, {2}, {0x01, 0x02, 0xFF, 0xFE}), "t");
    std::int16_t s[2];
    std::memcpy(s, shorts.bytes.data(), 4);
    CHECK(s[0] == 258);
    CHECK(s[1] == -2);
    const IdxArray ints = read_idx(idx(0x0C, {1}, {0x80, 0, 0, 1}), "t");
    std::int32_t i;
    std::memcpy(&i, ints.bytes.data(), 4);
    CHECK(i == -2147483647);
    const IdxArray floats = read_idx(idx(0x0D, {1}, {0x3F, 0xC0, 0, 0}), "t");
    float f;
    std::memcpy(&f, floats.bytes.data(), 4);
    CHECK(f == 1.5f);
    const IdxArray doubles = read_idx(idx(0x0E, {1}, {0xC0, 0x04, 0, 0, 0, 0, 0, 0}), "t");
    double d;
    std::memcpy(&d, doubles.bytes.data(), 8);
    CHECK(d == -2.5);
    CHECK(read_idx(idx(9, {1, 1, 1, 1, 1, 1}, {7}), "t").shape.rank == 6);
    CHECK(read_idx(idx(8, {0, 28, 28}, {}), "t").bytes.empty());
}

TEST_CASE("idx: malformed files have the right error code") {
    const Bytes good = idx(8, {2, 3}, {1, 2, 3, 4, 5, 6});
    const Bytes packed = gzip(good);
    struct Case {
        const char* name;
        Bytes file;
        const char* code;
        const char* says;
    };
    const std::vector<Case> cases{
        {"empty file", {}, "D03", "empty"},
        {"one byte", {0}, "D03", "too short"},
        {"three bytes", {0, 0, 8}, "D03", "too short"},
        {"first byte not 0", with(good, 0, 1), "D03", "01 00 08 02"},
        {"second byte not 0", with(good, 1, 0x50), "D03", "not an idx file"},
        {"little-endian magic", with(with(with(good, 0, 3), 2, 0), 1, 8), "D03", "not an idx file"},
        {"type 0", with(good, 2, 0), "D03", "type"},
        {"type 7", with(good, 2, 7), "D03", "type"},
        {"type 0x0a", with(good, 2, 0x0A), "D03", "type"},
        {"type 0x0f", with(good, 2, 0x0F), "D03", "type"},
        {"rank 0", with(good, 3, 0), "D03", "rank is 0"},
        {"rank 7", with(good, 3, 7), "D03", "rank is 7"},
        {"rank 255", with(good, 3, 255), "D03", "rank is 255"},
        {"no extents", {0, 0, 8, 3}, "D05", "at least 12 bytes"},
        {"half an extent", {0, 0, 8, 2, 0, 0}, "D05", "at least 6 bytes"},
        {"no elements", idx(8, {2, 3}, {}), "D05", " 6 bytes"},
        {"one byte short", without_end(good, 1), "D05", " 1 bytes"},
        {"many bytes short", idx(8, {1234, 28, 28}, {}), "D05", "967,456 bytes"},
        {"one byte too many", appended(good, 0), "D05", "goes on"},
        {"element size ignored", idx(0x0B, {3}, {1, 2, 3}), "D05", " 3 bytes"},
        {"first extent too small", with(good, 7, 1), "D05", "goes on"},
        {"product overflows 64 bits", idx(0x0E, std::vector<std::uint32_t>(6, 0xFFFFFFFF), {}),
         "D03", "16 GiB"},
        {"4 GiB claimed by 8 bytes", idx(8, {0xFFFFFFFF}, {}), "D05", "4,294,967,295"},
        {"gzip: 4 GiB claimed", gzip(idx(8, {0xFFFFFFFF}, {1, 2, 3})), "D05", "at least"},
        {"gzip: 1 MB claimed", gzip(idx(8, {50000}, {1, 2, 3})), "D05", "49,997"},
        {"gzip: magic only", {0x1F, 0x8B}, "D05", "ends early"},
        {"gzip: cut in the data", without_end(packed, 12), "D05", "ends early"},
        {"gzip: cut in the checksum", without_end(packed, 3), "D05", "ends early"},
        {"gzip: wrong checksum", with(packed, packed.size() - 8, packed[packed.size() - 8] ^ 1),
         "D05", "damaged"},
        {"gzip: wrong method", with(packed, 2, 7), "D05", "damaged"},
        {"gzip: bytes after the end", appended(packed, 9), "D05", "follow"},
        {"gzip: bad magic inside", gzip(with(good, 0, 9)), "D03", "not an idx file"},
        {"gzip: trailing element", gzip(appended(good, 9)), "D05", "goes on"},
        {"gzip: nothing inside", gzip({}), "D03", "empty"},
    };
    for (const Case& c : cases) {
        INFO(c.name);
        std::string message;
        CHECK(code_of([&] { read_idx(c.file, "file.idx"); }, &message) == c.code);
        CHECK_THAT(message, Catch::Contains(c.says));
        CHECK(message.find('\n') == std::string::npos);
    }
}

TEST_CASE("idx: a file cut anywhere is refused") {
    const Bytes good = idx(8, {10, 10, 3}, Bytes(300, 7));
    for (const Bytes& whole : {good, gzip(good)}) {
        for (std::size_t n = 0; n < whole.size(); ++n) {
            INFO(n << " of " << whole.size() << " bytes");
            CHECK_THROWS_AS(
                read_idx(Bytes(whole.begin(), whole.begin() + static_cast<long>(n)), "t"), Error);
        }
    }
}

TEST_CASE("idx data sets: files that do not fit each other") {
    const Folder folder;
    const Bytes images = idx(8, {3, 2, 2}, Bytes(12, 1)), labels = idx(8, {3}, {0, 1, 2});
    const auto open = [&](const Bytes& i, const Bytes& l) {
        folder.write("i", i);
        folder.write("l", l);
        return open_idx(folder.path / "i", folder.path / "l", "t", {"a", "b", "c"});
    };
    CHECK(open(images, labels)->size() == 3);
    CHECK(open(idx(8, {3, 2, 2, 3}, Bytes(36, 1)), labels)->info().channels == 3);
    std::string message;
    CHECK(code_of([&] { open(images, idx(8, {2}, {0, 1})); }, &message) == "D08");
    CHECK(message == "3 images, but 2 labels");
    CHECK(code_of([&] { open(images, idx(8, {3}, {0, 3, 9})); }, &message) == "D08");
    CHECK(message == "label 3 of sample 1 is outside the 3 classes");
    CHECK(code_of([&] { open(labels, labels); }) == "D08");
    CHECK(code_of([&] { open(images, images); }) == "D08");
    CHECK(code_of([&] { open(images, idx(9, {3}, {0, 1, 2})); }) == "D08");
    CHECK(code_of([&] { open(idx(0x0B, {3, 2, 2}, Bytes(24, 1)), labels); }) == "D08");
    CHECK(code_of([&] { open(idx(8, {3, 2, 2, 2}, Bytes(24, 1)), labels); }) == "D08");
    CHECK(code_of([&] { open(idx(8, {3, 0, 2}, {}), labels); }) == "D08");
    CHECK(code_of([&] { open_idx(folder.path / "none", folder.path / "l", "t", {}); }) == "D01");
    CHECK(code_of([&] { open_idx(folder.path, folder.path / "l", "t", {}); }) == "D01");
}

TEST_CASE("idx data sets: layouts are found, or the error says what is missing") {
    const Folder folder;
    const std::string root = folder.path.string();
    std::string message;
    CHECK(code_of([&] { open_dataset(root + "/none"); }) == "D01");
    CHECK(code_of([&] { open_dataset(root); }, &message) == "D02");
    try {
        open_dataset(root, "tar");
        FAIL("an unknown format was taken");
    } catch (const Error& e) {
        CHECK(e.code() == "C03");
    }
    const Bytes images = idx(8, {2, 2, 2}, Bytes(8, 1)), labels = idx(8, {2}, {4, 1});
    const std::string raw = "FashionMNIST/raw/";
    folder.write(raw + "train-images-idx3-ubyte", images);
    folder.write(raw + "train-labels-idx1-ubyte.gz", gzip(labels));
    folder.write(raw + "t10k-images-idx3-ubyte.gz", gzip(images));
    CHECK(code_of([&] { open_dataset(root); }, &message) == "D02");
    CHECK_THAT(message, Catch::EndsWith("missing: t10k-labels-idx1-ubyte"));
    folder.write(raw + "t10k-labels-idx1-ubyte", labels);
    const DatasetPair pair = open_dataset(root);
    CHECK(pair.train->size() == 2);
    CHECK(pair.test->class_names() == std::vector<std::string>{"0", "1", "2", "3", "4"});
    CHECK(open_dataset(root, "fashion-mnist").train->class_names().back() == "Ankle boot");
    CHECK_FALSE(open_dataset(root, "idx", Split::Test).train);
    folder.write(raw + "t10k-labels-idx1-ubyte", idx(8, {2}, {5, 1}));
    CHECK(code_of([&] { open_dataset(root); }) == "D08");
}
