// The stand-in for cuBLAS.
#include <cublas_v2.h>

#include "tests/cudaemu/cases/blas.h"

using Bf16 = __nv_bfloat16;

constexpr int m = 37, n = 29, k = 41;

struct Handle {
    cublasHandle_t h = nullptr;
    cudaStream_t stream = nullptr;

    Handle() {
        CHECK_BLAS(cublasCreate(&h));
        CHECK_CUDA(cudaStreamCreate(&stream));
        CHECK_BLAS(cublasSetStream(h, stream));
    }
    ~Handle() {
        cublasDestroy(h);
        cudaStreamDestroy(stream);
    }
    operator cublasHandle_t() const { return h; }
};

struct Operands {
    std::vector<float> a = random_values(k * m, 1), b = random_values(k * n, 2),
                       c = random_values(m * n, 3), ab = product_tn(a, b, m, n, k);
    DeviceArray<float> A{a}, B{b}, C{c};
    float alpha = 1.5f, beta = 0.5f;

    std::vector<float> result() const {
        std::vector<float> r(c);
        for (size_t i = 0; i < r.size(); i++) r[i] = alpha * ab[i] + beta * c[i];
        return r;
    }
    void run(cublasHandle_t handle) {
        CHECK_BLAS(cublasSgemm(handle, CUBLAS_OP_T, CUBLAS_OP_N, m, n, k, &alpha, A, k, B, k, &beta,
                               C, m));
    }
};

CASE(sgemm) {
    Handle handle;
    Operands x;
    x.run(handle);
    CHECK_CUDA(cudaStreamSynchronize(handle.stream));
    EXPECT(near(x.C.get(), x.result(), 1e-5f));
}

CASE(sgemm_in_a_graph) {
    Handle handle;
    Operands x;
    cudaGraph_t graph;
    cudaGraphExec_t ready;
    CHECK_CUDA(cudaStreamBeginCapture(handle.stream, cudaStreamCaptureModeGlobal));
    x.run(handle);
    CHECK_CUDA(cudaStreamEndCapture(handle.stream, &graph));
    EXPECT(x.C.get() == x.c);
    CHECK_CUDA(cudaGraphInstantiate(&ready, graph, 0));
    CHECK_CUDA(cudaGraphLaunch(ready, handle.stream));
    CHECK_CUDA(cudaStreamSynchronize(handle.stream));
    EXPECT(near(x.C.get(), x.result(), 1e-5f));
    CHECK_CUDA(cudaGraphExecDestroy(ready));
    CHECK_CUDA(cudaGraphDestroy(graph));
}

CASE(batched_bf16) {
    Handle handle;
    auto fa = random_values(k * m, 1), fb = random_values(2 * k * n, 2);
    std::vector<Bf16> a(fa.begin(), fa.end()), b(fb.begin(), fb.end());
    DeviceArray<Bf16> A(a), B(b), C(2 * m * n);
    const float one = 1, zero = 0;
    CHECK_BLAS(cublasGemmStridedBatchedEx(
        handle, CUBLAS_OP_T, CUBLAS_OP_N, m, n, k, &one, A, CUDA_R_16BF, k, 0, B, CUDA_R_16BF, k,
        k * n, &zero, C, CUDA_R_16BF, m, m * n, 2, CUBLAS_COMPUTE_32F, CUBLAS_GEMM_DEFAULT));
    CHECK_CUDA(cudaStreamSynchronize(handle.stream));
    auto c = as_float(C.get());
    for (int i = 0; i < 2; i++) {
        const std::vector<Bf16> bi(b.begin() + i * k * n, b.begin() + (i + 1) * k * n);
        const std::vector<float> ci(c.begin() + i * m * n, c.begin() + (i + 1) * m * n);
        EXPECT(near(ci, product_tn(a, bi, m, n, k), 4e-3f));
    }
}

int main(int argc, char** argv) { return run_cases(argc, argv); }
