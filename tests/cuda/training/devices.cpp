// Two devices in one process: work, memory and libraries of one must not meet those of the other. The
// emulator plays the second one (CUDAEMU_DEVICES=2), and refuses what a GPU would.
#include <catch2/catch.hpp>

#include "core/ops/elementwise.h"
#include "core/ops/matmul.h"
#include "kernels/include/gpu.h"

using namespace fovea;

TEST_CASE("two devices take turns in one process", "[.two_devices]") {
    if (gpu::count() < 2) {
        WARN("one GPU: nothing to take turns with");
        return;
    }
    const std::vector<double> one = {1, 2, 3, 4};
    Tensor a = Tensor::from(one, {2, 2}, DType::F32, Device::cuda(0));
    Tensor b = Tensor::from(one, {2, 2}, DType::F32, Device::cuda(1));
    for (int i = 0; i < 3; ++i) {  // from the second round on nothing is allocated
        a = ops::matmul(ops::add(a, a), a);
        b = ops::matmul(ops::add(b, b), b);
    }
    CHECK(a.device() == Device::cuda(0));
    CHECK(b.device() == Device::cuda(1));
    CHECK(a.to_vector() == b.to_vector());
    const Tensor host = Tensor::from(one, {2, 2});
    Tensor c = host;
    for (int i = 0; i < 3; ++i) c = ops::matmul(ops::add(c, c), c);
    CHECK(a.to_vector() == c.to_vector());  // small whole numbers: exact
    const Tensor moved = a.to(Device::cuda(1));
    CHECK(moved.device() == Device::cuda(1));
    CHECK(ops::add(moved, b).to_vector() == ops::add(c, c).to_vector());
}
