#include "layers/module.h"

namespace fovea {

void Visitor::operator()(const char* name, Module& m) {
    const std::size_t mark = path_.size();
    path_ += name;
    enter_module(path_, m);
    path_ += '.';
    m.visit(*this);
    path_.resize(mark);
}

std::vector<NamedParameter> parameters_of(Module& m) {
    struct Collect : Visitor {
        std::vector<NamedParameter> found;
        void parameter(const std::string& name, Parameter& p) override {
            found.push_back({name, &p});
        }
    } collect;
    m.visit(collect);
    return std::move(collect.found);
}

std::vector<NamedBuffer> buffers_of(Module& m) {
    struct Collect : Visitor {
        std::vector<NamedBuffer> found;
        void buffer(const std::string& name, Buffer& b) override { found.push_back({name, &b}); }
    } collect;
    m.visit(collect);
    return std::move(collect.found);
}

std::int64_t parameter_count(Module& m) {
    std::int64_t count = 0;
    for (const NamedParameter& p : parameters_of(m)) count += p.parameter->value.numel();
    return count;
}

std::uint32_t path_hash(const std::string& path) {
    std::uint32_t hash = 2166136261u;
    for (const char c : path) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619u;
    return hash;
}

void assign_sites(Module& m) {
    struct Assign : Visitor {
        void random_site(const std::string& name, std::uint32_t& site) override {
            site = path_hash(name);
        }
    } assign;
    m.visit(assign);
}

void move_to(Module& m, Device device, DType dtype) {
    struct Move : Visitor {
        Device device;
        DType dtype = DType::F32;
        void parameter(const std::string&, Parameter& p) override {
            const bool wanted = p.value.requires_grad();
            p.value = p.value.to(dtype).to(device);
            if (wanted) p.value.set_requires_grad();
        }
        void buffer(const std::string&, Buffer& b) override {
            b.value =
                is_floating(b.value.dtype()) ? b.value.to(dtype).to(device) : b.value.to(device);
        }
    } move;
    move.device = device;
    move.dtype = dtype;
    m.visit(move);
}

Tensor to_checkpoint_layout(const Tensor& t, Layout layout) {
    return layout == Layout::ConvWeight ? t.permute({0, 3, 1, 2}).contiguous() : t;
}

Tensor from_checkpoint_layout(const Tensor& t, Layout layout) {
    return layout == Layout::ConvWeight ? t.permute({0, 2, 3, 1}).contiguous() : t;
}

Shape checkpoint_shape(const Parameter& p) {
    const Shape& s = p.value.shape();
    return p.layout == Layout::ConvWeight ? Shape{s[0], s[3], s[1], s[2]} : s;
}

}  // namespace fovea
