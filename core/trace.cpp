#include "core/trace.h"

#include <algorithm>

namespace fovea {
namespace {

thread_local Trace* current_trace = nullptr;

int compare(const Shape& a, const Shape& b) {
    if (a.rank != b.rank) return a.rank < b.rank ? -1 : 1;
    const auto [x, y] = std::mismatch(a.begin(), a.end(), b.begin());
    return x == a.end() ? 0 : *x < *y ? -1 : 1;
}

}  // namespace

Trace::Scope::Scope(Trace& trace) : previous_(current_trace) { current_trace = &trace; }
Trace::Scope::~Scope() { current_trace = previous_; }
Trace* Trace::current() { return current_trace; }

bool Trace::Key::operator<(const Key& o) const {
    if (storage.owner_before(o.storage)) return true;
    if (o.storage.owner_before(storage)) return false;
    if (offset != o.offset) return offset < o.offset;
    const int by_shape = compare(shape, o.shape);
    return by_shape != 0 ? by_shape < 0 : compare(strides, o.strides) < 0;
}

Trace::Key Trace::key_of(const Tensor& t) {
    return {t.storage(), t.offset(), t.shape(), t.strides()};
}

int Trace::number_of(const Tensor& t) {
    const auto [at, added] = numbers_.try_emplace(key_of(t), static_cast<int>(values_.size()));
    if (added) values_.push_back({t.shape(), t});
    return at->second;
}

void Trace::finish(const char* name, const Tensor& result, std::vector<Argument> arguments,
                   std::size_t known) {
    const auto [at, added] = numbers_.try_emplace(key_of(result), 0);
    // First seen as an argument of the op whose result it is: not a constant.
    if (!added && at->second >= static_cast<int>(known))
        values_[static_cast<std::size_t>(at->second)].constant = Tensor();
    at->second = static_cast<int>(values_.size());
    values_.push_back({result.shape(), Tensor()});
    ops_.push_back({name, std::move(arguments), at->second});
}

}  // namespace fovea
