// Files that must be refused, each with its error code.
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <ctime>
#include <functional>

#include "tests/serialize/allocation_peak.h"
#include "tests/serialize/test_files.h"

namespace fovea::test {
namespace {

constexpr std::size_t kMemoryBeyondFile = std::size_t{64} * 1024 * 1024;

struct BadFile {
    const char* name;
    const char* code;
    std::function<std::string()> content;
};

// {"a":{"dtype":...,"shape":...,"data_offsets":...}} and `data_bytes` of data.
std::string one(const std::string& dtype, const std::string& shape, const std::string& offsets,
                std::size_t data_bytes = 4) {
    return raw_file("{\"a\":{\"dtype\":" + dtype + ",\"shape\":" + shape +
                        ",\"data_offsets\":" + offsets + "}}",
                    data_bytes);
}

std::string entry(const std::string& name, std::uint64_t begin, std::uint64_t end) {
    return "\"" + name + "\":{\"dtype\":\"U8\",\"shape\":[" + std::to_string(end - begin) +
           "],\"data_offsets\":[" + std::to_string(begin) + "," + std::to_string(end) + "]}";
}

std::string header_only(const std::string& header) { return raw_file(header, 0); }

std::string many_tensors(std::size_t count) {
    std::string header = "{";
    for (std::size_t i = 0; i < count; ++i)
        header += (i ? "," : "") + entry("t" + std::to_string(i), i, i + 1);
    return raw_file(header + "}", count);
}

const std::string kF32 = "\"F32\"";
constexpr const char* kRest = "\"shape\":[1],\"data_offsets\":[0,1]}}";

const BadFile kBadFiles[] = {
    // Another kind of file.
    {"git-lfs pointer", "K01",
     [] {
         return std::string("version https://git-lfs.github.com/spec/v1\noid sha256:") +
                std::string(64, 'a') + "\nsize 346293852\n";
     }},
    {"zip, as torch.save writes", "K01",
     [] {
         return "PK\x03\x04" + std::string("\0\0\x08\x08\0\0\0\0\0\0", 10) + std::string(100, 'x');
     }},
    {"pickle protocol 2", "K01", [] { return "\x80\x02\x8a\nl\xfc\x9c" + std::string(100, 'F'); }},
    {"pickle protocol 3", "K01", [] { return "\x80\x03}q" + std::string(100, 'X'); }},
    {"pickle protocol 4, small frame", "K01",
     [] { return std::string("\x80\x04\x95\x05\0\0\0\0\0\0\0", 11) + std::string(100, '.'); }},
    {"pickle protocol 5", "K01", [] { return "\x80\x05}q" + std::string(100, 'X'); }},
    {"web page", "K01",
     [] { return std::string("\n<!DOCTYPE html>\n<html><body>404</body></html>"); }},
    {"web page, small letters", "K01",
     [] { return std::string("<html><body>Sign in</body></html>"); }},
    {"HDF5", "K01", [] { return "\x89HDF\r\n\x1a\n" + std::string(64, '\0'); }},
    {"NumPy array", "K01", [] { return "\x93NUMPY\x01" + std::string(120, ' '); }},
    {"GGUF", "K01", [] { return "GGUF\x03" + std::string(60, '\2'); }},
    {"gzip", "K01", [] { return "\x1f\x8b\x08" + std::string(60, '\3'); }},
    {"JSON index", "K01", [] { return std::string("{\"metadata\": {}, \"weight_map\": {}}"); }},
    // Truncated.
    {"empty", "K02", [] { return std::string(); }},
    {"one byte", "K02", [] { return std::string(1, '\x10'); }},
    {"seven bytes", "K02", [] { return std::string(7, '\0'); }},
    {"length only", "K02", [] { return raw_file(2, "", 0); }},
    {"header one byte short", "K02", [] { return raw_file(3, "{}", 0); }},
    {"N = 10^8 in 1 KB", "K02",
     [] { return raw_file(100'000'000, "{" + std::string(1015, ' '), 0); }},
    {"data one byte short", "K02", [] { return one(kF32, "[1]", "[0,4]", 3); }},
    {"data missing", "K02", [] { return one(kF32, "[1]", "[0,4]", 0); }},
    {"data of 2^60 bytes", "K02",
     [] { return one(kF32, "[288230376151711744]", "[0,1152921504606846976]"); }},
    // Over a limit.
    {"N = 10^8 + 1", "K06", [] { return raw_file(100'000'001, "{" + std::string(1015, ' '), 0); }},
    {"N = 2^63", "K06",
     [] { return raw_file(std::uint64_t{1} << 63, "[" + std::string(1015, ' '), 0); }},
    {"N = 2^64 - 1", "K06",
     [] { return raw_file(~std::uint64_t{0}, "[" + std::string(1015, ' '), 0); }},
    {"N = 2^64 - 8 wraps to 0", "K06", [] { return raw_file(~std::uint64_t{7}, "[]", 0); }},
    {"rank 7", "K06", [] { return one(kF32, "[1,1,1,1,1,1,1]", "[0,4]"); }},
    {"name of 1 MB", "K06",
     [] { return raw_file("{" + entry(std::string(1 << 20, 'k'), 0, 1) + "}", 1); }},
    {"metadata key too long", "K06",
     [] { return header_only("{\"__metadata__\":{\"" + std::string(1025, 'k') + "\":\"\"}}"); }},
    {"10^6 tensors", "K06", [] { return many_tensors(1'000'000); }},
    {"10^6 metadata entries", "K06",
     [] {
         std::string header = "{\"__metadata__\":{";
         for (int i = 0; i < 1'000'000; ++i)
             header += (i ? ",\"" : "\"") + std::to_string(i) + "\":\"\"";
         return header_only(header + "}}");
     }},
    // Not a JSON object in UTF-8.
    {"N = 0", "K07", [] { return raw_file(0, "", 0); }},
    {"N = 0 with data", "K07", [] { return raw_file(0, "", 64); }},
    {"spaces only", "K07", [] { return header_only("        "); }},
    {"array", "K07", [] { return header_only("[]"); }},
    {"number", "K07", [] { return header_only("12345678"); }},
    {"string", "K07", [] { return header_only("\"text\""); }},
    {"random bytes, small N", "K07",
     [] { return header_only("\x03\x9f\xe1\x22\x17\x88\x45\xd0"); }},
    {"byte order mark", "K07", [] { return header_only("\xEF\xBB\xBF{}"); }},
    {"unclosed", "K07", [] { return header_only("{\"a\":"); }},
    {"unclosed string", "K07", [] { return header_only("{\"a"); }},
    {"text after the object", "K07", [] { return header_only("{}x"); }},
    {"two objects", "K07", [] { return header_only("{}{}"); }},
    {"NUL padding", "K07", [] { return header_only(std::string("{}\0\0\0\0\0\0", 8)); }},
    {"NUL, then anything", "K07", [] { return header_only(std::string("{}\0{\"", 5)); }},
    {"trailing comma", "K07", [] { return raw_file("{" + entry("a", 0, 1) + ",}", 1); }},
    {"comment", "K07", [] { return header_only("{/* */}"); }},
    {"single quotes", "K07", [] { return header_only("{'a':1}"); }},
    {"NaN", "K07", [] { return one(kF32, "[NaN]", "[0,4]"); }},
    {"leading zero", "K07", [] { return one(kF32, "[01]", "[0,4]"); }},
    {"plus sign", "K07", [] { return one(kF32, "[+1]", "[0,4]"); }},
    {"stray UTF-8 byte", "K07", [] { return raw_file("{" + entry("\xFF", 0, 1) + "}", 1); }},
    {"overlong UTF-8", "K07", [] { return raw_file("{" + entry("\xC0\xAF", 0, 1) + "}", 1); }},
    {"UTF-8 surrogate", "K07", [] { return raw_file("{" + entry("\xED\xA0\x80", 0, 1) + "}", 1); }},
    {"UTF-8 cut short", "K07", [] { return raw_file("{" + entry("\xE2\x82", 0, 1) + "}", 1); }},
    {"UTF-8 over U+10FFFF", "K07",
     [] { return raw_file("{" + entry("\xF4\x90\x80\x80", 0, 1) + "}", 1); }},
    {"escaped lone surrogate", "K07",
     [] { return raw_file("{" + entry("\\ud800", 0, 1) + "}", 1); }},
    {"raw newline in a name", "K07", [] { return raw_file("{" + entry("a\nb", 0, 1) + "}", 1); }},
    // A key twice.
    {"tensor twice", "K08",
     [] { return raw_file("{" + entry("a", 0, 1) + "," + entry("a", 1, 2) + "}", 2); }},
    {"tensor twice, once escaped", "K08",
     [] { return raw_file("{" + entry("a", 0, 1) + "," + entry("\\u0061", 1, 2) + "}", 2); }},
    {"empty tensor twice", "K08",
     [] {
         return raw_file(
             "{" + entry("a", 0, 0) + "," + entry("b", 0, 1) + "," + entry("a", 0, 0) + "}", 1);
     }},
    {"metadata twice", "K08",
     [] { return header_only("{\"__metadata__\":{},\"__metadata__\":{}}"); }},
    {"metadata key twice", "K08",
     [] { return header_only("{\"__metadata__\":{\"k\":\"1\",\"k\":\"2\"}}"); }},
    {"dtype twice", "K08",
     [] { return raw_file(std::string("{\"a\":{\"dtype\":\"U8\",\"dtype\":\"U8\",") + kRest, 1); }},
    {"shape twice", "K08",
     [] { return raw_file(std::string("{\"a\":{\"dtype\":\"U8\",\"shape\":[1],") + kRest, 1); }},
    {"offsets twice", "K08",
     [] {
         return raw_file(std::string("{\"a\":{\"dtype\":\"U8\",\"data_offsets\":[0,1],") + kRest,
                         1);
     }},
    // A malformed entry.
    {"no dtype", "K09",
     [] { return raw_file("{\"a\":{\"shape\":[1],\"data_offsets\":[0,1]}}", 1); }},
    {"no shape", "K09",
     [] { return raw_file("{\"a\":{\"dtype\":\"U8\",\"data_offsets\":[0,1]}}", 1); }},
    {"no offsets", "K09", [] { return raw_file("{\"a\":{\"dtype\":\"U8\",\"shape\":[1]}}", 1); }},
    {"empty entry", "K09", [] { return header_only("{\"a\":{}}"); }},
    {"unknown field", "K09",
     [] { return raw_file(std::string("{\"a\":{\"dtype\":\"U8\",\"stride\":[1],") + kRest, 1); }},
    {"entry is null", "K09", [] { return header_only("{\"a\":null}"); }},
    {"entry is a number", "K09", [] { return header_only("{\"a\":1}"); }},
    {"entry is an array", "K09", [] { return header_only("{\"a\":[]}"); }},
    {"entry is a string", "K09", [] { return header_only("{\"a\":\"b\"}"); }},
    {"dtype is a number", "K09", [] { return one("32", "[1]", "[0,4]"); }},
    {"dtype is an array", "K09", [] { return one("[\"F32\"]", "[1]", "[0,4]"); }},
    {"shape is a number", "K09", [] { return one(kF32, "1", "[0,4]"); }},
    {"shape is a string", "K09", [] { return one(kF32, "\"1\"", "[0,4]"); }},
    {"shape is null", "K09", [] { return one(kF32, "null", "[0,4]"); }},
    {"shape holds true", "K09", [] { return one(kF32, "[true]", "[0,4]"); }},
    {"shape holds a string", "K09", [] { return one(kF32, "[\"1\"]", "[0,4]"); }},
    {"shape holds an object", "K09", [] { return one(kF32, "[{}]", "[0,4]"); }},
    {"shape holds -1", "K09", [] { return one(kF32, "[-1]", "[0,4]"); }},
    {"shape holds -0", "K09", [] { return one(kF32, "[-0]", "[0,4]"); }},
    {"shape holds 1.0", "K09", [] { return one(kF32, "[1.0]", "[0,4]"); }},
    {"shape holds 1.9", "K09", [] { return one(kF32, "[1.9]", "[0,4]"); }},
    {"shape holds 1e0", "K09", [] { return one(kF32, "[1e0]", "[0,4]"); }},
    {"shape holds 2^64", "K09", [] { return one(kF32, "[18446744073709551616]", "[0,4]"); }},
    {"three offsets", "K09", [] { return one(kF32, "[1]", "[0,4,4]"); }},
    {"one offset", "K09", [] { return one(kF32, "[1]", "[0]"); }},
    {"no offset numbers", "K09", [] { return one(kF32, "[1]", "[]"); }},
    {"offset is -1", "K09", [] { return one(kF32, "[1]", "[-1,3]"); }},
    {"offset is 4.0", "K09", [] { return one(kF32, "[1]", "[0,4.0]"); }},
    {"offset is 2^64 + 4", "K09", [] { return one(kF32, "[1]", "[0,18446744073709551620]"); }},
    {"metadata is an array", "K09", [] { return header_only("{\"__metadata__\":[]}"); }},
    {"metadata is a string", "K09", [] { return header_only("{\"__metadata__\":\"pt\"}"); }},
    {"metadata holds a number", "K09", [] { return header_only("{\"__metadata__\":{\"k\":1}}"); }},
    {"metadata holds null", "K09", [] { return header_only("{\"__metadata__\":{\"k\":null}}"); }},
    {"metadata holds an object", "K09",
     [] { return header_only("{\"__metadata__\":{\"k\":{}}}"); }},
    {"depth bomb of arrays", "K09",
     [] { return one(kF32, std::string(200'000, '[') + std::string(200'000, ']'), "[0,4]"); }},
    {"depth bomb of objects", "K09",
     [] {
         std::string bomb;
         for (int i = 0; i < 100'000; ++i) bomb += "{\"a\":";
         return header_only(bomb);
     }},
    // dtype.
    {"dtype not supported", "K10", [] { return one("\"I16\"", "[2]", "[0,4]"); }},
    {"dtype F8", "K10", [] { return one("\"F8_E4M3\"", "[4]", "[0,4]"); }},
    {"dtype unknown", "K10", [] { return one("\"F33\"", "[1]", "[0,4]"); }},
    {"dtype in small letters", "K10", [] { return one("\"f32\"", "[1]", "[0,4]"); }},
    {"dtype empty", "K10", [] { return one("\"\"", "[1]", "[0,4]"); }},
    // Sizes.
    {"range too small", "K11", [] { return one(kF32, "[2]", "[0,4]"); }},
    {"range too large", "K11", [] { return one(kF32, "[1]", "[0,8]", 8); }},
    {"scalar of 8 bytes", "K11", [] { return one(kF32, "[]", "[0,8]", 8); }},
    {"empty with bytes", "K11", [] { return one(kF32, "[0]", "[0,4]"); }},
    {"range backwards", "K11", [] { return one(kF32, "[1]", "[4,0]"); }},
    {"range backwards by 2^64", "K11",
     [] { return one("\"U8\"", "[1]", "[18446744073709551615,0]"); }},
    {"product overflows to 4", "K11", [] { return one(kF32, "[4611686018427387905]", "[0,4]"); }},
    {"product overflows to 0", "K11",
     [] { return one(kF32, "[4294967296,4294967296]", "[0,0]", 0); }},
    {"product overflows beside a 0", "K11",
     [] { return one(kF32, "[0,4294967296,4294967296]", "[0,0]", 0); }},
    {"extent 2^63", "K11", [] { return one("\"U8\"", "[9223372036854775808]", "[0,4]"); }},
    {"extent 2^64 - 1", "K11", [] { return one("\"U8\"", "[18446744073709551615]", "[0,4]"); }},
    // Coverage.
    {"hole at the start", "K12", [] { return raw_file("{" + entry("a", 1, 2) + "}", 2); }},
    {"hole between", "K12",
     [] { return raw_file("{" + entry("a", 0, 1) + "," + entry("b", 2, 3) + "}", 3); }},
    {"overlap", "K12",
     [] { return raw_file("{" + entry("a", 0, 2) + "," + entry("b", 1, 3) + "}", 3); }},
    {"same bytes twice", "K12",
     [] { return raw_file("{" + entry("a", 0, 2) + "," + entry("b", 0, 2) + "}", 2); }},
    {"one inside another", "K12",
     [] { return raw_file("{" + entry("a", 0, 4) + "," + entry("b", 1, 2) + "}", 4); }},
    {"empty one inside another", "K12",
     [] { return raw_file("{" + entry("a", 0, 4) + "," + entry("b", 2, 2) + "}", 4); }},
    {"empty one behind the end", "K12",
     [] { return raw_file("{" + entry("a", 0, 4) + "," + entry("b", 5, 5) + "}", 5); }},
    {"trailing byte", "K13", [] { return one(kF32, "[1]", "[0,4]", 5); }},
    {"data without tensors", "K13", [] { return raw_file("{}", 8); }},
};

}  // namespace

TEST_CASE("malformed safetensors files are refused with the right code") {
    STATIC_REQUIRE(std::size(kBadFiles) >= 60);
    const TempDir dir;
    const std::string path = dir / "bad.safetensors";
    for (const BadFile& bad : kBadFiles) {
        INFO(bad.name);
        write_text(path, bad.content());
        reset_allocation_peak();
        const auto error = error_of([&] { SafetensorsFile::open(path); });
        CHECK(allocation_peak().live < std::filesystem::file_size(path) + kMemoryBeyondFile);
        REQUIRE(error.has_value());
        INFO(format_error(*error));
        CHECK(error->code() == bad.code);
        CHECK(error->at().find(path) != std::string::npos);
        CHECK_FALSE(error->attempt().empty());
        CHECK(error->message().size() < 300);
    }
}

TEST_CASE("a path that is no readable file is refused without waiting") {
    const TempDir dir;
    SECTION("missing") {
        const auto error = error_of([&] { SafetensorsFile::open(dir / "none.safetensors"); });
        REQUIRE(error.has_value());
        CHECK(error->code() == "K05");
        CHECK(error->message().find("No such file") != std::string::npos);
    }
    SECTION("folder") {
        const auto error = error_of([&] { SafetensorsFile::open(dir.path()); });
        REQUIRE(error.has_value());
        CHECK(error->code() == "K01");
        CHECK(error->message().find("folder") != std::string::npos);
    }
    SECTION("pipe") {
        REQUIRE(::mkfifo((dir / "pipe").c_str(), 0600) == 0);
        CHECK(code_of([&] { SafetensorsFile::open(dir / "pipe"); }) == "K01");
    }
    SECTION("device") {
        CHECK(code_of([] { SafetensorsFile::open("/dev/zero"); }) == "K01");
    }
    SECTION("socket") {
        const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
        struct sockaddr_un address {};
        address.sun_family = AF_UNIX;
        std::strncpy(address.sun_path, (dir / "socket").c_str(), sizeof address.sun_path - 1);
        REQUIRE(::bind(fd, reinterpret_cast<struct sockaddr*>(&address), sizeof address) == 0);
        CHECK(code_of([&] { SafetensorsFile::open(dir / "socket"); }) == "K05");
        ::close(fd);
    }
    SECTION("dangling link") {
        std::filesystem::create_symlink(dir / "nowhere", dir / "link");
        CHECK(code_of([&] { SafetensorsFile::open(dir / "link"); }) == "K05");
    }
    SECTION("no permission") {
        write_text(dir / "secret", raw_file("{}", 0));
        REQUIRE(::chmod((dir / "secret").c_str(), 0) == 0);
        if (::geteuid() == 0)
            WARN("running as root, whom permissions do not bind: the check of EACCES is skipped");
        else
            CHECK(code_of([&] { SafetensorsFile::open(dir / "secret"); }) == "K05");
    }
}

TEST_CASE("an oversized header is refused at once and without a large allocation") {
    const TempDir dir;
    const std::string path = dir / "oversized.safetensors";
    for (const std::uint64_t length :
         {std::uint64_t{1} << 63, std::uint64_t{100'000'001}, std::uint64_t{100'000'000}}) {
        INFO(length);
        write_text(path, raw_file(length, "{" + std::string(1015, ' '), 0));
        const std::clock_t start = std::clock();  // processor time: other programs do not count
        reset_allocation_peak();
        const std::string code = code_of([&] { SafetensorsFile::open(path); });
        CHECK(allocation_peak().largest < 1'048'576);
        CHECK(std::clock() - start < CLOCKS_PER_SEC / 100);
        CHECK(code == (length > kMaxHeaderBytes ? "K06" : "K02"));
    }
    reset_allocation_peak();
    const std::vector<char> probe(2'000'000);
    CHECK(allocation_peak().largest >= probe.size());  // the measurement itself works
}

TEST_CASE("messages name the tensor, the missing bytes and what to do") {
    const TempDir dir;
    const std::string path = dir / "model.safetensors";
    const auto message = [&](const std::string& content) {
        write_text(path, content);
        const auto error = error_of([&] { SafetensorsFile::open(path); });
        REQUIRE(error.has_value());
        return format_error(*error);
    };
    using Catch::Matchers::Contains;
    CHECK_THAT(message(one(kF32, "[15361]", "[0,61444]", 4)),
               Contains("model.safetensors is 61,440 bytes short of its header"));
    CHECK_THAT(message(one("\"I16\"", "[2]", "[0,4]")), Contains("\"a\"") && Contains("I16"));
    CHECK_THAT(message("PK\x03\x04" + std::string(64, 'x')),
               Contains("Python pickle; loading it could run code") && Contains("save_file"));
    CHECK_THAT(message("version https://git-lfs.github.com/spec/v1\n"), Contains("git lfs pull"));
    CHECK_THAT(message(raw_file("{" + entry("a", 0, 2) + "," + entry("b", 3, 4) + "}", 4)),
               Contains("\"b\" begins at byte 3, with a hole before it; expected 2"));
}

}  // namespace fovea::test
