// The stand-in for cuBLASLt: products with epilogues, data types, storage orders.
#include <cublasLt.h>

#include "tests/cudaemu/cases/blas.h"

using Bf16 = __nv_bfloat16;

constexpr int m = 37, n = 29, k = 41;

double gelu(double x) {
    return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
}
double gelu_slope(double x) { return (gelu(x + 1e-4) - gelu(x - 1e-4)) / 2e-4; }

/// D = epilogue(op(A) op(B)) + beta C for one set of types.
struct Matmul {
    cublasLtHandle_t handle = nullptr;
    cublasLtMatmulDesc_t desc = nullptr;
    cublasLtMatrixLayout_t a = nullptr, b = nullptr, c = nullptr;

    Matmul(cudaDataType in, cudaDataType out, cublasLtEpilogue_t epilogue) {
        CHECK_BLAS(cublasLtCreate(&handle));
        CHECK_BLAS(cublasLtMatmulDescCreate(&desc, CUBLAS_COMPUTE_32F, CUDA_R_32F));
        set(CUBLASLT_MATMUL_DESC_TRANSA, CUBLAS_OP_T);
        set(CUBLASLT_MATMUL_DESC_EPILOGUE, epilogue);
        CHECK_BLAS(cublasLtMatrixLayoutCreate(&a, in, k, m, k));
        CHECK_BLAS(cublasLtMatrixLayoutCreate(&b, in, k, n, k));
        CHECK_BLAS(cublasLtMatrixLayoutCreate(&c, out, m, n, m));
    }
    ~Matmul() {
        cublasLtMatrixLayoutDestroy(a);
        cublasLtMatrixLayoutDestroy(b);
        cublasLtMatrixLayoutDestroy(c);
        cublasLtMatmulDescDestroy(desc);
        cublasLtDestroy(handle);
    }

    template <class T>
    void set(cublasLtMatmulDescAttributes_t attribute, T value) {
        CHECK_BLAS(cublasLtMatmulDescSetAttribute(desc, attribute, &value, sizeof(value)));
    }
    template <class T>
    static void set(cublasLtMatrixLayout_t layout, cublasLtMatrixLayoutAttribute_t attribute,
                    T value) {
        CHECK_BLAS(cublasLtMatrixLayoutSetAttribute(layout, attribute, &value, sizeof(value)));
    }
    void aux(void* p, int64_t ld) {
        set(CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER, p);
        set(CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_LD, ld);
    }

    /// Asks for an algorithm with at most `bytes` of workspace.
    cublasStatus_t find(cublasLtMatmulHeuristicResult_t& found, size_t bytes, int& count) {
        cublasLtMatmulPreference_t preference = nullptr;
        CHECK_BLAS(cublasLtMatmulPreferenceCreate(&preference));
        CHECK_BLAS(cublasLtMatmulPreferenceSetAttribute(
            preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &bytes, sizeof(bytes)));
        const cublasStatus_t status =
            cublasLtMatmulAlgoGetHeuristic(handle, desc, a, b, c, c, preference, 1, &found, &count);
        CHECK_BLAS(cublasLtMatmulPreferenceDestroy(preference));
        return status;
    }

    void run(const void* A, const void* B, void* D, float beta = 0) {
        const size_t bytes = 1 << 20;
        DeviceArray<char> workspace(bytes);
        cublasLtMatmulHeuristicResult_t found;
        int count = 0;
        CHECK_BLAS(find(found, bytes, count));
        EXPECT(count == 1);
        const float one = 1;
        CHECK_BLAS(cublasLtMatmul(handle, desc, &one, A, a, B, b, &beta, D, c, D, c, &found.algo,
                                  workspace.p, bytes, nullptr));
        CHECK_CUDA(cudaDeviceSynchronize());
    }
};

struct Operands {
    std::vector<float> a = random_values(k * m, 1), b = random_values(k * n, 2),
                       bias = random_values(m, 9), ab = product_tn(a, b, m, n, k);
    DeviceArray<float> A{a}, B{b}, bias_in{bias}, bias_gradient{m}, D{m * n};

    std::vector<float> run(Matmul& matmul) {
        matmul.run(A, B, D);
        return D.get();
    }
    double with_bias(int i, int j) const { return double(ab[i + j * m]) + bias[i]; }
};

