// Loops over threads, and memory that threads keep. OpenMP only: the same pool of threads as oneDNN.
#pragma once

#include <omp.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <new>

#include "kernels/include/view.h"

namespace fovea::kernels::cpu {

/// Work (in elements touched, roughly) below which waking the other threads costs more than it saves.
inline constexpr std::int64_t kParallelWork = 1 << 15;

/// f(begin, end) on contiguous pieces of [0, n), one per thread; in this thread when n * work_per_item
/// is small. f must not care where the pieces end.
template <class F>
inline void parallel_for(std::int64_t n, std::int64_t work_per_item, const F& f) {
    if (n <= 0) return;
    if (n == 1 || n * work_per_item < kParallelWork || omp_get_max_threads() == 1 ||
        omp_in_parallel())
        return f(std::int64_t{0}, n);
#pragma omp parallel
    {
        const std::int64_t threads = omp_get_num_threads(), me = omp_get_thread_num();
        const std::int64_t begin = n * me / threads, end = n * (me + 1) / threads;
        if (begin < end) f(begin, end);
    }
}

/// parallel_for over the elements of a contiguous buffer: pieces start at multiples of 64.
template <class F>
inline void parallel_elements(std::int64_t n, std::int64_t work_per_element, const F& f) {
    parallel_for((n + 63) / 64, 64 * work_per_element, [&](std::int64_t begin, std::int64_t end) {
        f(begin * 64, std::min(n, end * 64));
    });
}

/// [0, n) in pieces whose number depends on n alone, never on the threads: partial sums over them,
/// added in order, give the same bits whoever computes which.
struct Chunks {
    std::int64_t n, size, count;

    /// Pieces of at least `least`, and at most `most` of them (one, empty, of nothing).
    Chunks(std::int64_t n_, std::int64_t least, std::int64_t most)
        : n(n_), size(std::max({std::int64_t{1}, least, (n_ + most - 1) / most})),
          count(std::max<std::int64_t>(1, (n_ + size - 1) / size)) {}

    std::int64_t begin(std::int64_t i) const { return i * size; }
    std::int64_t end(std::int64_t i) const { return std::min(n, (i + 1) * size); }
};

/// A buffer that only grows. Declare it `static thread_local` so that steady use never allocates.
template <class T>
class Scratch {
public:
    /// n uninitialized elements, 64-byte aligned; valid until the next call.
    T* get(std::int64_t n) {
        if (n > size_) {
            data_.reset();
            data_.reset(static_cast<T*>(
                ::operator new(static_cast<std::size_t>(n) * sizeof(T), kAlignment)));
            size_ = n;
        }
        return data_.get();
    }

private:
    static constexpr std::align_val_t kAlignment{64};
    struct Free {
        void operator()(T* p) const { ::operator delete(p, kAlignment); }
    };
    std::unique_ptr<T, Free> data_;
    std::int64_t size_ = 0;
};

/// An optional vector [n] of parameters; where there is none, n times `value`.
inline const float* values_or(CView v, std::int64_t n, float value, Scratch<float>& scratch) {
    if (v) return v.as<float>();
    float* const constant = scratch.get(n);
    std::fill(constant, constant + n, value);
    return constant;
}

}  // namespace fovea::kernels::cpu
