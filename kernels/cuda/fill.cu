// y[i] = value, any dtype. Writes y once, 16 bytes at a time; a value whose bytes are all equal, such
// as 0, is left to the runtime's memset.
#include <bit>

#include "kernels/cpu/convert.h"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/numbers.cuh"
#include "kernels/include/elementwise.h"

namespace fovea::kernels::cuda {
namespace {

constexpr int kThreads = 256;

/// Word: an element's bits. `head` elements lie before the first address that 16 divides.
template <class Word>
__global__ void __launch_bounds__(kThreads) fill_kernel(Word* y, Index n, Index head, Word value) {
    constexpr int V = 16 / sizeof(Word);
    uint4 pattern;
#pragma unroll
    for (int e = 0; e < V; ++e) reinterpret_cast<Word*>(&pattern)[e] = value;
    const Index thread = static_cast<Index>(blockIdx.x) * kThreads + threadIdx.x;
    const Index chunks = (n - head) / V;
    for (Index i = thread; i < chunks; i += static_cast<Index>(gridDim.x) * kThreads)
        reinterpret_cast<uint4*>(y + head)[i] = pattern;
    if (thread < head) y[thread] = value;
    const Index rest = head + chunks * V + thread;
    if (rest < n) y[rest] = value;
}

template <class Word>
void fill_words(const Stream& stream, View y, Word value) {
    const Index n = y.numel();
    const auto past = reinterpret_cast<std::uintptr_t>(y.data) % 16;
    const Index head = std::min<Index>(n, past == 0 ? 0 : (16 - past) / sizeof(Word));
    launch(stream, {grid_for(n, kThreads * 16 / sizeof(Word)), kThreads}, fill_kernel<Word>,
           y.as<Word>(), n, head, value);
}

template <std::size_t size>
using WordOf = std::conditional_t<
    size == 8, std::uint64_t,
    std::conditional_t<size == 4, std::uint32_t,
                       std::conditional_t<size == 2, std::uint16_t, std::uint8_t>>>;

}  // namespace

void fill(const Stream& stream, View y, double value) {
    if (y.numel() == 0) return;
    cpu::with_element_type(y.dtype, [&](auto type) {
        using T = typename decltype(type)::type;
        using Word = WordOf<sizeof(T)>;
        const Word word = std::bit_cast<Word>(cpu::from_double<T>(value));
        const auto byte = static_cast<std::uint8_t>(word);
        if (word != static_cast<Word>(byte * (static_cast<Word>(-1) / 255)))
            return fill_words(stream, y, word);
        FOVEA_CUDA_CHECK(cudaMemsetAsync(
            y.data, byte, static_cast<std::size_t>(y.numel()) * sizeof(T), handle(stream)));
    });
}

}  // namespace fovea::kernels::cuda