CASE(gelu_with_bias_and_its_input) {
    Operands x;
    const int ld = 40;
    DeviceArray<float> input(ld * n);
    Matmul matmul(CUDA_R_32F, CUDA_R_32F, CUBLASLT_EPILOGUE_GELU_AUX_BIAS);
    matmul.set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, x.bias_in.p);
    matmul.aux(input, ld);
    auto y = x.run(matmul);
    auto in = input.get();
    for (int j = 0; j < n; j++)
        for (int i = 0; i < m; i++) {
            EXPECT(std::fabs(in[i + j * ld] - x.with_bias(i, j)) < 1e-4);
            EXPECT(std::fabs(y[i + j * m] - gelu(x.with_bias(i, j))) < 1e-4);
        }
}

CASE(gelu_backward_with_bias_gradient) {
    Operands x;
    const int ld = 40;
    auto in = random_values(ld * n, 4);
    DeviceArray<float> input(in);
    Matmul matmul(CUDA_R_32F, CUDA_R_32F, CUBLASLT_EPILOGUE_DGELU_BGRAD);
    matmul.set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, x.bias_gradient.p);
    matmul.aux(input, ld);
    auto dx = x.run(matmul);
    auto gradient = x.bias_gradient.get();
    for (int i = 0; i < m; i++) {
        double sum = 0;
        for (int j = 0; j < n; j++) {
            const double expected = x.ab[i + j * m] * gelu_slope(in[i + j * ld]);
            EXPECT(std::fabs(dx[i + j * m] - expected) < 1e-3);
            sum += dx[i + j * m];
        }
        EXPECT(std::fabs(gradient[i] - sum) < 1e-3);
    }
}

CASE(gelu_backward_alone) {
    Operands x;
    const int ld = 40;
    auto in = random_values(ld * n, 4);
    DeviceArray<float> input(in);
    Matmul matmul(CUDA_R_32F, CUDA_R_32F, CUBLASLT_EPILOGUE_DGELU);
    matmul.aux(input, ld);
    auto dx = x.run(matmul);
    for (int j = 0; j < n; j++)
        for (int i = 0; i < m; i++)
            EXPECT(std::fabs(dx[i + j * m] - x.ab[i + j * m] * gelu_slope(in[i + j * ld])) < 1e-3);
}

CASE(gelu_wants_its_input_aligned) {
    DeviceArray<float> input(48 * n + 1);
    const auto is_taken = [](float* p, int64_t ld) {
        Matmul matmul(CUDA_R_32F, CUDA_R_32F, CUBLASLT_EPILOGUE_DGELU);
        matmul.aux(p, ld);
        cublasLtMatmulHeuristicResult_t found;
        int count = 0;
        return matmul.find(found, 0, count) == CUBLAS_STATUS_SUCCESS && count == 1;
    };
    EXPECT(is_taken(input.p, 40));
    EXPECT(!is_taken(input.p, 44));      // no multiple of 8
    EXPECT(!is_taken(input.p, 32));      // shorter than m
    EXPECT(!is_taken(input.p + 1, 40));  // not 16-byte aligned
}

CASE(relu_with_bias_and_mask) {
    Operands x;
    const int ld = 128;  // bits
    DeviceArray<unsigned char> mask(ld * n / 8);
    Matmul forward(CUDA_R_32F, CUDA_R_32F, CUBLASLT_EPILOGUE_RELU_AUX_BIAS);
    forward.set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, x.bias_in.p);
    forward.aux(mask, ld);
    auto y = x.run(forward);
    auto bits = mask.get();
    Matmul backward(CUDA_R_32F, CUDA_R_32F, CUBLASLT_EPILOGUE_DRELU_BGRAD);
    backward.set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, x.bias_gradient.p);
    backward.aux(mask, ld);
    auto dx = x.run(backward);
    for (int j = 0; j < n; j++)
        for (int i = 0; i < m; i++) {
            const bool on = x.with_bias(i, j) > 0;
            EXPECT((bits[(j * ld + i) / 8] >> (i % 8) & 1) == on);
            EXPECT(std::fabs(y[i + j * m] - std::max(x.with_bias(i, j), 0.0)) < 1e-4);
            EXPECT(std::fabs(dx[i + j * m] - (on ? x.ab[i + j * m] : 0)) < 1e-4);
        }
}

