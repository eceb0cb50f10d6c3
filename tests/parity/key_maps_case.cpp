// models/key_maps.json: tensor names of one implementation against those of another, and how far the
// implementations are apart on the same weights.
#include <algorithm>
#include <cmath>
#include <fstream>

#include "models/weights.h"
#include "tests/parity/cases.h"
#include "tests/parity/model_builder.h"

namespace fovea::parity {
namespace {

using Names = std::vector<std::string>;

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

Names keys_of(const Json& map) {
    Names names;
    for (const auto& [name, other] : map.items()) names.push_back(name);
    return names;
}
Names values_of(const Json& map) {
    Names names;
    for (const auto& [name, other] : map.items()) names.push_back(other);
    return names;
}

// Both spellings must lead to the same tensor, and all of them to the whole model.
void check_map(const std::string& title, const Json& map, const std::string& id, Checker& check) {
    const std::unique_ptr<Classifier> model =
        build(id, description_of(id).at("model").at("image_size")[0]);
    const Names from = keys_of(map);
    Names own = model->own_names(from), other = model->own_names(values_of(map)), state;
    for (std::size_t i = 0; i < from.size(); ++i)
        check.require(title + ": " + from[i] + " and its other name are one tensor",
                      own[i] == other[i]);
    own.erase(std::remove(own.begin(), own.end(), ""), own.end());  // what we do not store
    for (const StateTensor& t : state_of(*model)) state.push_back(t.name);
    std::sort(own.begin(), own.end());
    std::sort(state.begin(), state.end());
    check.require(title + ": the names are those of all tensors", own == state);
}

// Values by the formula, which hashes the spelling in `names`.
void fill(Classifier& model, const Names& names, const Target& target) {
    move_to(model, target.device, target.dtype);
    const Names own = model.own_names(names);
    for (const StateTensor& t : state_of(model)) {
        const auto at = std::find(own.begin(), own.end(), t.name) - own.begin();
        if (t.value.rank() == 0) continue;  // num_batches_tracked
        set_state(model, t.name,
                  Tensor::from(rule_values(names.at(static_cast<std::size_t>(at)), t.value.shape()),
                               t.value.shape(), DType::F64, Device::reference()));
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

void check_difference(const Pair& pair, const Names& names, const Json& differences,
                      const Target& target, Checker& check) {
    const Tensor images =
        to_nhwc(Tensor::from(input_values("input", {pair.batch, 3, pair.side, pair.side}, 1.0, 0.0),
                             {pair.batch, 3, pair.side, pair.side}, target.dtype, target.device));
    std::vector<double> logits[2];
    for (const int i : {0, 1}) {
        const auto model = build(i == 0 ? pair.first : pair.other, pair.side);
        fill(*model, names, target);
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
    check_map("Hugging Face's and Microsoft's CvT", maps.at("cvt_hf_to_ms"), "tiny_cvt_hf", check);
    check_map("Microsoft's and timm's Swin", maps.at("swin_ms_to_timm"), "tiny_swin_ms", check);
    check_map("Microsoft's and torchvision's Swin", maps.at("swin_ms_to_tv"), "tiny_swin_ms",
              check);
    check_map("timm's and torchvision's ViT", maps.at("vit_timm_to_tv"), "tiny_vit_tv", check);

    check.require("every difference is compared",
                  differences.size() == std::size(kCvt) + std::size(kSwin) + std::size(kVit));
    for (const Pair& pair : kCvt)
        check_difference(pair, values_of(maps.at("cvt_hf_to_ms")), differences, target, check);
    for (const Pair& pair : kSwin)
        check_difference(pair, keys_of(maps.at("swin_ms_to_timm")), differences, target, check);
    for (const Pair& pair : kVit)
        check_difference(pair, keys_of(maps.at("vit_timm_to_tv")), differences, target, check);
    return true;
}

}  // namespace fovea::parity
