// DeiT: the published numbers, the two heads, and what each learns from.
#include "models/deit.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <map>
#include <memory>

#include "core/ops/distillation.h"
#include "optim/optimizer.h"
#include "tests/models/block_count.h"
#include "tests/models/sample.h"

using namespace fovea;

namespace {

std::int64_t count(const char* name, std::int64_t classes = 1000) {
    VitConfig config = *vit_preset(name);
    config.num_classes = classes;
    return test::count_by_blocks<Deit>(config, "blocks.0.");
}

/// A model with two heads, shaken.
std::unique_ptr<DistilledClassifier> distilled(const char* name) {
    ModelOptions options;
    options.dropout = options.drop_path = 0.0;
    std::unique_ptr<Classifier> model = make_model(name, options);
    auto* const student = dynamic_cast<DistilledClassifier*>(model.get());
    REQUIRE(student != nullptr);
    test::shake(*model, 4);
    (void)model.release();
    return std::unique_ptr<DistilledClassifier>(student);
}

Tensor batch_of(const Classifier& model, std::int64_t count) {
    const Shape image = model.input_shape();
    return test::pictures({count, image[0], image[1], image[2]}, DType::F32, Device::cpu());
}

double largest_gradient(Module& model, const std::string& name) {
    for (const NamedParameter& p : parameters_of(model)) {
        if (p.name != name || !p.parameter->value.grad().defined()) continue;
        double out = 0.0;
        for (const double g : p.parameter->value.grad().to_vector())
            out = std::max(out, std::abs(g));
        return out;
    }
    return 0.0;
}

}  // namespace

