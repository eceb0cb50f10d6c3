// Operators that move elements.
#include "tests/onnx/evaluator.h"

namespace test {
namespace {

/// y of a shape, whose element at each place is x's at the place that `from` makes of it.
template <class From>
Array gathered(const Array& x, const Extents& shape, const From& from) {
    Array y = array(shape);
    const Extents strides = strides_of(x.shape);
    Extents place(shape.size(), 0);
    for (double& value : y.values) {
        const Extents source = from(place);
        std::int64_t offset = 0;
        bool inside = true;
        for (std::size_t i = 0; i < source.size(); ++i) {
            inside = inside && source[i] >= 0 && source[i] < x.shape[i];
            offset += source[i] * strides[i];
        }
        value = inside ? element(x, offset) : 0.0;
        for (std::size_t i = shape.size(); i-- > 0;) {
            if (++place[i] < shape[i]) break;
            place[i] = 0;
        }
    }
    return y;
}

Results identity(const Operation& op) { return {op.in(0)}; }

Results reshape(const Operation& op) {
    Array y = op.in(0);
    Extents shape = op.in(1).integers();
    std::int64_t known = 1;
    std::size_t open = shape.size();
    for (std::size_t i = 0; i < shape.size(); ++i) {
        if (shape[i] == 0) shape[i] = y.shape.at(i);
        if (shape[i] == -1)
            open = i;
        else
            known *= shape[i];
    }
    if (open < shape.size()) shape[open] = elements(y.shape) / known;
    if (elements(shape) != elements(y.shape)) throw std::runtime_error("Reshape");
    y.shape = shape;
    return {y};
}

Results transpose(const Operation& op) {
    const Extents& perm = op.list("perm");
    Extents shape;
    for (const std::int64_t axis : perm) shape.push_back(op.in(0).size(static_cast<int>(axis)));
    return {gathered(op.in(0), shape, [&](const Extents& place) {
        Extents source(perm.size());
        for (std::size_t i = 0; i < perm.size(); ++i)
            source[static_cast<std::size_t>(perm[i])] = place[i];
        return source;
    })};
}

Results expand(const Operation& op) {
    const Array& x = op.in(0);
    Extents shape = op.in(1).integers();
    const std::size_t lead = shape.size() - x.shape.size();
    for (std::size_t i = 0; i < x.shape.size(); ++i) {
        std::int64_t& extent = shape[lead + i];
        if (extent == 1) extent = x.shape[i];
        if (x.shape[i] != 1 && x.shape[i] != extent) throw std::runtime_error("Expand");
    }
    return {gathered(x, shape, [&](const Extents& place) {
        Extents source;
        for (std::size_t i = 0; i < x.shape.size(); ++i)
            source.push_back(x.shape[i] == 1 ? 0 : place[lead + i]);
        return source;
    })};
}

Results shape_of(const Operation& op) {
    const Extents& shape = op.in(0).shape;
    Array y = array({op.integer("end", 0) - op.integer("start", 0)});
    for (std::size_t i = 0; i < y.values.size(); ++i)
        y.values[i] =
            static_cast<double>(shape.at(i + static_cast<std::size_t>(op.integer("start", 0))));
    return {y};
}

Array cut(const Array& x, std::size_t axis, std::int64_t begin, std::int64_t end) {
    Extents shape = x.shape;
    shape.at(axis) = end - begin;
    return gathered(x, shape, [&](Extents place) {
        place[axis] += begin;
        return place;
    });
}

/// Of one axis, with a step of one.
Results slice(const Operation& op) {
    const auto number = [&](std::size_t i) {
        return static_cast<std::int64_t>(op.in(i).values.at(0));
    };
    const std::size_t axis = op.in(0).at(static_cast<int>(number(3)));
    if (number(1) < 0 || number(2) > op.in(0).shape.at(axis)) throw std::runtime_error("Slice");
    return {cut(op.in(0), axis, number(1), number(2))};
}

/// Into equal parts.
Results split(const Operation& op) {
    const Array& x = op.in(0);
    const std::size_t axis = x.at(static_cast<int>(op.integer("axis", 0)));
    const std::int64_t part = x.shape.at(axis) / static_cast<std::int64_t>(op.outputs);
    Results parts;
    for (std::size_t i = 0; i < op.outputs; ++i) {
        const std::int64_t begin = part * static_cast<std::int64_t>(i);
        parts.push_back(cut(x, axis, begin, begin + part));
    }
    return parts;
}

Results concat(const Operation& op) {
    const std::size_t axis = op.in(0).at(static_cast<int>(op.integer("axis", 0)));
    Extents shape = op.in(0).shape;
    shape.at(axis) = 0;
    for (const Array* part : op.inputs) shape[axis] += part->shape.at(axis);
    Array y = array(shape);
    std::int64_t begin = 0;
    for (const Array* part : op.inputs) {
        // Outside of the part this gives zeros, so the sum of all is what is wanted.
        const Array placed = gathered(*part, shape, [&](Extents place) {
            place[axis] -= begin;
            return place;
        });
        for (std::size_t i = 0; i < y.values.size(); ++i) y.values[i] += placed.values[i];
        begin += part->shape[axis];
    }
    return {y};
}

/// With zeros.
Results pad(const Operation& op) {
    const Array& x = op.in(0);
    const Extents pads = op.in(1).integers();
    Extents shape = x.shape;
    for (std::size_t i = 0; i < shape.size(); ++i)
        shape[i] += pads.at(i) + pads.at(shape.size() + i);
    return {gathered(x, shape, [&](Extents place) {
        for (std::size_t i = 0; i < place.size(); ++i) place[i] -= pads[i];
        return place;
    })};
}

/// Rows of a matrix.
Results gather(const Operation& op) {
    const Array &table = op.in(0), &rows = op.in(1);
    if (op.integer("axis", 0) != 0 || table.shape.size() != 2) throw std::runtime_error("Gather");
    Array y = array({elements(rows.shape), table.shape[1]});
    for (std::int64_t i = 0; i < y.shape[0]; ++i)
        for (std::int64_t j = 0; j < y.shape[1]; ++j)
            element(y, i * y.shape[1] + j) =
                element(table, static_cast<std::int64_t>(element(rows, i)) * y.shape[1] + j);
    y.shape = rows.shape;
    y.shape.push_back(table.shape[1]);
    return {y};
}

}  // namespace

void add_shape_operators(Operators& operators) {
    operators["Identity"] = identity;
    operators["Reshape"] = reshape;
    operators["Transpose"] = transpose;
    operators["Expand"] = expand;
    operators["Shape"] = shape_of;
    operators["Slice"] = slice;
    operators["Split"] = split;
    operators["Concat"] = concat;
    operators["Pad"] = pad;
    operators["Gather"] = gather;
}

}  // namespace test
