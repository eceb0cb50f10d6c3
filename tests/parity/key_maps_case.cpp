// models/key_maps.json: tensor names of one implementation against those of another, and how far the
// implementations are apart on the same weights.
#include <algorithm>
#include <cmath>
#include <fstream>
#include <set>

#include "models/weights.h"
#include "tests/parity/cases.h"
#include "tests/parity/model_builder.h"

namespace fovea::parity {
namespace {

// The file says only which models they are; another golden file describes each.
Json description_of(const std::string& id) {
    std::ifstream in(std::string(FOVEA_SOURCE_DIR) + "/tests/golden/models/" + id + ".json");
    return Json::parse(in);
}

std::unique_ptr<Classifier> build(const std::string& id, std::int64_t image_side) {
    Json file = description_of(id);
    file["model"]["image_size"] = {image_side, image_side};
    return build_model(file.at("family"), file.at("model"));
}

// Both spellings must lead to the same tensor, and all of them to the whole model.
void check_map(const std::string& title, const Json& map, const std::string& id,
               const std::string& key_naming, const std::string& value_naming, Checker& check) {
    const std::unique_ptr<Classifier> model =
        build(id, description_of(id).at("model").at("image_size")[0]);
    const OwnNames by_key = own_names(*model, {{"naming", key_naming}}),
                   by_value = own_names(*model, {{"naming", value_naming}});
    std::set<std::string> own, state;
    for (const auto& [key, value] : map.items()) {
        if (is_computed(key)) continue;  // what we do not store
        check.require(title + ": " + key + " and its other name are one tensor",
                      by_key.count(key) == 1 && by_value.count(value) == 1 &&
                          by_key.at(key) == by_value.at(value) &&
                          own.insert(by_key.at(key)).second);
    }
    for (const StateTensor& t : state_of(*model)) state.insert(t.name);
    check.require(title + ": the names are those of all tensors", own == state);
}

// Values by the formula, which hashes the spelling of `naming`.
void fill(Classifier& model, const std::string& naming, const Target& target) {
    move_to(model, target.device, target.dtype);
    std::map<std::string, Shape> shapes;
    for (const StateTensor& t : state_of(model)) shapes[t.name] = t.value.shape();
    for (const auto& [spelled, own] : own_names(model, {{"naming", naming}})) {
        const Shape& shape = shapes.at(own);
        if (shape.rank == 0) continue;  // num_batches_tracked
        set_state(
            model, own,
            Tensor::from(rule_values(spelled, shape), shape, DType::F64, Device::reference()));
    }
}

struct Pair {
    const char* title;          // in the file
    const char *first, *other;  // golden files of the models
    std::int64_t batch, side;   // of the images
};
constexpr Pair kCvt[] = {
    {"cvt tiny: microsoft with nn.GELU vs HF (mapped weights), max abs logit difference",
     "tiny_cvt_ms_gelu", "tiny_cvt_hf", 3, 64},
    {"cvt tiny: microsoft (QuickGELU) vs HF (erf GELU), same weights: they are different functions",
     "tiny_cvt_ms", "tiny_cvt_hf", 3, 64},
};
constexpr Pair kSwin[] = {
    {"swin tiny: microsoft vs timm", "tiny_swin_ms", "tiny_swin_timm", 2, 32},
    {"swin tiny: microsoft vs torchvision", "tiny_swin_ms", "tiny_swin_tv", 2, 32},
    {"swin tiny, 60x60 (padding): timm vs torchvision", "tiny_swin_timm", "tiny_swin_tv", 2, 60},
    {"swin tiny, 52x52 (padding): timm vs torchvision", "tiny_swin_timm", "tiny_swin_tv", 2, 52},
    {"swin tiny, 36x36 (padding): timm vs torchvision", "tiny_swin_timm", "tiny_swin_tv", 2, 36},
};
constexpr Pair kVit[] = {
    {"vit tiny: timm vs torchvision", "tiny_vit_tv", "tiny_vit_tv", 2, 32},
};

void check_difference(const Pair& pair, const std::string& naming, const Json& differences,
                      const Target& target, Checker& check) {
    const Tensor images =
        to_nhwc(Tensor::from(input_values("input", {pair.batch, 3, pair.side, pair.side}, 1.0, 0.0),
                             {pair.batch, 3, pair.side, pair.side}, target.dtype, target.device));
    std::vector<double> logits[2];
    for (const int i : {0, 1}) {
        const auto model = build(i == 0 ? pair.first : pair.other, pair.side);
        fill(*model, naming, target);
        logits[i] = model->forward(images, {}).to_vector();
    }
    double largest = 0.0;
    for (std::size_t i = 0; i < logits[0].size(); ++i)
        largest = std::max(largest, std::abs(logits[0][i] - logits[1][i]));
    check.values(pair.title, {largest}, {differences.at(pair.title).get<double>()},
                 target.exact() ? 1e-8 : 1e-5);
}

}  // namespace

bool check_key_maps(const Json& file, const Target& target, Checker& check) {
    const Json &maps = file.at("maps"), &differences = file.at("max_abs_logit_difference");
    require_only(maps, {"cvt_hf_to_ms", "swin_ms_to_timm", "swin_ms_to_tv", "vit_timm_to_tv"});
    check_map("Hugging Face's and Microsoft's CvT", maps.at("cvt_hf_to_ms"), "tiny_cvt_hf",
              "huggingface", "microsoft", check);
    check_map("Microsoft's and timm's Swin", maps.at("swin_ms_to_timm"), "tiny_swin_ms",
              "microsoft", "timm", check);
    check_map("Microsoft's and torchvision's Swin", maps.at("swin_ms_to_tv"), "tiny_swin_ms",
              "microsoft", "torchvision", check);
    check_map("timm's and torchvision's ViT", maps.at("vit_timm_to_tv"), "tiny_vit_tv", "timm",
              "torchvision", check);

    check.require("every difference is compared",
                  differences.size() == std::size(kCvt) + std::size(kSwin) + std::size(kVit));
    for (const Pair& pair : kCvt) check_difference(pair, "microsoft", differences, target, check);
    for (const Pair& pair : kSwin) check_difference(pair, "microsoft", differences, target, check);
    for (const Pair& pair : kVit) check_difference(pair, "timm", differences, target, check);
    return true;
}

}  // namespace fovea::parity
