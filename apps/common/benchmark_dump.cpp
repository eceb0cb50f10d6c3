#include "apps/common/benchmark.h"
#include "models/weights.h"

namespace fovea::apps {

void dump_for_comparison(BenchmarkSettings settings, const std::string& path) {
    constexpr std::int64_t kLosses = 5;
    settings.training = false;
    const BenchmarkSteps inference(settings);
    std::vector<StateTensor> tensors = state_of(inference.model());
    tensors.push_back({"images", inference.images()});
    tensors.push_back({"logits", inference.model().forward(inference.images(), Pass{})});

    settings.training = true;
    BenchmarkSteps training(settings);
    const Tensor losses = Tensor::empty({kLosses}, DType::F64);
    for (std::int64_t i = 0; i < kLosses; ++i) losses.data<double>()[i] = training.run();
    tensors.push_back({"losses", losses});

    std::vector<NamedTensor> named;
    for (StateTensor& tensor : tensors) {
        tensor.value = tensor.value.to(Device::cpu()).contiguous();
        named.push_back(tensor.named());
    }
    write_safetensors(path, named);
}

}  // namespace fovea::apps
