// Stands in for kernels/cuda/runtime.cpp in a build without CUDA: there is no device.
#include "kernels/include/gemm_engine.h"
#include "kernels/include/gpu.h"

namespace fovea::gpu {
namespace {

[[noreturn]] void absent() { throw Failure("this program was built without CUDA"); }

}  // namespace

int count() { return 0; }
std::string obstacle(int) { return "this program was built without CUDA"; }
Properties properties(int) { absent(); }
std::string architectures() { return {}; }
std::string versions() { return {}; }
void* allocate(int, std::size_t) { absent(); }
void release(int, void*) noexcept {}
void* allocate_pinned(std::size_t) { absent(); }
void release_pinned(void*) noexcept {}
Stream compute_stream(int) { absent(); }
Stream copy_stream(int) { absent(); }
void copy(const Stream&, void*, const void*, std::size_t, Copy) { absent(); }
void set_bytes(const Stream&, void*, int, std::size_t) { absent(); }
void synchronise(const Stream&) { absent(); }
Event::Event(int device_index, bool) : device_(device_index) { absent(); }
Event::~Event() = default;
void Event::record(const Stream&) { absent(); }
void Event::make_wait(const Stream&) const { absent(); }
void Event::wait() const { absent(); }
double Event::milliseconds_since(const Event&) const { absent(); }
void push_range(const char*) {}
void pop_range() {}
void allow_tf32(bool) {}
bool tf32_allowed() { return false; }
void set_gemm_engine(GemmEngine) {}
GemmEngine gemm_engine() { return GemmEngine::Auto; }

}  // namespace fovea::gpu
