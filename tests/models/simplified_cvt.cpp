// Simplified CvTs: their sizes, their cost, and that a pair differs in what it is said to differ in.
#include "models/simplified_cvt.h"

#include <catch2/catch.hpp>
#include <set>

#include "tests/models/sample.h"

using namespace fovea;

namespace {

std::set<std::string> names_of(const char* model) {
    const auto made = make_model(model, {});
    std::set<std::string> names;
    for (const NamedParameter& p : parameters_of(*made)) names.insert(p.name);
    return names;
}

}  // namespace

TEST_CASE("simplified CvTs and their controls: parameters and multiply-adds") {
    const struct {
        const char* name;
        std::int64_t parameters;
        double gmacs;  // 0: not stated
    } rows[] = {
        {"vit_p4_s", 6'448'584, 0},
        {"vit_p4_m", 19'714'760, 0},
        {"vit_p8_s", 6'436'296, 0.429},
        {"cvt_simple_embed_s", 6'408'648, 1.90},
        {"cvt_simple_embed_m", 19'654'856, 0},
        {"cvt_enhanced_embed_s", 6'669'768, 0},
        {"cvt_enhanced_embed_m", 20'267'720, 0},
        {"cvt_recurrent_s", 6'611'400, 0.183},
        {"cvt_recurrent_m", 19'547'976, 0},
        {"cvt_recurrent_enhanced_s", 6'621'384, 0},
        {"cvt_recurrent_enhanced_m", 19'557'960, 0},
        {"cvt_ref_s", 6'668'424, 0.157},
        {"cvt_ref_m", 19'689'480, 0.351},  // CvT-13
    };
    for (const auto& row : rows) {
        CAPTURE(row.name);
        const auto model = make_model(row.name, {});
        CHECK(parameter_count(*model) == row.parameters);
        CHECK((model->input_shape() == Shape{64, 64, 3}));
        CHECK(model->classes() == 200);
        if (row.gmacs > 0)
            CHECK(static_cast<double>(model->macs()) == Approx(row.gmacs * 1e9).epsilon(5e-3));
    }
    ModelOptions options;
    options.num_classes = 200;
    options.height = options.width = 64;
    CHECK(make_model("cvt_ref_m", {})->macs() == make_model("cvt13", options)->macs());
}

TEST_CASE("CvT and its form without projections differ in the projections alone") {
    for (const bool small : {true, false}) {
        const CvtConfig with = *simplified_cvt_preset(small ? "cvt_ref_s" : "cvt_ref_m");
        CvtConfig without = *simplified_cvt_preset(small ? "cvt_recurrent_s" : "cvt_recurrent_m");
        std::int64_t channels = 0;
        for (const CvtStageConfig& s : with.stages) channels += s.depth * s.embed_dim;
        Cvt a(with), b(without);
        CHECK(parameter_count(a) - parameter_count(b) == 33 * channels);
        CHECK(33 * channels == (small ? 57'024 : 141'504));
    }
    std::set<std::string> names = names_of("cvt_ref_s");
    std::erase_if(names, [](const std::string& n) { return n.find("conv_proj") != n.npos; });
    std::size_t plain = 0;
    for (const std::string& n : names_of("cvt_recurrent_s")) plain += n.find("attn.qkv") == n.npos;
    CHECK(std::count_if(names.begin(), names.end(), [](const std::string& n) {
              return n.find("attn.proj_") == n.npos;
          }) == static_cast<std::ptrdiff_t>(plain));
}

TEST_CASE("two embedding convolutions come to the same map as one") {
    for (const char* name : {"cvt_simple_embed_s", "cvt_enhanced_embed_s"}) {
        const CvtConfig config = *simplified_cvt_preset(name);
        const CvtPatchEmbed embed(3, config.stages.front(), config.ln_eps);
        CHECK((embed.forward(Tensor::zeros({1, 64, 64, 3})).shape() == Shape{1, 16, 16, 256}));
    }
    CHECK_FALSE(simplified_cvt_preset("cvt_simple_embed").has_value());
    CHECK_FALSE(simplified_cvt_preset("cvt_simple_embed_l").has_value());
    CHECK_FALSE(simplified_cvt_preset("s").has_value());
}
