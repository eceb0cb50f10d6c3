#include "core/ops/shape_ops.h"

#include "core/autocast.h"
#include "core/ops/check.h"
#include "core/tape.h"
#include "kernels/include/elementwise.h"
#include "kernels/include/reduce.h"

namespace fovea::ops {
namespace {

struct ReshapeOp : Node {
    const char* name() const override { return "reshape"; }

    Tensor forward(const Tensor& x, const Shape& shape) {
        dx_ = sink(x);
        shape_ = x.shape();
        return x.reshape(shape);
    }

    void backward(const Tensor& dy) override { dx_.add(dy.reshape(shape_)); }

private:
    GradSink dx_;
    Shape shape_;
};

struct PermuteOp : Node {
    const char* name() const override { return "permute"; }

    Tensor forward(const Tensor& x, const std::vector<int>& axes) {
        dx_ = sink(x);
        inverse_.resize(axes.size());
        for (std::size_t i = 0; i < axes.size(); ++i)
            inverse_[static_cast<std::size_t>(axes[i] < 0 ? axes[i] + x.rank() : axes[i])] =
                static_cast<int>(i);
        return x.permute(axes).contiguous();
    }

    void backward(const Tensor& dy) override { dx_.add(dy.permute(inverse_)); }

private:
    GradSink dx_;
    std::vector<int> inverse_;
};

struct SliceOp : Node {
    const char* name() const override { return "slice"; }

    Tensor forward(const Tensor& x, int axis, std::int64_t begin, std::int64_t end) {
        dx_ = sink(x);
        shape_ = x.shape();
        axis_ = axis < 0 ? axis + x.rank() : axis;
        begin_ = begin;
        end_ = end;
        return x.slice(axis, begin, end);
    }

    void backward(const Tensor& dy) override {
        const GradSink::Buffer dx = dx_.open();
        View part = dx.view;
        part.shape.dims[axis_] = end_ - begin_;
        part.data =
            static_cast<std::byte*>(part.data) +
            static_cast<std::size_t>(begin_ * part.strides.dims[axis_]) * size_of(part.dtype);
        if (dx.mode == GradMode::Overwrite) {
            // The first slice of a tensor to come back also clears what the other slices will fill.
            kernels::fill(dy.stream(), dx.view, 0.0);
            kernels::copy(dy.stream(), part, dy);
            return;
        }
        const Tensor sum = Tensor::empty(dy.shape(), dy.dtype(), dy.device());
        kernels::binary(dy.stream(), sum.view(), part, dy, Binary::Add);
        kernels::copy(dy.stream(), part, sum);
    }

private:
    GradSink dx_;
    Shape shape_;
    int axis_ = 0;
    std::int64_t begin_ = 0, end_ = 0;
};

struct ConcatOp : Node {
    const char* name() const override { return "concat"; }

    Tensor forward(const std::vector<Tensor>& parts, int axis) {
        Shape shape = parts.front().shape();
        axis_ = axis < 0 ? axis + shape.rank : axis;
        std::int64_t total = 0;
        for (const Tensor& part : parts) {
            Shape expected = shape;
            expected[axis_] = part.rank() == shape.rank ? part.size(axis_) : 0;
            check(part.shape() == expected, "concat", "shapes must agree beside the joined axis",
                  parts.front(), part);
            total += part.size(axis_);
        }
        shape[axis_] = total;
        Tensor y = Tensor::empty(shape, parts.front().dtype(), parts.front().device());
        std::int64_t at = 0;
        for (const Tensor& part : parts) {
            y.slice(axis_, at, at + part.size(axis_)).copy_from(part);
            at += part.size(axis_);
            extents_.push_back(part.size(axis_));
            sinks_.push_back(sink(part));
        }
        return y;
    }

    void backward(const Tensor& dy) override {
        std::int64_t at = 0;
        for (std::size_t i = 0; i < sinks_.size(); ++i) {
            if (sinks_[i]) sinks_[i].add(dy.slice(axis_, at, at + extents_[i]));
            at += extents_[i];
        }
    }

private:
    int axis_ = 0;
    std::vector<std::int64_t> extents_;
    std::vector<GradSink> sinks_;
};

struct ExpandOp : Node {
    const char* name() const override { return "expand"; }

