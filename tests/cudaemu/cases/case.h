// What the emulator's test programs share: named cases, device arrays, comparisons.
#pragma once

#include <cuda_runtime.h>

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <vector>

struct Case {
    const char* name;
    void (*run)();
};

inline std::vector<Case>& all_cases() {
    static std::vector<Case> cases;
    return cases;
}

inline int failures = 0;  // of the current case

/// `where` is a line, or the number of the sample in a loop over a table.
inline void expect(bool holds, const char* what, int where) {
    if (holds) return;
    if (++failures <= 5) std::printf("  %d: %s\n", where, what);
}

/// Runs the cases, or the one that is named on the command line. The exit status says whether all
/// passed.
inline int run_cases(int argc, char** argv) {
    int ran = 0, failed = 0;
    for (const Case& c : all_cases()) {
        if (argc > 1 && std::string(argv[1]) != c.name) continue;
        ran++;
        failures = 0;
        c.run();
        std::printf("%s %s\n", failures ? "FAIL" : "PASS", c.name);
        failed += failures != 0;
    }
    return failed != 0 || ran == 0;
}

#define CASE(name)                                                                        \
    static void case_##name();                                                            \
    static const bool added_##name = (all_cases().push_back({#name, case_##name}), true); \
    static void case_##name()

#define EXPECT(...) expect(static_cast<bool>(__VA_ARGS__), #__VA_ARGS__, __LINE__)

#define CHECK_CUDA(call)                                                                  \
    do {                                                                                  \
        const cudaError_t status_ = (call);                                               \
        if (status_ != cudaSuccess) expect(false, cudaGetErrorString(status_), __LINE__); \
    } while (0)

/// Device memory of n elements, freed at the end of the scope.
template <class T>
struct DeviceArray {
    T* p = nullptr;
    size_t n;

    explicit DeviceArray(size_t count) : n(count) { CHECK_CUDA(cudaMalloc(&p, n * sizeof(T))); }
    explicit DeviceArray(const std::vector<T>& v) : DeviceArray(v.size()) { set(v); }
    DeviceArray(const DeviceArray&) = delete;
    DeviceArray& operator=(const DeviceArray&) = delete;
    ~DeviceArray() { cudaFree(p); }

    void set(const std::vector<T>& v) {
        CHECK_CUDA(cudaMemcpy(p, v.data(), n * sizeof(T), cudaMemcpyHostToDevice));
    }
    std::vector<T> get() const {
        std::vector<T> v(n);
        CHECK_CUDA(cudaMemcpy(v.data(), p, n * sizeof(T), cudaMemcpyDeviceToHost));
        return v;
    }
    operator T*() const { return p; }
};

inline std::vector<float> random_values(size_t n, unsigned seed = 1, float low = -1,
                                        float high = 1) {
    std::mt19937 generator(seed);
    std::uniform_real_distribution<float> draw(low, high);
    std::vector<float> v(n);
    for (float& x : v) x = draw(generator);
    return v;
}

/// c = a b on the host, row-major: (m, k) by (k, n), for any T that converts to float.
template <class T>
std::vector<float> product(const std::vector<T>& a, const std::vector<T>& b, int m, int n, int k) {
    std::vector<float> c(static_cast<size_t>(m) * n);
    for (int i = 0; i < m; i++)
        for (int j = 0; j < n; j++) {
            double s = 0;
            for (int p = 0; p < k; p++)
                s += static_cast<double>(static_cast<float>(a[i * k + p])) *
                     static_cast<float>(b[p * n + j]);
            c[i * n + j] = static_cast<float>(s);
        }
    return c;
}

/// Each |a - b| <= tolerance (1 + |b|); the first difference is printed.
inline bool near(const std::vector<float>& a, const std::vector<float>& b, float tolerance) {
    if (a.size() != b.size()) return false;
    for (size_t i = 0; i < a.size(); i++) {
        if (std::fabs(a[i] - b[i]) <= tolerance * (1 + std::fabs(b[i]))) continue;
        std::printf("  element %zu: %g, expected %g\n", i, a[i], b[i]);
        return false;
    }
    return true;
}