TEST_CASE("DeiT: parameter counts are the published ones") {
    CHECK(count("deit_tiny_distilled_patch16_224") == 5'910'800);
    CHECK(count("deit_tiny_distilled_patch16_224", 200) == 5'602'000);
    CHECK(count("deit_tiny_distilled_patch16_224", 10) == 5'528'660);
    CHECK(count("deit_small_distilled_patch16_224") == 22'436'432);
    CHECK(count("deit_small_distilled_patch16_224", 200) == 21'820'432);
    CHECK(count("deit_small_distilled_patch16_224", 10) == 21'674'132);
    CHECK(count("deit_base_distilled_patch16_224") == 87'338'192);
    CHECK(count("deit_base_distilled_patch16_224", 200) == 86'107'792);
    CHECK(count("deit_base_distilled_patch16_224", 10) == 85'815'572);
    CHECK(count("deit_base_distilled_patch16_384") == 87'630'032);
    CHECK(parameter_count(*make_model("mydeit", {})) == 210'900);
    CHECK(parameter_count(*make_model("mydeit_49", {})) == 210'772);
}

TEST_CASE("DeiT: multiply-adds are a ViT's and those of one token and head more") {
    const auto macs = [](const char* name) { return make_model(name, {})->macs(); };
    struct Sizes {
        std::int64_t width, hidden, depth, tokens,
            classes;  // tokens: without the distillation token
        std::int64_t of_one_more() const {
            const std::int64_t more_pairs = 2 * tokens + 1;
            return depth * (4 * width * width + 2 * width * hidden + 2 * width * more_pairs) +
                   width * classes;
        }
    };
    CHECK(macs("deit_test") == macs("vit_test") + Sizes{24, 48, 3, 37, 10}.of_one_more());
    CHECK(macs("mydeit_test") == macs("student_vit_test") + Sizes{16, 32, 2, 10, 10}.of_one_more());
}

TEST_CASE("DeiT: parameters come in the order of the references' state_dicts") {
    const auto names = [](const char* name) {
        std::vector<std::string> out;
        for (const NamedParameter& p : parameters_of(*make_model(name, {}))) out.push_back(p.name);
        return out;
    };
    const std::vector<std::string> deit = names("deit_test"), mydeit = names("mydeit_test");
    CHECK(deit[0] == "cls_token");
    CHECK(deit[1] == "pos_embed");
    CHECK(deit[2] == "dist_token");
    CHECK(deit[3] == "patch_embed.proj.weight");
    CHECK(deit[deit.size() - 4] == "head.weight");
    CHECK(deit.back() == "head_dist.bias");
    CHECK(mydeit[0] == "embedding.cls_token");
    CHECK(mydeit[1] == "embedding.dist_token");
    CHECK(mydeit[2] == "embedding.pos_embedding");
    CHECK(mydeit[mydeit.size() - 3] == "classifier.fc2.bias");
    CHECK(mydeit.back() == "head_dist.bias");
}

TEST_CASE("DeiT: an answer is the mean of both heads") {
    for (const char* name : {"deit_test", "mydeit_test"}) {
        CAPTURE(name);
        const auto model = distilled(name);
        const Tensor images = batch_of(*model, 3);
        const DistilledClassifier::Heads heads = model->heads(images, {});
        const std::vector<double> a = heads.labels.to_vector(), b = heads.teacher.to_vector(),
                                  mean = model->forward(images, {}).to_vector();
        REQUIRE(mean.size() == 30);
        CHECK(a != b);
        for (std::size_t i = 0; i < mean.size(); ++i)
            CHECK(mean[i] == Approx(0.5 * (a[i] + b[i])).margin(1e-6));
    }
}

TEST_CASE("DeiT: each head learns from its own part of the loss") {
    for (const char* name : {"deit_test", "mydeit_test"})
        for (const double alpha : {0.0, 0.5, 1.0}) {
            CAPTURE(name, alpha);
            const auto model = distilled(name);
            const bool mine = std::string(name) == "mydeit_test";
            const Tensor images = batch_of(*model, 3);
            const Tensor teacher = Tensor::from(
                [] {
                    std::vector<double> scores(30, 0.0);
                    scores[4] = scores[11] = scores[29] = 1.0;
                    return scores;
                }(),
                {3, 10});
            Tape tape;
            const DistilledClassifier::Heads heads = model->heads(images, {true, 1, 1});
            tape.backward(ops::distillation_loss(heads.labels, heads.teacher, teacher,
                                                 test::labels(3, 10, Device::cpu()),
                                                 {ops::Distillation::Hard, alpha, 1.0, 0.0}));
            const char* head = mine ? "classifier.fc2.weight" : "head.weight";
            const char* tokens[] = {mine ? "embedding.cls_token" : "cls_token",
                                    mine ? "embedding.dist_token" : "dist_token"};
            CHECK((largest_gradient(*model, head) > 0.0) == (alpha < 1.0));
            CHECK((largest_gradient(*model, "head_dist.weight") > 0.0) == (alpha > 0.0));
            // Attention mixes both tokens, so both always learn.
            for (const char* token : tokens) CHECK(largest_gradient(*model, token) > 0.0);
        }
}

TEST_CASE("DeiT: one batch with labels and a teacher can be learnt by heart") {
    for (const char* name : {"deit_test", "mydeit_test"})
        for (const ops::Distillation kind : {ops::Distillation::Hard, ops::Distillation::Soft}) {
            CAPTURE(name, static_cast<int>(kind));
            ModelOptions options;
            options.dropout = options.drop_path = 0.0;
            const std::unique_ptr<Classifier> model = make_model(name, options);
            model->initialise(1);
            const auto& student = dynamic_cast<const DistilledClassifier&>(*model);
            const Tensor images = batch_of(*model, 8), labels = test::labels(8, 10, Device::cpu());
            // The teacher is wrong everywhere: it says the class after the right one.
            std::vector<double> scores(80, 0.0), wrong;
            for (std::size_t b = 0; b < 8; ++b) {
                wrong.push_back(static_cast<double>((3 * b + 1) % 10));
                scores[10 * b + (3 * b + 1) % 10] = 20.0;
            }
            const Tensor teacher = Tensor::from(scores, {8, 10});
            ParamStore store(*model);
            Adam adam(store, {});
            for (int step = 0; step < 200; ++step) {
                store.zero_gradients();
                Tape tape;
                const auto heads = student.heads(images, {true, 1, 1});
                tape.backward(ops::distillation_loss(heads.labels, heads.teacher, teacher, labels,
                                                     {kind, 0.5, 1.0, 0.0}));
                adam.step(store, 5e-3);
            }
            const auto heads = student.heads(images, {});
            const auto loss = [](const Tensor& logits, const Tensor& truth) {
                return ops::cross_entropy(logits, truth).item();
            };
            CHECK(loss(heads.labels, labels) < 0.05);
            CHECK(loss(heads.teacher, Tensor::from(wrong, {8}, DType::I64)) < 0.05);
        }
}
