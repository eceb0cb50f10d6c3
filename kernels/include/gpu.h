// What the rest of Fovea may ask of a CUDA device: memory, streams, events, copies, names.
//
// Declared here and joined at link time, as the kernels are: kernels/cuda/runtime.cpp, or
// kernels/cuda_absent.cpp in a build without CUDA, where count() is 0 and the rest throws.
#pragma once

#include <cstddef>
#include <stdexcept>
#include <string>

#include "kernels/include/device.h"

namespace fovea::gpu {

/// A call to the CUDA runtime or a library failed: expression, place and the library's own words.
class Failure : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// Devices that this program can run on; 0 where there is none, no driver, or no CUDA in the build.
int count();
/// One line: why count() is 0, or why device `index` cannot run this program's kernels. Empty: it can.
std::string obstacle(int index = 0);

struct Properties {
    std::string name;
    int major = 0, minor = 0;  ///< compute capability
    int multiprocessors = 0;
    std::size_t memory_bytes = 0, free_bytes = 0;
    std::size_t l2_bytes = 0;
    double memory_bandwidth = 0.0;  ///< bytes per second, from bus width and clock; 0: unknown
    double clock_hz = 0.0;
};
Properties properties(int index);

/// "sm_80, sm_90, compute_90": what the kernels were compiled for; empty without CUDA.
std::string architectures();
/// "driver 13.0, runtime 13.0, cuBLASLt 13.0.2"; empty without CUDA.
std::string versions();

/// Device memory, 256-byte aligned; nullptr when there is not enough.
void* allocate(int index, std::size_t bytes);
void release(int index, void* block) noexcept;
/// Page-locked host memory, which copies run from without waiting; throws Failure.
void* allocate_pinned(std::size_t bytes);
void release_pinned(void* block) noexcept;

/// The device's two streams. Neither waits for the other unless an Event says so.
Stream compute_stream(int index);
Stream copy_stream(int index);

enum class Copy : unsigned char { HostToDevice, DeviceToHost, DeviceToDevice };
/// In the stream's order; returns at once where the host memory is pinned.
void copy(const Stream& stream, void* to, const void* from, std::size_t bytes, Copy direction);
/// Every byte becomes `value`, in the stream's order.
void set_bytes(const Stream& stream, void* to, int value, std::size_t bytes);
/// Waits until all work of the stream is done.
void synchronise(const Stream& stream);

/// A point in a stream that another stream, or the host, can wait for.
class Event {
public:
    explicit Event(int device_index, bool timed = false);
    ~Event();  // NOLINT(performance-trivially-destructible): it is not in a build with CUDA
    Event(const Event&) = delete;
    Event& operator=(const Event&) = delete;

    void record(const Stream& stream);
    void make_wait(const Stream& stream) const;  ///< later work of the stream runs after the point
    void wait() const;                           ///< the host waits
    double milliseconds_since(const Event& earlier) const;  ///< both timed and reached

private:
    [[maybe_unused]] int device_;
    [[maybe_unused]] void* handle_ = nullptr;
};

/// Named ranges in a profile (NVTX); free of cost where no profiler is attached.
void push_range(const char* name);
void pop_range();
struct Range {
    explicit Range(const char* name) { push_range(name); }
    ~Range() { pop_range(); }
    Range(const Range&) = delete;
    Range& operator=(const Range&) = delete;
};

/// May matrix products on F32 round their inputs to TF32 (10 bits of mantissa)? Off by default.
void allow_tf32(bool on);
bool tf32_allowed();

}  // namespace fovea::gpu
