// What CUDAEMU_STATS writes, for kernels whose traffic can be counted by hand. The program runs
// itself once more, as the statistics come when a process ends.
#include <cuda_bf16.h>
#include <mma.h>
#include <unistd.h>

#include <fstream>
#include <sstream>

#include "tests/cudaemu/cases/case.h"

namespace wmma = nvcuda::wmma;

// 4 warps: a request for each, of 4 sectors of 32 bytes, or of 32 sectors.
__global__ void read_rows(const float* a, float* out) { out[threadIdx.x] = a[threadIdx.x]; }
__global__ void read_columns(const float* a, float* out) { out[threadIdx.x] = a[threadIdx.x * 32]; }

// What a kernel reads after writing it does not come from memory; what it overwrites after reading does.
__global__ void write_then_read(float* a, float* out) {
    a[threadIdx.x] = 1;
    __syncthreads();
    out[threadIdx.x] = a[127 - threadIdx.x];
}
// Block 1 polls a flag, any number of times.
__global__ void wait_for_flag(unsigned* flag, float* out) {
    if (blockIdx.x == 0) {
        out[0] = 1;
        asm volatile("st.release.gpu.global.u32 [%0], 1;" ::"l"(flag) : "memory");
        return;
    }
    for (unsigned now = 0; now == 0; __nanosleep(10))
        asm volatile("ld.acquire.gpu.global.u32 %0, [%1];" : "=r"(now) : "l"(flag) : "memory");
    out[8] = out[0] + 1;
}
__global__ void read_then_write(float* a) { a[threadIdx.x] += 1; }

// Two warps write a column of a matrix of 32 columns: all lanes use one bank.
__global__ void write_column(float* out) {
    __shared__ float s[32][32];
    s[threadIdx.x % 32][threadIdx.x / 32] = 1;
    __syncthreads();
    out[threadIdx.x] = s[threadIdx.x % 32][threadIdx.x / 32];
}

__global__ void multiply(const __nv_bfloat16* A, float* C) {
    wmma::fragment<wmma::matrix_a, 16, 16, 16, __nv_bfloat16, wmma::row_major> a;
    wmma::fragment<wmma::matrix_b, 16, 16, 16, __nv_bfloat16, wmma::row_major> b;
    wmma::fragment<wmma::accumulator, 16, 16, 16, float> c;
    wmma::fill_fragment(c, 0.f);
    wmma::load_matrix_sync(a, A, 16);
    wmma::load_matrix_sync(b, A, 16);
    wmma::mma_sync(c, a, b, c);
    wmma::store_matrix_sync(C, c, 16, wmma::mem_row_major);
}

int launch() {
    DeviceArray<float> a(128 * 32), out(256);
    DeviceArray<__nv_bfloat16> m(256);
    DeviceArray<unsigned> flag(std::vector<unsigned>{0});
    read_rows<<<1, 128>>>(a, out);
    read_columns<<<1, 128>>>(a, out);
    write_then_read<<<1, 128>>>(a, out);
    read_then_write<<<1, 128>>>(a);
    wait_for_flag<<<2, 1>>>(flag, out);
    write_column<<<1, 64>>>(out);
    multiply<<<1, 32>>>(m, out);
    return cudaDeviceSynchronize() != cudaSuccess;
}

std::string text;  // the statistics

// A number in what is said about a kernel: after each of the keys in turn.
double number(const std::string& kernel, std::initializer_list<const char*> keys) {
    size_t at = text.find("\"" + kernel + "(");
    for (const char* key : keys) {
        if (at == std::string::npos) return NAN;
        at = text.find(std::string("\"") + key + "\": ", at);
    }
    if (at == std::string::npos) return NAN;
    return std::strtod(text.c_str() + text.find(": ", at) + 2, nullptr);
}

CASE(global_memory) {
    EXPECT(number("read_rows", {"global_load", "requests"}) == 4);
    EXPECT(number("read_rows", {"global_load", "sectors"}) == 4 * 4);
    EXPECT(number("read_rows", {"global_load", "unique_bytes"}) == 128 * 4);
    EXPECT(number("read_columns", {"global_load", "requests"}) == 4);
    EXPECT(number("read_columns", {"global_load", "sectors"}) == 4 * 32);
    EXPECT(number("read_columns", {"global_load", "ideal_sectors"}) == 4 * 4);
    EXPECT(number("read_columns", {"global_store", "sectors"}) == 4 * 4);
    EXPECT(number("write_then_read", {"global_load", "requests"}) == 4);
    EXPECT(number("write_then_read", {"global_load", "unique_bytes"}) == 0);
    EXPECT(number("write_then_read", {"global_store", "unique_bytes"}) == 2 * 128 * 4);
    EXPECT(number("read_then_write", {"global_load", "unique_bytes"}) == 128 * 4);
    EXPECT(number("read_then_write", {"global_store", "unique_bytes"}) == 128 * 4);
}

CASE(polls) {
    EXPECT(number("wait_for_flag", {"global_load", "requests"}) == 1);
    EXPECT(number("wait_for_flag", {"global_store", "requests"}) == 3);
}

CASE(shared_memory) {
    EXPECT(number("write_column", {"shared", "requests"}) == 4);
    EXPECT(number("write_column", {"shared", "wavefronts"}) == 4 * 32);
    EXPECT(number("write_column", {"shared", "conflict_wavefronts"}) == 4 * 31);
}

CASE(tensor_products) {
    EXPECT(number("multiply", {"tensor_flops"}) == 2 * 16 * 16 * 16);
    EXPECT(number("multiply", {"by_class", "tensor"}) == 1);
}

int main(int argc, char** argv) {
    if (argc > 1) return launch();
    char file[] = "/tmp/statisticsXXXXXX";
    close(mkstemp(file));
    setenv("CUDAEMU_STATS", file, 1);
    const int status = std::system((std::string(argv[0]) + " launch").c_str());
    unsetenv("CUDAEMU_STATS");
    std::stringstream all;
    all << std::ifstream(file).rdbuf();
    text = all.str();
    std::remove(file);
    return status != 0 || run_cases(1, argv) != 0;
}
