// Checkpoints: round trip, rotation, damage of every kind, non-finite numbers, disk full.
#include "core/serialize/checkpoint.h"

#include <algorithm>
#include <limits>
#include <random>

#include "tests/serialize/file_size_limit.h"
#include "tests/serialize/sample_checkpoint.h"

namespace fovea::test {
namespace {

void save(const std::string& dir, std::uint64_t step) {
    save_checkpoint(dir, SampleCheckpoint(step).checkpoint);
}

}  // namespace

TEST_CASE("a checkpoint comes back as it was saved") {
    const TempDir dir;
    save(dir.path(), 12);
    const LoadedCheckpoint loaded = load_newest_checkpoint(dir.path());
    CHECK(loaded.warning.empty());
    CHECK(loaded.path == dir / kLastCheckpoint);
    CHECK(loaded.checkpoint.step == 12);
    CHECK(is_sample(loaded.checkpoint));
    CHECK(loaded.checkpoint.find("none") == nullptr);
    CHECK(dir.names() == std::set<std::string>{kLastCheckpoint});

    // Saving what was loaded gives the same bytes.
    write_checkpoint(dir / "again", loaded.checkpoint);
    CHECK(read_text(dir / "again") == read_text(loaded.path));

    const Checkpoint empty;
    write_checkpoint(dir / "empty", empty);
    CHECK(load_checkpoint(dir / "empty").tensors.empty());
}

TEST_CASE("last and prev rotate") {
    const TempDir dir;
    for (std::uint64_t step = 1; step <= 5; ++step) {
        save(dir.path(), step);
        CHECK(load_checkpoint(dir / kLastCheckpoint).step == step);
        if (step > 1) CHECK(load_checkpoint(dir / kPreviousCheckpoint).step == step - 1);
    }
    CHECK(dir.names() == std::set<std::string>{kLastCheckpoint, kPreviousCheckpoint});
}

TEST_CASE("the newest intact checkpoint is taken, with a word on why") {
    const TempDir dir;
    const auto fallback = [&] { return load_newest_checkpoint(dir.path()); };
    const auto none = error_of(fallback);
    REQUIRE(none.has_value());
    CHECK(none->code() == "K16");
    CHECK(none->exit() == Exit::Checkpoint);

    save(dir.path(), 1);
    save(dir.path(), 2);
    SECTION("last is truncated") {
        std::filesystem::resize_file(dir / kLastCheckpoint, 1000);
        CHECK(fallback().checkpoint.step == 1);
        CHECK(fallback().warning.find("short of") != std::string::npos);
        CHECK(fallback().warning.find("of step 1") != std::string::npos);
    }
    SECTION("last is missing") {
        std::filesystem::remove(dir / kLastCheckpoint);
        CHECK(fallback().checkpoint.step == 1);
        CHECK_FALSE(fallback().warning.empty());
    }
    SECTION("prev is damaged, which does not matter") {
        write_text(dir / kPreviousCheckpoint, "junk");
        CHECK(fallback().checkpoint.step == 2);
        CHECK(fallback().warning.empty());
    }
    SECTION("both are damaged") {
        write_text(dir / kPreviousCheckpoint, "");
        write_text(dir / kLastCheckpoint, "");
        const auto error = error_of(fallback);
        REQUIRE(error.has_value());
        CHECK(error->code() == "K16");
        CHECK(error->message().find("empty") != std::string::npos);
    }
}

TEST_CASE("other safetensors files are not taken for checkpoints") {
    const TempDir dir;
    const SampleCheckpoint sample(1);
    write_safetensors(dir / "weights", sample.checkpoint.tensors, {{"format", "pt"}});
    CHECK(code_of([&] { load_checkpoint(dir / "weights"); }) == "K15");
    write_safetensors(dir / "future", sample.checkpoint.tensors, {{"fovea.checkpoint", "99"}});
    CHECK(code_of([&] { load_checkpoint(dir / "future"); }) == "K15");
    write_safetensors(dir / "unhashed", sample.checkpoint.tensors, {{"fovea.checkpoint", "1"}});
    CHECK(code_of([&] { load_checkpoint(dir / "unhashed"); }) == "K14");

    Checkpoint taken;
    taken.metadata = {{"step", "1"}};
    CHECK(code_of([&] { write_checkpoint(dir / "taken", taken); }) == "K17");
}

TEST_CASE("every flipped bit of a checkpoint is caught") {
    const TempDir dir;
    save(dir.path(), 3);
    const std::string path = dir / kLastCheckpoint;
    const std::string whole = read_text(path);
    std::uint64_t header_bytes = 0;
    std::memcpy(&header_bytes, whole.data(), 8);
    const std::size_t data_begin = 8 + header_bytes;
    std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
    const auto code_after_flip = [&](std::size_t bit) {
        const auto put = [&](char c) {
            file.seekp(static_cast<std::streamoff>(bit / 8));
            file.put(c).flush();
        };
        put(static_cast<char>(whole[bit / 8] ^ (1 << bit % 8)));
        std::string code = code_of([&] { load_checkpoint(path); });
        put(whole[bit / 8]);
        return code;
    };

    // The header in full: names, shapes and texts such as the step are covered by the hash as well.
    for (std::size_t bit = 0; bit < data_begin * 8; ++bit)
        if (code_after_flip(bit) == "none") FAIL("bit " << bit << " of the header");

    std::mt19937_64 random(1);
    std::uniform_int_distribution<std::size_t> bits(data_begin * 8, whole.size() * 8 - 1);
    for (int i = 0; i < 10'000; ++i) {
        const std::size_t bit = bits(random);
        if (code_after_flip(bit) != "K14") FAIL("bit " << bit << " of the data");
    }
    CHECK(code_of([&] { load_checkpoint(path); }) == "none");
}

TEST_CASE("a checkpoint cut at 1,000 places is refused each time") {
    const TempDir dir;
    const SampleCheckpoint sample(1, 100'000);
    const std::string path = dir / "cut";
    write_checkpoint(path, sample.checkpoint);
    const std::uintmax_t size = std::filesystem::file_size(path);
    for (std::uintmax_t i = 1000; i-- > 0;) {
        std::filesystem::resize_file(path, size * i / 1000);
        if (code_of([&] { load_checkpoint(path); }) != "K02") FAIL("cut at " << size * i / 1000);
    }
}

TEST_CASE("numbers that are not finite are never saved") {
    const TempDir dir;
    save(dir.path(), 1);
    const std::string before = read_text(dir / kLastCheckpoint);

    const auto refused = [&](const NamedTensor& bad) {
        SampleCheckpoint sample(2);
        sample.checkpoint.tensors.push_back(bad);
        const auto error = error_of([&] { save_checkpoint(dir.path(), sample.checkpoint); });
        return error && error->code() == "N02" && error->exit() == Exit::NonFinite &&
               error->message().find("tensor bad") != std::string::npos &&
               error->message().find("element 1500") != std::string::npos;
    };
    const auto with = [](auto filler, auto value) {
        std::vector<decltype(filler)> values(2000, filler);
        values[1500] = value;
        return values;
    };
    using Float = std::numeric_limits<float>;
    using Double = std::numeric_limits<double>;
    for (const float x : {Float::quiet_NaN(), Float::infinity(), -Float::infinity()})
        CHECK(refused({"bad", DType::F32, {2000}, bytes_of(with(1.0F, x))}));
    for (const double x : {Double::quiet_NaN(), Double::infinity(), -Double::infinity()})
        CHECK(refused({"bad", DType::F64, {2000}, bytes_of(with(1.0, x))}));
    using Half = std::uint16_t;
    for (const Half x : {Half{0x7C00}, Half{0xFC00}, Half{0x7E01}})
        CHECK(refused({"bad", DType::F16, {2000}, bytes_of(with(Half{0x7BFF}, x))}));
    for (const Half x : {Half{0x7F80}, Half{0xFF80}, Half{0x7FC0}})
        CHECK(refused({"bad", DType::BF16, {2000}, bytes_of(with(Half{0x7F7F}, x))}));

    CHECK(read_text(dir / kLastCheckpoint) == before);
    CHECK(dir.names() == std::set<std::string>{kLastCheckpoint});

    // The largest finite numbers and integers with all bits set are fine.
    CHECK_FALSE(
        first_nonfinite(DType::F32, bytes_of(std::vector{Float::max(), Float::denorm_min()})));
    CHECK_FALSE(first_nonfinite(DType::F64, bytes_of(std::vector{-Double::max(), 0.0})));
    CHECK_FALSE(first_nonfinite(DType::I32, bytes_of(std::vector{-1, -1})));
    CHECK_FALSE(first_nonfinite(DType::F32, {}));
}

TEST_CASE("a full disk never costs the checkpoint that was there") {
    const TempDir dir;
    save(dir.path(), 1);
    save(dir.path(), 2);
    const std::uintmax_t size = std::filesystem::file_size(dir / kLastCheckpoint);
    for (std::uintmax_t i = 0; i < 20; ++i) {
        INFO(i);
        std::optional<Error> error;
        {
            const FileSizeLimit guard(size * i / 20);
            error = error_of([&] { save(dir.path(), 3); });
        }
        REQUIRE(error.has_value());
        CHECK(error->code() == "F02");
        CHECK(error->attempt().find(dir / kLastCheckpoint) != std::string::npos);
        CHECK(is_sample(load_newest_checkpoint(dir.path()).checkpoint));
        CHECK(load_newest_checkpoint(dir.path()).checkpoint.step == 2);
        CHECK(load_checkpoint(dir / kPreviousCheckpoint).step == 1);
        CHECK(dir.names() == std::set<std::string>{kLastCheckpoint, kPreviousCheckpoint});
    }
    CHECK(code_of([&] { save(dir / "missing", 3); }) == "F01");
    CHECK(code_of([&] { save(dir / kLastCheckpoint, 3); }) == "F01");
}

}  // namespace fovea::test
