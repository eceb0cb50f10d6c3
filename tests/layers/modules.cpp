// Module trees: names, visiting order, layouts, random sites, moves between devices.
#include <catch2/catch.hpp>
#include <set>

#include "layers/attention.h"
#include "layers/conv_attention.h"
#include "layers/mlp.h"

using namespace fovea;

namespace {

std::vector<std::string> names_of(Module& m) {
    std::vector<std::string> names;
    for (const NamedParameter& p : parameters_of(m)) names.push_back(p.name);
    return names;
}

struct Sites : Visitor {
    std::vector<std::pair<std::string, std::uint32_t>> found;
    void random_site(const std::string& name, std::uint32_t& site) override {
        found.emplace_back(name, site);
    }
};

ConvAttentionConfig small_attention() {
    ConvAttentionConfig config;
    config.width = 8;
    config.heads = 2;
    config.dropout = 0.1;
    return config;
}

}  // namespace

TEST_CASE("layers name their parameters as PyTorch does") {
    Linear linear(3, 5), plain(3, 5, false);
    CHECK(names_of(linear) == std::vector<std::string>{"weight", "bias"});
    CHECK(linear.weight.value.shape() == Shape{5, 3});
    CHECK(linear.bias.value.shape() == Shape{5});
    CHECK(names_of(plain) == std::vector<std::string>{"weight"});

    Conv2d conv(6, 4, 3, 2, 1, 2);
    CHECK(conv.weight.value.shape() == Shape{4, 3, 3, 3});
    CHECK(conv.weight.layout == Layout::ConvWeight);
    Conv2d wide(6, 4, 5, 1, 2, 1, false);
    CHECK(wide.weight.value.shape() == Shape{4, 5, 5, 6});  // memory: [O,R,S,I]
    CHECK(checkpoint_shape(wide.weight) == Shape{4, 6, 5, 5});
    CHECK(names_of(wide) == std::vector<std::string>{"weight"});

    BatchNorm2d bn(7);
    CHECK(names_of(bn) == std::vector<std::string>{"weight", "bias"});
    const std::vector<NamedBuffer> buffers = buffers_of(bn);
    REQUIRE(buffers.size() == 3);
    CHECK(buffers[0].name == "running_mean");
    CHECK(buffers[1].name == "running_var");
    CHECK(buffers[2].name == "num_batches_tracked");
    CHECK(buffers[2].buffer->value.dtype() == DType::I64);
    CHECK(buffers[2].buffer->value.rank() == 0);
    CHECK(bn.running_var.value.to_vector() == std::vector<double>(7, 1.0));

    SelfAttention packed(8, 2, 0.5, true, 0.0);
    CHECK(names_of(packed) ==
          std::vector<std::string>{"qkv.weight", "qkv.bias", "proj.weight", "proj.bias"});
    CHECK(packed.qkv.weight.value.shape() == Shape{24, 8});
    Mlp mlp(8, 32, Unary::GeluErf, 0.0);
    CHECK(names_of(mlp) ==
          std::vector<std::string>{"fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias"});
}

TEST_CASE("convolutional attention, in the order of Microsoft's state_dict") {
    ConvAttention attention(small_attention());
    std::vector<std::string> expected;
    for (const char* part : {"q", "k", "v"})
        for (const char* name : {".conv.weight", ".bn.weight", ".bn.bias"})
            expected.push_back(std::string("conv_proj_") + part + name);
    for (const char* part : {"proj_q", "proj_k", "proj_v", "proj"})
        for (const char* name : {".weight", ".bias"}) expected.push_back(std::string(part) + name);
    CHECK(names_of(attention) == expected);
    CHECK(buffers_of(attention).size() == 9);
    CHECK(attention.conv_proj_q.conv.weight.value.shape() == Shape{8, 3, 3, 1});
    CHECK(attention.conv_proj_q.conv.params.stride[0] == 1);
    CHECK(attention.conv_proj_k.conv.params.stride[0] == 2);

    ConvAttentionConfig config = small_attention();
    config.conv_projection = config.qkv_bias = false;
    ConvAttention plain(config);
    CHECK(names_of(plain) == std::vector<std::string>{"proj_q.weight", "proj_k.weight",
                                                      "proj_v.weight", "proj.weight", "proj.bias"});
}

TEST_CASE("random sites are numbers of their paths: different, and stable") {
    struct Two : Module {
        Mlp a{4, 8, Unary::GeluErf, 0.1}, b{4, 8, Unary::GeluErf, 0.1};
        bool with_a = true;
        void visit(Visitor& v) override {
            if (with_a) v("a", a);
            v("b", b);
        }
    } both, alone;
    alone.with_a = false;
    assign_sites(both);
    assign_sites(alone);
    Sites all, some;
    both.visit(all);
    alone.visit(some);
    REQUIRE(all.found.size() == 4);
    CHECK(all.found[0].first == "a.drop1.mask");
    std::set<std::uint32_t> different;
    for (const auto& [name, site] : all.found) different.insert(site);
    CHECK(different.size() == 4);
    REQUIRE(some.found.size() == 2);
    CHECK(some.found[0] == all.found[2]);  // "b.drop1.mask" does not care about a
    CHECK(all.found[0].second == 0x26ECAB08u);
}

