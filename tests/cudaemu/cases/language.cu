// What the CUDA language offers one block: memory, control flow, calls, parameters, printf.
#include <unistd.h>

#include "tests/cudaemu/cases/case.h"

__global__ void add(const float* a, const float* b, float* c, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) c[i] = a[i] + b[i];
}

CASE(vector_add) {
    const int n = 10007;
    auto a = random_values(n, 1), b = random_values(n, 2);
    DeviceArray<float> A(a), B(b), C(n);
    add<<<(n + 255) / 256, 256>>>(A, B, C, n);
    CHECK_CUDA(cudaDeviceSynchronize());
    auto c = C.get();
    for (int i = 0; i < n; i++) EXPECT(c[i] == a[i] + b[i]);
}

__global__ void transpose(const float* a, float* b, int n) {
    __shared__ float t[32][33];
    int x = blockIdx.x * 32 + threadIdx.x, y = blockIdx.y * 32 + threadIdx.y;
    for (int j = 0; j < 32; j += 8) t[threadIdx.y + j][threadIdx.x] = a[(y + j) * n + x];
    __syncthreads();
    x = blockIdx.y * 32 + threadIdx.x, y = blockIdx.x * 32 + threadIdx.y;
    for (int j = 0; j < 32; j += 8) b[(y + j) * n + x] = t[threadIdx.x][threadIdx.y + j];
}

CASE(transpose_through_shared) {
    const int n = 96;
    auto x = random_values(n * n);
    DeviceArray<float> A(x), B(n * n);
    transpose<<<dim3(3, 3), dim3(32, 8)>>>(A, B, n);
    auto y = B.get();
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++) EXPECT(y[j * n + i] == x[i * n + j]);
}

template <int T>
__global__ void tiled_product(const float* A, const float* B, float* C, int n) {
    __shared__ float a[T][T], b[T][T];
    int r = blockIdx.y * T + threadIdx.y, c = blockIdx.x * T + threadIdx.x;
    float s = 0;
    for (int k = 0; k < n; k += T) {
        a[threadIdx.y][threadIdx.x] = A[r * n + k + threadIdx.x];
        b[threadIdx.y][threadIdx.x] = B[(k + threadIdx.y) * n + c];
        __syncthreads();
#pragma unroll
        for (int j = 0; j < T; j++) s += a[threadIdx.y][j] * b[j][threadIdx.x];
        __syncthreads();
    }
    C[r * n + c] = s;
}

CASE(tiled_gemm) {
    const int n = 64;
    auto a = random_values(n * n, 3), b = random_values(n * n, 4);
    DeviceArray<float> A(a), B(b), C(n * n);
    tiled_product<16><<<dim3(4, 4), dim3(16, 16)>>>(A, B, C, n);
    EXPECT(near(C.get(), product(a, b, n, n, n), 1e-5f));
}

__constant__ float coefficients[8];
__device__ int counter;
__device__ float table[4] = {1, 2, 3, 4};

__global__ void read_variables(float* out) {
    out[threadIdx.x] = coefficients[threadIdx.x & 7] * table[threadIdx.x & 3];
    atomicAdd(&counter, 1);
}

CASE(constant_and_device_variables) {
    float c[8];
    for (int i = 0; i < 8; i++) c[i] = float(i) + 0.5f;
    CHECK_CUDA(cudaMemcpyToSymbol(coefficients, c, sizeof(c)));
    DeviceArray<float> out(32);
    read_variables<<<1, 32>>>(out);
    auto o = out.get();
    for (int i = 0; i < 32; i++) EXPECT(o[i] == c[i & 7] * float((i & 3) + 1));
    int count = 0;
    CHECK_CUDA(cudaMemcpyFromSymbol(&count, counter, sizeof(count)));
    EXPECT(count == 32);
}

__device__ __noinline__ float horner(float x, int n) {
    float s = 0;
    for (int i = 0; i < n; i++) s = s * x + float(i);
    return s;
}

__device__ __noinline__ int fibonacci(int n) {
    return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
}

struct Six {
    float v[6];
    int n;
};

__device__ __noinline__ Six scaled(Six b, float k) {
    for (int i = 0; i < b.n; i++) b.v[i] *= k;
    return b;
}

__global__ void call(float* f, int* g, float* h) {
    int t = threadIdx.x;
    f[t] = t & 1 ? horner(t, 5) : horner(t, t & 7);
    g[t] = fibonacci(t % 10);
    Six b;
    b.n = 1 + t % 6;
    for (int i = 0; i < 6; i++) b.v[i] = i + t;
    h[t] = scaled(b, 2.f).v[t % 6];
}

CASE(calls_and_recursion) {
    DeviceArray<float> F(64), H(64);
    DeviceArray<int> G(64);
    call<<<1, 64>>>(F, G, H);
    auto f = F.get(), h = H.get();
    auto g = G.get();
    int fib[10] = {0, 1};
    for (int i = 2; i < 10; i++) fib[i] = fib[i - 1] + fib[i - 2];
    for (int t = 0; t < 64; t++) {
        float s = 0;
        for (int i = 0; i < (t & 1 ? 5 : t & 7); i++) s = s * float(t) + float(i);
        EXPECT(f[t] == s);
        EXPECT(g[t] == fib[t % 10]);
        const int k = t % 6;
        EXPECT(h[t] == (k < 1 + t % 6 ? 2.f : 1.f) * float(k + t));
    }
}

