#include "core/tensor.h"

#include "core/allocator.h"
#include "core/error.h"
#include "core/tensor_impl.h"
#include "kernels/include/elementwise.h"
#include "kernels/include/gpu.h"

namespace fovea {
namespace {

[[noreturn]] void fail(const std::string& what) { throw Error("B01", what); }

int axis_of(int axis, int rank, const char* who) {
    if (axis < -rank || axis >= rank)
        fail(std::string(who) + ": axis " + std::to_string(axis) + " of a tensor of rank " +
             std::to_string(rank));
    return axis < 0 ? axis + rank : axis;
}

}  // namespace

std::string to_string(const Shape& shape) {
    std::string out = "[";
    for (int i = 0; i < shape.rank; ++i) out += (i ? ", " : "") + std::to_string(shape.dims[i]);
    return out + "]";
}

Tensor Tensor::view_of(std::shared_ptr<Storage> storage, std::int64_t offset, const Shape& shape,
                       const Shape& strides, DType dtype) {
    auto impl = std::make_shared<TensorImpl>();
    impl->storage = std::move(storage);
    impl->offset = offset;
    impl->shape = shape;
    impl->strides = strides;
    impl->dtype = dtype;
    return Tensor(std::move(impl));
}

Tensor Tensor::empty(const Shape& shape, DType dtype, Device device) {
    const auto bytes = static_cast<std::size_t>(shape.numel()) * size_of(dtype);
    return view_of(Storage::allocate(device, bytes), 0, shape, contiguous_strides(shape), dtype);
}

Tensor Tensor::full(const Shape& shape, double value, DType dtype, Device device) {
    Tensor t = empty(shape, dtype, device);
    if (value == 0.0)
        allocator::clear(device, t.data(), static_cast<std::size_t>(t.numel()) * size_of(dtype));
    else
        t.fill(value);
    return t;
}

Tensor Tensor::from(const std::vector<double>& values, const Shape& shape, DType dtype,
                    Device device) {
    if (static_cast<std::int64_t>(values.size()) != shape.numel())
        fail("Tensor::from: " + std::to_string(values.size()) + " values for shape " +
             to_string(shape));
    Tensor host = empty(shape, DType::F64, Device::reference());
    std::copy(values.begin(), values.end(), host.data<double>());
    return host.to(dtype).to(device);
}

const Shape& Tensor::shape() const { return impl_->shape; }
const Shape& Tensor::strides() const { return impl_->strides; }
DType Tensor::dtype() const { return impl_->dtype; }
Device Tensor::device() const { return impl_->storage->device(); }
const std::shared_ptr<Storage>& Tensor::storage() const { return impl_->storage; }
std::int64_t Tensor::offset() const { return impl_->offset; }
Stream Tensor::stream() const {
    const Device where = device();
    return where.on_host() ? Stream{where} : gpu::compute_stream(where.index);
}
bool Tensor::is_contiguous() const { return cview().contiguous(); }

void* Tensor::data() const {
    return static_cast<std::byte*>(impl_->storage->data()) +
           static_cast<std::size_t>(impl_->offset) * size_of(impl_->dtype);
}

View Tensor::view() const {
    if (!defined()) return {};
    View v;
    v.data = data();
    v.shape = impl_->shape;
    v.strides = impl_->strides;
    v.dtype = impl_->dtype;
    return v;
}

CView Tensor::cview() const { return view(); }

Tensor Tensor::reshape(const Shape& wanted) const {
    Shape shape = wanted;
    for (int i = 0; i < shape.rank; ++i) {
        if (shape.dims[i] != -1) continue;
        shape.dims[i] = 1;
        const std::int64_t rest = shape.numel();
        shape.dims[i] = rest == 0 ? 0 : numel() / rest;
    }
    if (shape.numel() != numel())
        fail("reshape: " + to_string(this->shape()) + " to " + to_string(wanted));
    if (!is_contiguous())
        fail("reshape: needs a contiguous tensor of shape " + to_string(this->shape()));
    return view_of(storage(), offset(), shape, contiguous_strides(shape), dtype());
}

Tensor Tensor::slice(int axis, std::int64_t begin, std::int64_t end) const {
    axis = axis_of(axis, rank(), "slice");
    if (begin < 0 || begin > end || end > size(axis))
        fail("slice: [" + std::to_string(begin) + ", " + std::to_string(end) + ") of axis " +
             std::to_string(axis) + " of " + to_string(shape()));
    Shape shape = this->shape();
    shape.dims[axis] = end - begin;
    return view_of(storage(), offset() + begin * strides().dims[axis], shape, strides(), dtype());
}

Tensor Tensor::permute(const std::vector<int>& axes) const {
    if (static_cast<int>(axes.size()) != rank())
        fail("permute: wrong number of axes for " + to_string(shape()));
    Shape shape, strides;
    unsigned seen = 0;
    for (int a : axes) {
        a = axis_of(a, rank(), "permute");
        seen |= 1u << a;
        shape.push_back(this->shape().dims[a]);
        strides.push_back(this->strides().dims[a]);
    }
    if (seen != (1u << rank()) - 1)
        fail("permute: an axis is named twice for " + to_string(this->shape()));
    return view_of(storage(), offset(), shape, strides, dtype());
}

Tensor Tensor::transpose(int a, int b) const {
    std::vector<int> axes(static_cast<std::size_t>(rank()));
    for (int i = 0; i < rank(); ++i) axes[static_cast<std::size_t>(i)] = i;
    std::swap(axes[static_cast<std::size_t>(axis_of(a, rank(), "transpose"))],
              axes[static_cast<std::size_t>(axis_of(b, rank(), "transpose"))]);
    return permute(axes);
}

Tensor Tensor::expand(const Shape& wanted) const {
    Shape strides;
    strides.rank = wanted.rank;
    const int lead = wanted.rank - rank();
    for (int i = 0; i < wanted.rank; ++i) {
        const int j = i - lead;
        const std::int64_t have = j < 0 ? 1 : shape().dims[j];
        if (lead < 0 || (have != 1 && have != wanted.dims[i]))
            fail("expand: " + to_string(shape()) + " to " + to_string(wanted));
        strides.dims[i] =
            have == 1 && wanted.dims[i] != 1 ? 0 : (j < 0 ? 0 : this->strides().dims[j]);
    }
    return view_of(storage(), offset(), wanted, strides, dtype());
}

Tensor Tensor::contiguous() const { return is_contiguous() ? *this : clone(); }

Tensor Tensor::clone() const {
    Tensor copy = empty(shape(), dtype(), device());
    copy.copy_from(*this);
    return copy;
}

Tensor Tensor::to(DType dtype) const {
    if (dtype == this->dtype()) return *this;
    Tensor copy = empty(shape(), dtype, device());
    copy.copy_from(*this);
    return copy;
}

Tensor Tensor::to(Device device) const {
    if (device == this->device()) return *this;
    Tensor copy = empty(shape(), dtype(), device);
    copy.copy_from(*this);
    return copy;
}

void Tensor::copy_from(const Tensor& x) const {
    if (!(x.shape() == shape()))
        fail("copy_from: " + to_string(x.shape()) + " into " + to_string(shape()));
    if (device().on_host() != x.device().on_host()) return transfer(x);
    bump_version();
    kernels::copy(stream(), view(), x.cview());
}

// Between host and GPU only dense memory of one dtype travels: what else there is to do happens before
// and after, on the side where the data then is.
void Tensor::transfer(const Tensor& x) const {
    const Tensor source = x.contiguous();
    const bool direct = is_contiguous() && dtype() == x.dtype();
    const Tensor landed = direct ? *this : empty(shape(), x.dtype(), device());
    const bool upload = source.device().on_host();
    const Stream stream = upload ? landed.stream() : source.stream();
    landed.bump_version();
    gpu::copy(stream, landed.data(), source.data(),
              static_cast<std::size_t>(numel()) * size_of(x.dtype()),
              upload ? gpu::Copy::HostToDevice : gpu::Copy::DeviceToHost);
    gpu::synchronise(stream);  // the host's memory may be read, or change, from here on
    if (!direct) copy_from(landed);
}

void Tensor::fill(double value) const {
    if (!is_contiguous()) return copy_from(full({}, value, dtype(), device()).expand(shape()));
    bump_version();
    kernels::fill(stream(), view(), value);
}

double Tensor::item() const {
    if (numel() != 1) fail("item: needs one element, got shape " + to_string(shape()));
    return to_vector()[0];
}

std::vector<double> Tensor::to_vector() const {
    const Tensor host = to(Device::reference()).to(DType::F64).contiguous();
    return {host.data<double>(), host.data<double>() + host.numel()};
}

bool Tensor::requires_grad() const { return defined() && impl_->slot != nullptr; }

Tensor& Tensor::set_requires_grad(bool on) {
    if (!on) {
        impl_->slot.reset();
    } else if (!impl_->slot) {
        impl_->slot = std::make_shared<GradSlot>();
        impl_->slot->shape = shape();
        impl_->slot->dtype = dtype();
        impl_->slot->device = device();
    }
    return *this;
}

const std::shared_ptr<GradSlot>& Tensor::grad_slot() const { return impl_->slot; }

const Tensor& Tensor::grad() const {
    static const Tensor none;
    return requires_grad() ? impl_->slot->grad : none;
}

void Tensor::set_grad(Tensor g) const {
    if (!(g.shape() == shape()))
        fail("set_grad: " + to_string(g.shape()) + " for " + to_string(shape()));
    impl_->slot->grad = std::move(g);
    impl_->slot->fixed = true;
}

void Tensor::clear_grad() const {
    impl_->slot->grad = Tensor();
    impl_->slot->fixed = false;
}

Tensor Tensor::low_copy(DType dtype) const {
    Tensor& low = impl_->low;
    if (!low.defined() || low.dtype() != dtype) {
        low = to(dtype);
        impl_->low_version = version();
    } else if (impl_->low_version != version()) {
        low.copy_from(*this);
        impl_->low_version = version();
    }
    low.impl_->slot = impl_->slot;
    return low;
}

void Tensor::set_low_copy(const Tensor& low, bool current) const {
    impl_->low = low;
    impl_->low_version = current ? version() : version() - 1;
}

bool Tensor::unique() const { return impl_.use_count() == 1 && impl_->storage.use_count() == 1; }

}  // namespace fovea