CASE(bias_gradients_of_the_operands) {
    Operands x;
    Matmul of_a(CUDA_R_32F, CUDA_R_32F, CUBLASLT_EPILOGUE_BGRADA);
    of_a.set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, x.bias_gradient.p);
    x.run(of_a);
    auto gradient = x.bias_gradient.get();
    for (int i = 0; i < m; i++) {
        double sum = 0;
        for (int p = 0; p < k; p++) sum += x.a[p + i * k];
        EXPECT(std::fabs(gradient[i] - sum) < 1e-4);
    }
    Matmul of_b(CUDA_R_32F, CUDA_R_32F, CUBLASLT_EPILOGUE_BGRADB);
    of_b.set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, x.bias_gradient.p);
    x.run(of_b);
    gradient = x.bias_gradient.get();
    for (int j = 0; j < n; j++) {
        double sum = 0;
        for (int p = 0; p < k; p++) sum += x.b[p + j * k];
        EXPECT(std::fabs(gradient[j] - sum) < 1e-4);
    }
}

// As weight gradients leave a product: bf16 operands, summed into fp32.
CASE(bf16_added_to_fp32) {
    auto fa = random_values(k * m, 1), fb = random_values(k * n, 2), c = random_values(m * n, 3);
    std::vector<Bf16> a(fa.begin(), fa.end()), b(fb.begin(), fb.end());
    DeviceArray<Bf16> A(a), B(b);
    DeviceArray<float> D(c);
    Matmul matmul(CUDA_R_16BF, CUDA_R_32F, CUBLASLT_EPILOGUE_DEFAULT);
    matmul.run(A, B, D, 1);
    auto expected = product_tn(a, b, m, n, k);
    for (size_t i = 0; i < c.size(); i++) expected[i] += c[i];
    EXPECT(near(D.get(), expected, 1e-5f));
}

CASE(bf16_with_an_fp32_bias) {
    auto fa = random_values(k * m, 1), fb = random_values(k * n, 2), bias = random_values(m, 9);
    std::vector<Bf16> a(fa.begin(), fa.end()), b(fb.begin(), fb.end());
    DeviceArray<Bf16> A(a), B(b), D(m * n);
    DeviceArray<float> bias_in(bias);
    Matmul matmul(CUDA_R_16BF, CUDA_R_16BF, CUBLASLT_EPILOGUE_BIAS);
    matmul.set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, bias_in.p);
    matmul.set(CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, CUDA_R_32F);
    matmul.run(A, B, D);
    auto expected = product_tn(a, b, m, n, k);
    for (int j = 0; j < n; j++)
        for (int i = 0; i < m; i++) expected[i + j * m] += bias[i];
    EXPECT(near(as_float(D.get()), expected, 4e-3f));
}

// Two products at once, the results stored by rows.
CASE(batches_and_row_order) {
    auto a = random_values(2 * k * m, 1), b = random_values(2 * k * n, 2);
    DeviceArray<float> A(a), B(b), D(2 * m * n);
    Matmul matmul(CUDA_R_32F, CUDA_R_32F, CUBLASLT_EPILOGUE_DEFAULT);
    Matmul::set(matmul.c, CUBLASLT_MATRIX_LAYOUT_ORDER, CUBLASLT_ORDER_ROW);
    Matmul::set(matmul.c, CUBLASLT_MATRIX_LAYOUT_LD, int64_t(n));
    const std::pair<cublasLtMatrixLayout_t, int64_t> strides[] = {
        {matmul.a, k * m}, {matmul.b, k * n}, {matmul.c, m * n}};
    for (auto [layout, stride] : strides) {
        Matmul::set(layout, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, int32_t(2));
        Matmul::set(layout, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, stride);
    }
    matmul.run(A, B, D);
    auto d = D.get();
    for (int batch = 0; batch < 2; batch++) {
        const std::vector<float> ai(a.begin() + batch * k * m, a.begin() + (batch + 1) * k * m);
        const std::vector<float> bi(b.begin() + batch * k * n, b.begin() + (batch + 1) * k * n);
        auto expected = product_tn(ai, bi, m, n, k);
        for (int i = 0; i < m; i++)
            for (int j = 0; j < n; j++)
                EXPECT(std::fabs(d[batch * m * n + i * n + j] - expected[i + j * m]) < 1e-4);
    }
}

int main(int argc, char** argv) { return run_cases(argc, argv); }