    Tensor forward(const Tensor& x, const Shape& shape) {
        dx_ = sink(x);
        shape_ = x.shape();
        return x.expand(shape).clone();
    }

    void backward(const Tensor& dy) override {
        Shape padded;
        for (int i = 0; i < dy.rank() - shape_.rank; ++i) padded.push_back(1);
        for (const std::int64_t extent : shape_) padded.push_back(extent);
        const Tensor dx = Tensor::empty(padded, dy.dtype(), dy.device());
        kernels::reduce_sum(dy.stream(), dx.view(), dy, 1.0, GradMode::Overwrite);
        dx_.add(dx.reshape(shape_));
    }

private:
    GradSink dx_;
    Shape shape_;
};

}  // namespace

Tensor reshape(const Tensor& x, const Shape& shape) {
    return apply<ReshapeOp>(contiguous(x), shape);
}
Tensor contiguous(const Tensor& x) {
    if (x.is_contiguous()) return x;
    std::vector<int> axes;
    for (int i = 0; i < x.rank(); ++i) axes.push_back(i);
    return permute(x, axes);
}
Tensor dense_rows(const Tensor& x) {
    const bool dense = x.rank() == 0 || x.size(-1) == 1 || x.strides()[-1] == 1;
    return dense ? x : contiguous(x);
}
Tensor permute(const Tensor& x, const std::vector<int>& axes) { return apply<PermuteOp>(x, axes); }
Tensor flatten_chw(const Tensor& x) {
    check(x.rank() == 4, "flatten_chw", "x [N,H,W,C]", x);
    const bool one_pixel = x.size(1) == 1 && x.size(2) == 1;
    const Tensor chw = one_pixel ? x : permute(x, {0, 3, 1, 2});
    return reshape(chw, {x.size(0), x.size(1) * x.size(2) * x.size(3)});
}
Tensor slice(const Tensor& x, int axis, std::int64_t begin, std::int64_t end) {
    return apply<SliceOp>(x, axis, begin, end);
}
Tensor concat(const std::vector<Tensor>& parts, int axis) {
    std::vector<Tensor> alike = parts;  // under autocast one low part makes the others follow
    for (const Tensor& part : parts)
        for (Tensor& other : alike) other = autocast::follow(other, part);
    return apply<ConcatOp>(alike, axis);
}
Tensor expand(const Tensor& x, const Shape& shape) { return apply<ExpandOp>(x, shape); }

Tensor roll(const Tensor& x, int axis, std::int64_t by) {
    const std::int64_t extent = x.size(axis);
    if (extent == 0 || by % extent == 0) return x;
    const std::int64_t cut = extent - (by % extent + extent) % extent;
    return concat({slice(x, axis, cut, extent), slice(x, axis, 0, cut)}, axis);
}

Tensor pad_map(const Tensor& x, std::int64_t rows, std::int64_t columns) {
    check(x.rank() == 4 && rows >= x.size(1) && columns >= x.size(2), "pad_map",
          "x [N,H,W,C], not larger than the padded map", x);
    const auto pad = [](const Tensor& t, int axis, std::int64_t extent) {
        if (extent == t.size(axis)) return t;
        Shape shape = t.shape();
        shape[axis] = extent - t.size(axis);
        return concat({t, Tensor::zeros(shape, t.dtype(), t.device())}, axis);
    };
    return pad(pad(x, 1, rows), 2, columns);
}

Tensor crop_map(const Tensor& x, std::int64_t rows, std::int64_t columns) {
    check(x.rank() == 4 && rows <= x.size(1) && columns <= x.size(2), "crop_map",
          "x [N,H,W,C], not smaller than the part", x);
    const auto crop = [](const Tensor& t, int axis, std::int64_t extent) {
        return extent == t.size(axis) ? t : slice(t, axis, 0, extent);
    };
    return crop(crop(x, 1, rows), 2, columns);
}

}  // namespace fovea::ops