TEST_CASE("checkpoint layout permutes convolutions and gives them back") {
    std::vector<double> numbers(2 * 3 * 4 * 5);
    for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = static_cast<double>(i);
    const Tensor memory = Tensor::from(numbers, {2, 3, 4, 5});  // [O,R,S,I]
    const Tensor file = to_checkpoint_layout(memory, Layout::ConvWeight);
    CHECK(file.shape() == Shape{2, 5, 3, 4});  // [O,I,R,S]
    const std::vector<double> v = file.to_vector();
    for (std::size_t o = 0; o < 2; ++o)
        for (std::size_t i = 0; i < 5; ++i)
            for (std::size_t r = 0; r < 3; ++r)
                for (std::size_t s = 0; s < 4; ++s)
                    CHECK(v[((o * 5 + i) * 3 + r) * 4 + s] ==
                          numbers[((o * 3 + r) * 4 + s) * 5 + i]);
    CHECK(from_checkpoint_layout(file, Layout::ConvWeight).to_vector() == numbers);
    CHECK(to_checkpoint_layout(memory, Layout::Plain).same(memory));
}

TEST_CASE("move_to converts parameters and float buffers, and keeps what is trained") {
    BatchNorm2d bn(3);
    move_to(bn, Device::reference(), DType::F64);
    for (const NamedParameter& p : parameters_of(bn)) {
        CHECK(p.parameter->value.dtype() == DType::F64);
        CHECK(p.parameter->value.device() == Device::reference());
        CHECK(p.parameter->value.requires_grad());
    }
    CHECK(bn.running_mean.value.dtype() == DType::F64);
    CHECK(bn.num_batches_tracked.value.dtype() == DType::I64);
    CHECK(bn.num_batches_tracked.value.device() == Device::reference());
}

TEST_CASE("dropout and drop-path act in training only, as functions of seed, step and site") {
    Dropout dropout(0.5);
    DropPath path(0.5);
    dropout.site = path.site = 7;
    const Tensor x = Tensor::full({16, 32}, 1.0), zero = Tensor::zeros({16, 32});
    CHECK(dropout.forward(x, Pass{}).to_vector() == x.to_vector());
    CHECK(path.add(zero, x, Pass{}).to_vector() == x.to_vector());
    const auto dropped = [&](const Pass& pass) { return dropout.forward(x, pass).to_vector(); };
    const Pass pass{true, 42, 3};
    CHECK(dropped(pass) == dropped(pass));
    CHECK(dropped(pass) != dropped({true, 42, 4}));
    CHECK(dropped(pass) != dropped({true, 43, 3}));
    for (const double v : dropped(pass)) CHECK((v == 0.0 || v == 2.0));
    // Drop-path takes whole samples.
    const std::vector<double> rows = path.add(zero, x, pass).to_vector();
    int kept = 0;
    for (std::size_t r = 0; r < 16; ++r) {
        for (std::size_t c = 1; c < 32; ++c) REQUIRE(rows[r * 32 + c] == rows[r * 32]);
        kept += rows[r * 32] == 2.0;
    }
    CHECK(kept > 1);
    CHECK(kept < 15);
}

TEST_CASE("BatchNorm2d follows the batch in training and its averages afterwards") {
    BatchNorm2d bn(2, 0.0, 0.1);
    move_to(bn, Device::reference(), DType::F64);
    const Tensor x =
        Tensor::from({1, 10, 3, 30, 5, 50, 7, 70}, {4, 1, 1, 2}, DType::F64, Device::reference());
    const std::vector<double> y = bn.forward(x, Pass{true}).to_vector();
    CHECK(y[0] == Approx(-3.0 / std::sqrt(5.0)));  // mean 4, biased variance 5
    CHECK(bn.running_mean.value.to_vector()[0] == Approx(0.4));
    CHECK(bn.running_var.value.to_vector()[1] == Approx(0.9 + 0.1 * 2000.0 / 3.0));  // unbiased
    CHECK(bn.num_batches_tracked.value.item() == 1);
    const std::vector<double> averages = bn.running_mean.value.to_vector();
    const std::vector<double> z = bn.forward(x, Pass{}).to_vector();
    CHECK(z[0] == Approx((1.0 - 0.4) / std::sqrt(0.9 + 0.1 * 20.0 / 3.0)));
    CHECK(bn.running_mean.value.to_vector() == averages);
    CHECK(bn.num_batches_tracked.value.item() == 1);
}
