#include "apps/common/training_state.h"

#include <cstdio>
#include <cstdlib>
#include <map>

#include "apps/common/experiment.h"
#include "core/error.h"

namespace fovea::apps {
namespace {

// A double that reads back as the same bits.
std::string exact(double value) {
    char text[40];
    std::snprintf(text, sizeof text, "%a", value);
    return text;
}

// Calls visit(name, tensor, layout) for every tensor of the state. Arenas are named by parameter.
template <class Visit>
void each_tensor(const TrainingState& state, const Visit& visit) {
    const std::vector<NamedParameter>& parameters = state.store->parameters();
    const auto arena = [&](const std::string& prefix, const Tensor& values) {
        for (std::size_t i = 0; i < parameters.size(); ++i)
            visit(prefix + parameters[i].name, state.store->slice_of(values, i),
                  parameters[i].parameter->layout);
    };
    arena("model.", state.store->values());
    const std::vector<NamedBuffer> buffers = buffers_of(*state.model);
    for (const NamedBuffer& b : buffers) visit("model." + b.name, b.buffer->value, Layout::Plain);
    for (const auto& [name, values] : state.optimizer->state())
        arena("optim." + name + ".", values);
    if (!state.ema) return;
    arena("ema.", state.ema->values());
    for (std::size_t i = 0; i < buffers.size(); ++i)
        visit("ema." + buffers[i].name, state.ema->buffers()[i], Layout::Plain);
}

}  // namespace

TrainingState new_training_state(const Config& config, std::int64_t steps_per_epoch,
                                 std::unique_ptr<Classifier> model) {
    TrainingState state;
    state.model = std::move(model);
    move_to(*state.model, device_of(config.get<std::string>("train.device")), DType::F32);
    ParamStoreOptions options;
    options.weight_decay = config.get<double>("optim.weight_decay");
    state.store = std::make_unique<ParamStore>(*state.model, options);
    const DType amp = amp_dtype(config, device_of(config.get<std::string>("train.device")));
    if (amp != DType::F32) state.store->keep_low_copy(amp);
    AdamOptions adam;
    adam.beta1 = config.get<double>("optim.beta1");
    adam.beta2 = config.get<double>("optim.beta2");
    adam.eps = config.get<double>("optim.eps");
    state.optimizer = std::make_unique<Adam>(*state.store, adam);
    if (const double decay = config.get<double>("optim.ema"); decay > 0.0)
        state.ema = std::make_unique<Ema>(*state.model, *state.store, decay);
    state.schedule.lr = config.get<double>("optim.lr");
    state.schedule.min_lr = config.get<double>("schedule.min_lr");
    state.schedule.warmup_lr = config.get<double>("schedule.warmup_lr");
    state.schedule.total_steps = config.get<std::int64_t>("train.epochs") * steps_per_epoch;
    state.schedule.warmup_steps = static_cast<std::int64_t>(config.get<double>("schedule.warmup") *
                                                            static_cast<double>(steps_per_epoch));
    if (config.get<std::string>("schedule.kind") == "constant")
        state.schedule.min_lr = state.schedule.lr;
    return state;
}

StateSnapshot snapshot(const TrainingState& state, const Config& config,
                       const std::vector<std::string>& classes) {
    StateSnapshot out;
    Checkpoint& c = out.checkpoint;
    c.step = static_cast<std::uint64_t>(state.steps());
    c.epoch = static_cast<std::uint64_t>(state.epochs_done);
    c.seed = config.get<std::uint64_t>("train.seed");
    c.threads = config.get<std::uint64_t>("train.threads");
    c.config = config.to_toml();
    c.config_hash = config.hash();
    c.classes = classes;
    c.metadata["batches_done"] = std::to_string(state.batches_done);
    c.metadata["sums.loss"] = exact(state.sums.loss);
    c.metadata["sums.hits"] = std::to_string(state.sums.hits);
    c.metadata["sums.images"] = std::to_string(state.sums.images);
    c.metadata["best_top1"] = exact(state.best_top1);
    if (state.ema) c.metadata["ema.updates"] = std::to_string(state.ema->updates());
    each_tensor(state, [&](const std::string& name, const Tensor& value, Layout layout) {
        const Tensor dense = to_checkpoint_layout(value, layout).to(Device::cpu()).contiguous();
        const std::span bytes(dense.data<std::byte>(),
                              static_cast<std::size_t>(dense.numel()) * size_of(dense.dtype()));
        c.tensors.push_back({name, dense.dtype(), dense.shape(), bytes});
        out.kept_alive.push_back(dense);
    });
    return out;
}

void refuse_other_settings(const LoadedCheckpoint& from, const Config& config) {
    const auto saved_threads = static_cast<std::int64_t>(from.checkpoint.threads),
               threads = config.get<std::int64_t>("train.threads");
    if (saved_threads != threads)
        throw Error("C22",
                    "the run was trained with " + std::to_string(saved_threads) +
                        " compute threads, this start has " + std::to_string(threads) +
                        "; the number is part of the result",
                    "--resume",
                    "--threads " + std::to_string(saved_threads) + ", or --fork for a new run");
    Config saved;
    apply_toml(saved, from.checkpoint.config, from.path, {});
    refuse_changes(saved, config);
}

void restore(TrainingState& state, const Checkpoint& checkpoint, const std::string& path) {
    std::map<std::string, const NamedTensor*> saved;
    for (const NamedTensor& t : checkpoint.tensors) saved[t.name] = &t;
    each_tensor(state, [&](const std::string& name, const Tensor& value, Layout layout) {
        const auto found = saved.find(name);
        if (found == saved.end())
            throw Error("K04", "the checkpoint lacks " + name, path, "the run's own recipe");
        const NamedTensor& t = *found->second;
        const Tensor host = Tensor::empty(t.shape, t.dtype);
        std::copy(t.bytes.begin(), t.bytes.end(), host.data<std::byte>());
        const Tensor own = from_checkpoint_layout(host, layout);
        if (!(own.shape() == value.shape()))
            throw Error("K03", name + " is " + to_string(t.shape) + " in the checkpoint", path,
                        "the run's own recipe");
        value.copy_from(own);
    });
    const auto text = [&](const char* key) -> const std::string& {
        const auto found = checkpoint.metadata.find(key);
        if (found == checkpoint.metadata.end())
            throw Error("K15", std::string("the checkpoint lacks its ") + key, path,
                        "a checkpoint of this version");
        return found->second;
    };
    state.optimizer->set_steps(static_cast<std::int64_t>(checkpoint.step));
    state.epochs_done = static_cast<std::int64_t>(checkpoint.epoch);
    state.batches_done = std::atoll(text("batches_done").c_str());
    state.sums.loss = std::strtod(text("sums.loss").c_str(), nullptr);
    state.sums.hits = std::atoll(text("sums.hits").c_str());
    state.sums.images = std::atoll(text("sums.images").c_str());
    state.best_top1 = std::strtod(text("best_top1").c_str(), nullptr);
    if (state.ema) state.ema->set_updates(std::atoll(text("ema.updates").c_str()));
}

}  // namespace fovea::apps