using Function = int (*)(int, int);
__device__ int sum(int a, int b) { return a + b; }
__device__ int times(int a, int b) { return a * b; }
__device__ Function functions[2] = {sum, times};

__global__ void call_through_pointer(int* out) {
    out[threadIdx.x] = functions[threadIdx.x & 1](threadIdx.x, 3);
}

CASE(function_pointers) {
    DeviceArray<int> out(32);
    call_through_pointer<<<1, 32>>>(out);
    auto o = out.get();
    for (int i = 0; i < 32; i++) EXPECT(o[i] == (i & 1 ? i * 3 : i + 3));
}

__global__ void reverse(float* out) {
    extern __shared__ float s[];
    s[threadIdx.x] = threadIdx.x;
    __syncthreads();
    out[threadIdx.x] = s[blockDim.x - 1 - threadIdx.x];
}

CASE(dynamic_shared_memory) {
    const int bytes = 100000;
    CHECK_CUDA(cudaFuncSetAttribute(reverse, cudaFuncAttributeMaxDynamicSharedMemorySize, bytes));
    DeviceArray<float> out(256);
    reverse<<<1, 256, bytes>>>(out);
    CHECK_CUDA(cudaGetLastError());
    auto o = out.get();
    for (int i = 0; i < 256; i++) EXPECT(o[i] == float(255 - i));
}

__global__ void index_locals(int* out, int k) {
    int a[16];
    for (int i = 0; i < 16; i++) a[i] = i * i + threadIdx.x;
    out[threadIdx.x] = a[(threadIdx.x + k) & 15];
}

CASE(local_memory) {
    DeviceArray<int> out(64);
    index_locals<<<1, 64>>>(out, 5);
    auto o = out.get();
    for (int i = 0; i < 64; i++) {
        const int k = (i + 5) & 15;
        EXPECT(o[i] == k * k + i);
    }
}

// Loops of different lengths, continue, break, a switch with a fall-through.
__host__ __device__ int wander(int t) {
    int s = 0;
    for (int i = 0; i < t; i++) {
        if (i % 3 == 0) continue;
        if (i > 20) break;
        s += i;
    }
    switch (t % 5) {
        case 0: return s + 100;
        case 1: s += 200; [[fallthrough]];
        case 2: return s + 300;
        case 3: return s * 2;
        default: return -s;
    }
}

__global__ void diverge(int* out) { out[threadIdx.x] = wander(threadIdx.x); }

CASE(divergence) {
    DeviceArray<int> out(96);
    diverge<<<1, 96>>>(out);
    auto o = out.get();
    for (int t = 0; t < 96; t++) EXPECT(o[t] == wander(t));
}

struct __align__(16) Parameter {
    float4 v;
    long long x;
};

__global__ void take_parameter(const __grid_constant__ Parameter p, Parameter* out, int i) {
    out[0] = p;
    const float* f = &p.v.x;  // the parameter has an address
    out[1].v.x = f[i];
}

CASE(struct_parameters) {
    const Parameter p{make_float4(1, 2, 3, 4), 1ll << 50};
    DeviceArray<Parameter> out(2);
    take_parameter<<<1, 1>>>(p, out, 2);
    auto o = out.get();
    EXPECT(o[0].v.w == 4);
    EXPECT(o[0].x == p.x);
    EXPECT(o[1].v.x == 3);
}

__global__ void allocate(int* out) {
    int* p = static_cast<int*>(malloc(4 * sizeof(int)));
    for (int i = 0; i < 4; i++) p[i] = threadIdx.x * i;
    out[threadIdx.x] = p[0] + p[1] + p[2] + p[3];
    free(p);
}

CASE(device_malloc) {
    DeviceArray<int> out(40);
    allocate<<<1, 40>>>(out);
    auto o = out.get();
    for (int t = 0; t < 40; t++) EXPECT(o[t] == 6 * t);
}

__managed__ int managed[32];
__global__ void write_managed() { managed[threadIdx.x] += threadIdx.x; }

CASE(managed_variable) {
    for (int& x : managed) x = 100;
    write_managed<<<1, 32>>>();
    CHECK_CUDA(cudaDeviceSynchronize());
    for (int t = 0; t < 32; t++) EXPECT(managed[t] == 100 + t);
}

__global__ void print() {
    if (threadIdx.x < 2)
        printf("%d %s %.3f %lld %c %5.1e %u%%|", threadIdx.x, "text", 1.5f + threadIdx.x, 1ll << 40,
               'x', 12345.678, 7u);
}

template <class F>
std::string captured_stdout(F f) {
    std::fflush(stdout);
    std::FILE* file = std::tmpfile();
    const int saved = dup(STDOUT_FILENO);
    dup2(fileno(file), STDOUT_FILENO);
    f();
    std::fflush(stdout);
    dup2(saved, STDOUT_FILENO);
    close(saved);
    std::rewind(file);
    char text[1000];
    const size_t n = std::fread(text, 1, sizeof(text), file);
    std::fclose(file);
    return std::string(text, n);
}

CASE(device_printf) {
    const std::string text = captured_stdout([] {
        print<<<1, 32>>>();
        CHECK_CUDA(cudaDeviceSynchronize());
    });
    EXPECT(text ==
           "0 text 1.500 1099511627776 x 1.2e+04 7%|1 text 2.500 1099511627776 x 1.2e+04 7%|");
}

int main(int argc, char** argv) { return run_cases(argc, argv); }
