// Files that must be read, written files byte by byte, and sweeps over every cut and every bit.
#include <algorithm>
#include <cmath>
#include <limits>

#include "tests/serialize/test_files.h"

namespace fovea::test {
namespace {

struct Sample {
    std::vector<float> weight = std::vector<float>(810, 0.5F);
    std::vector<double> moment = std::vector<double>(40, -2.0);
    std::vector<std::int64_t> count = {7};
    std::vector<std::uint16_t> half = {0x3C00, 0x4000, 0x4200};
    std::vector<std::uint8_t> image = {1, 2, 3, 4, 5};
    std::vector<std::int32_t> index = {-1, 2};
    std::vector<std::byte> none;

    std::vector<NamedTensor> tensors() const {
        return {{"image", DType::U8, {5}, bytes_of(image)},
                {"mask", DType::Bool, {0}, none},
                {"head.weight", DType::F32, {27, 30}, bytes_of(weight)},
                {"half", DType::F16, {3}, bytes_of(half)},
                {"brain", DType::BF16, {3, 1}, bytes_of(half)},
                {"count", DType::I64, {}, bytes_of(count)},
                {"index", DType::I32, {1, 2}, bytes_of(index)},
                {"adam.m", DType::F64, {2, 2, 10}, bytes_of(moment)}};
    }
};

std::vector<std::byte> read_bytes(const SafetensorsFile& file, const TensorInfo& info) {
    std::vector<std::byte> out(info.bytes());
    file.read(info, out.data());
    return out;
}

}  // namespace

TEST_CASE("what is written is read back") {
    const TempDir dir;
    const Sample sample;
    const std::vector<NamedTensor> tensors = sample.tensors();
    const Metadata metadata = {{"format", "pt"},
                               {"quote \" \\", "line\nnext\ttab \x01 \xC3\xA9 \xF0\x9F\x90\x88"}};
    write_safetensors(dir / "a.safetensors", tensors, metadata);
    const SafetensorsFile file = SafetensorsFile::open(dir / "a.safetensors");

    CHECK(file.metadata() == metadata);
    REQUIRE(file.tensors().size() == tensors.size());
    for (const NamedTensor& t : tensors) {
        INFO(t.name);
        const TensorInfo* info = file.find(t.name);
        REQUIRE(info != nullptr);
        CHECK(info->dtype == t.dtype);
        CHECK(info->shape == t.shape);
        CHECK(info->begin % size_of(t.dtype) == 0);
        CHECK(std::ranges::equal(read_bytes(file, *info), t.bytes));
    }
    CHECK(file.find("") == nullptr);
    CHECK(file.find("head") == nullptr);
    CHECK(file.find("zzz") == nullptr);
    CHECK(dir.names() == std::set<std::string>{"a.safetensors"});
}

TEST_CASE("the bytes of a file are a function of its content") {
    const TempDir dir;
    const Sample sample;
    std::vector<NamedTensor> tensors = sample.tensors();
    write_safetensors(dir / "a", tensors, {{"k", "v"}});
    std::ranges::reverse(tensors);
    write_safetensors(dir / "b", tensors, {{"k", "v"}});
    CHECK(read_text(dir / "a") == read_text(dir / "b"));

    const std::vector<float> w = {1.0F, -2.0F};
    const std::vector<std::uint8_t> u = {9};
    const std::vector<NamedTensor> small = {{"u", DType::U8, {1}, bytes_of(u)},
                                            {"w", DType::F32, {2}, bytes_of(w)}};
    write_safetensors(dir / "c", small, {{"format", "pt"}});
    const std::string header =
        "{\"__metadata__\":{\"format\":\"pt\"},"
        "\"w\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
        "\"u\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[8,9]}}";
    const std::string padded = header + std::string((8 - header.size() % 8) % 8, ' ');
    const std::string data("\0\0\x80\x3F\0\0\0\xC0\x09", 9);
    CHECK(read_text(dir / "c") == raw_file(padded, 0) + data);

    write_safetensors(dir / "d", {});
    CHECK(read_text(dir / "d") == raw_file("{}      ", 0));
    CHECK(SafetensorsFile::open(dir / "d").tensors().empty());
}

TEST_CASE("odd but legal files are read") {
    const TempDir dir;
    const std::string path = dir / "legal.safetensors";
    const auto opens = [&](const std::string& header, std::size_t data_bytes) {
        write_text(path, raw_file(header, data_bytes));
        const auto error = error_of([&] { SafetensorsFile::open(path); });
        INFO((error ? format_error(*error) : std::string()));
        CHECK_FALSE(error.has_value());
    };
    const std::string fields = "{\"data_offsets\":[0,4],\"shape\":[1,1,1,1,1,1],\"dtype\":\"F32\"}";
    opens("{}", 0);
    opens(" \n\t{} \n", 0);
    opens("{\"__metadata__\":{}}", 0);
    opens("{\"a\":" + fields + "}", 4);
    opens("{\"\":" + fields + "}", 4);
    opens("{\"" + std::string(kMaxNameBytes, 'n') + "\":" + fields + "}", 4);
    opens("{\"a\\u0000\\\"\":" + fields + ",\"__metadata__\":{\"after\":\"it\"}}", 4);
    opens("{\"z\":{\"dtype\":\"U8\",\"shape\":[0,9],\"data_offsets\":[4,4]},\"a\":" + fields +
              ",\"y\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}",
          4);
    // N = 0x0280 begins like a pickle, but what follows is a header.
    opens("{\"a\":" + fields + "}" + std::string(640 - 6 - fields.size(), ' '), 4);
}

TEST_CASE("a file cut at any byte is refused and says how much is missing") {
    const TempDir dir;
    const Sample sample;
    write_safetensors(dir / "whole", sample.tensors());
    const std::string whole = read_text(dir / "whole");
    REQUIRE(whole.size() > 4000);
    std::uint64_t header_bytes = 0;
    std::memcpy(&header_bytes, whole.data(), 8);

    const std::string path = dir / "cut";
    write_text(path, whole);
    for (std::size_t size = whole.size(); size-- > 0;) {
        std::filesystem::resize_file(path, size);
        const auto error = error_of([&] { SafetensorsFile::open(path); });
        if (!error || error->code() != "K02") FAIL("cut at " << size);
        if (size == 0) continue;
        const std::size_t end = size < 8                  ? 8
                                : size < 8 + header_bytes ? 8 + header_bytes
                                                          : whole.size();
        std::string missing = std::to_string(end - size);
        if (missing.size() > 3) missing.insert(missing.size() - 3, 1, ',');
        if (error->message().find(" is " + missing + " bytes short") == std::string::npos)
            FAIL("cut at " << size << ": " << error->message());
    }
}

TEST_CASE("a file cut after it was opened gives an error, not a crash") {
    const TempDir dir;
    const Sample sample;
    write_safetensors(dir / "file", sample.tensors());
    const SafetensorsFile file = SafetensorsFile::open(dir / "file");
    std::filesystem::resize_file(dir / "file", 2000);
    CHECK(code_of([&] { read_bytes(file, *file.find("image")); }) == "K02");
}

TEST_CASE("a flipped bit of the header is refused, or shapes and dtypes stay as they were") {
    const Sample sample;
    const SafetensorsLayout layout = layout_safetensors(sample.tensors(), {{"key", "value"}});
    std::string header = layout.header;
    const auto read = [&] {
        return read_safetensors_header(std::as_bytes(std::span(header)), layout.file_bytes);
    };
    const SafetensorsHeader original = read();
    const auto bytes_by_dtype = [](const SafetensorsHeader& h) {
        std::multiset<std::pair<std::size_t, std::uint64_t>> out;
        for (const TensorInfo& t : h.tensors) out.insert({size_of(t.dtype), t.bytes()});
        return out;
    };
    std::size_t refused = 0, loaded = 0;
    for (std::size_t bit = 0; bit < header.size() * 8; ++bit) {
        const auto flip = [&] {
            header[bit / 8] = static_cast<char>(header[bit / 8] ^ (1 << bit % 8));
        };
        flip();
        try {
            const SafetensorsHeader changed = read();
            ++loaded;
            // A name, a text, or one dtype for another of the same size: never other shapes.
            for (std::size_t i = 0; i < changed.tensors.size(); ++i)
                if (!(changed.tensors[i].shape == original.tensors[i].shape)) FAIL("bit " << bit);
            CHECK(bytes_by_dtype(changed) == bytes_by_dtype(original));
        } catch (const Error& e) {
            ++refused;
            if (e.code()[0] != 'K') FAIL("bit " << bit << ": " << format_error(e));
        }
        flip();
    }
    CHECK(refused > loaded);
    CHECK(loaded > 0);
}

TEST_CASE("what a reader would refuse is not written") {
    const TempDir dir;
    const std::vector<float> w = {1.0F};
    const NamedTensor good = {"w", DType::F32, {1}, bytes_of(w)};
    const auto code = [&](std::vector<NamedTensor> tensors, const Metadata& metadata = {}) {
        return code_of([&] { write_safetensors(dir / "f", tensors, metadata); });
    };
    CHECK(code({good}) == "none");
    std::filesystem::remove(dir / "f");
    CHECK(code({good, good}) == "K17");
    CHECK(code({{"w", DType::F32, {2}, bytes_of(w)}}) == "K17");
    CHECK(code({{"__metadata__", DType::F32, {1}, bytes_of(w)}}) == "K17");
    CHECK(code({{"\xFF", DType::F32, {1}, bytes_of(w)}}) == "K17");
    CHECK(code({{std::string(kMaxNameBytes + 1, 'n'), DType::F32, {1}, bytes_of(w)}}) == "K17");
    CHECK(code({good}, {{"class", "caf\xE9"}}) == "K17");
    CHECK(code({good}, {{"config", std::string(kMaxHeaderBytes, 'x')}}) == "K17");
    CHECK(dir.names().empty());
}

TEST_CASE("not-a-number is legal in a plain file") {
    const TempDir dir;
    const std::vector<float> w = {std::numeric_limits<float>::quiet_NaN()};
    write_safetensors(dir / "nan", std::vector<NamedTensor>{{"w", DType::F32, {1}, bytes_of(w)}});
    const SafetensorsFile file = SafetensorsFile::open(dir / "nan");
    float back = 0;
    file.read(*file.find("w"), &back);
    CHECK(std::isnan(back));
}

}  // namespace fovea::test
