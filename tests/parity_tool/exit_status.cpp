// The program `parity` as its users see it: exit statuses, for golden files as they are and with a wrong
// digit.
#include <sys/wait.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "tests/parity/changed_digit.h"

namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

const fs::path kGolden = fs::path(FOVEA_SOURCE_DIR) / "tests/golden";
const fs::path kScratch = fs::path(FOVEA_BINARY_DIR) / "parity_tool";

int parity(const std::string& arguments) {
    const int status =
        std::system(("'" FOVEA_BINARY_DIR "/tests/parity' " + arguments + " > /dev/null").c_str());
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

std::string quoted(const fs::path& path) { return "'" + path.string() + "'"; }

Json read(const fs::path& path) {
    std::ifstream in(path);
    return Json::parse(in);
}

/// Writes a changed copy of a golden file into the build folder.
fs::path write(const Json& file) {
    fs::create_directories(kScratch);
    const fs::path path = kScratch / "changed.json";
    std::ofstream(path) << file.dump();
    return path;
}

struct Place {
    const char *file, *result;
};

}  // namespace

TEST_CASE("a wrong fifth digit is exit status 1, in a file of each kind") {
    const Place place = GENERATE(values<Place>({
        {"layers/conv_rect.json", "/y/data"},
        {"layers/mha_cross.json", "/grad/kv/data"},
        {"layers/posembed_up.json", "/y/data"},
        {"layers/swin_tables.json", "/attn_mask/0/mask/data"},
        {"losses/distill_soft.json", "/loss"},
        {"losses/mixup_image.json", "/y/data"},
        {"optim/adamw.json", "/params_after_step [w1, b1, w2]/25"},
        {"optim/schedules.json", "/schedules/torch StepLR step=4 gamma=0.5 lr=0.1, 15 epochs"},
        {"models/tiny_cvt_ms.json", "/eval/logits"},
        {"training/train_cvt_adamw.json", "/loss_of_step"},
    }));
    CAPTURE(place.file, place.result);
    REQUIRE(parity(quoted(kGolden / place.file)) == 0);
    Json file = read(kGolden / place.file);
    Json* const number = fovea::parity::largest_number(file.at(Json::json_pointer(place.result)));
    REQUIRE(number != nullptr);
    *number = fovea::parity::changed_digit(*number);
    CHECK(parity(quoted(write(file))) == 1);
}

TEST_CASE("what is not understood is exit status 2, never a pass") {
    Json file = read(kGolden / "layers/conv_rect.json");
    file["args"]["padding_mode"] = "circular";  // an argument that conv2d does not have here
    CHECK(parity(quoted(write(file))) == 2);
    file = read(kGolden / "layers/bicubic_half.json");
    file["args"]["mode"] = "lanczos";
    CHECK(parity(quoted(write(file))) == 2);
    file["op"] = "no_such_op";
    CHECK(parity(quoted(write(file))) == 2);
    CHECK(parity("--device abacus " + quoted(kGolden / "layers/relu.json")) == 2);

    // A miss weighs more than an unsupported file.
    file = read(kGolden / "layers/relu.json");
    file["y"]["data"][0] = 17;
    CHECK(parity(quoted(write(file)) + " " + quoted(kGolden / "models/key_maps.json")) == 1);
}

TEST_CASE("a file that cannot be read is exit status 1") {
    CHECK(parity(quoted(kScratch / "absent.json")) == 1);
    fs::create_directories(kScratch);
    std::ofstream(kScratch / "broken.json") << "{\"op\": \"relu\"";
    CHECK(parity(quoted(kScratch / "broken.json")) == 1);
}
