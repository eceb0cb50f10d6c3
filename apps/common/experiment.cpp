#include "apps/common/experiment.h"

#include <omp.h>

#include <cmath>

#include "core/error.h"
#include "models/registry.h"
#include "models/swin.h"

namespace fovea::apps {
namespace {

// Mean and standard deviation per channel of all pixels, in [0, 1], to four digits.
void measure(const Dataset& data, std::int64_t channels, std::vector<double>& mean,
             std::vector<double>& std) {
    const auto count = static_cast<std::size_t>(channels);
    std::vector<double> sum(count, 0.0), squares(count, 0.0);
    double pixels = 0.0;
    for (std::int64_t i = 0; i < data.size(); ++i) {
        const Sample sample = data.get(i);
        const auto own = static_cast<std::size_t>(sample.image.channels);
        for (std::size_t p = 0; p < sample.image.bytes(); p += own) {
            for (std::size_t c = 0; c < count; ++c) {
                const double v = sample.image.data[p + std::min(c, own - 1)] / 255.0;
                sum[c] += v;
                squares[c] += v * v;
            }
        }
        pixels += static_cast<double>(sample.image.bytes()) / static_cast<double>(own);
    }
    const auto rounded = [](double v) { return std::round(v * 1e4) / 1e4; };
    mean.clear();
    std.clear();
    for (std::size_t c = 0; c < count; ++c) {
        const double m = sum[c] / pixels;
        mean.push_back(rounded(m));
        std.push_back(
            std::max(1e-4, rounded(std::sqrt(std::max(0.0, squares[c] / pixels - m * m)))));
    }
}

std::vector<float> floats_of(const Config& config, const char* key) {
    return config.get<std::vector<float>>(key);
}

}  // namespace

Experiment open_experiment(Config& config) {
    const DatasetPair pair =
        open_dataset(config.get<std::string>("data.path"), config.get<std::string>("data.format"));
    Experiment experiment;
    experiment.train = pair.train;
    experiment.test = pair.test;
    experiment.class_names = pair.train->class_names();
    const auto seed = config.get<std::uint64_t>("train.seed");
    if (const double share = config.get<double>("data.val_split"); share > 0.0) {
        // What is not chosen for training is held out, class by class.
        const std::vector<std::int64_t> kept =
            choose_fraction(*pair.train, 1.0 - share, true, seed);
        std::vector<std::int64_t> held_out;
        for (std::int64_t i = 0, k = 0; i < pair.train->size(); ++i) {
            if (k < static_cast<std::int64_t>(kept.size()) &&
                kept[static_cast<std::size_t>(k)] == i)
                ++k;
            else
                held_out.push_back(i);
        }
        experiment.train = std::make_shared<Subset>(pair.train, kept);
        experiment.val = std::make_shared<Subset>(pair.train, held_out);
    }
    const DatasetInfo& info = pair.train->info();
    const std::string origin = "data";
    if (config.get<std::int64_t>("data.image_size") == 0) {
        if (info.height == 0 || info.height != info.width)
            throw Error("C09", "the pictures of " + info.name + " have no common square size",
                        "data.image_size", "--img-size 64");
        config.set("data.image_size", std::int64_t{info.height}, origin);
    }
    if (config.get<std::int64_t>("data.in_channels") == 0)
        config.set("data.in_channels", std::int64_t{info.channels == 1 ? 1 : 3}, origin);
    if (config.get<std::int64_t>("model.num_classes") == 0)
        config.set("model.num_classes", pair.train->classes(), origin);
    if (config.get<std::int64_t>("model.num_classes") != pair.train->classes())
        throw Error("C09",
                    "model.num_classes is " + to_toml(config.value("model.num_classes")) + ", " +
                        info.name + " has " + std::to_string(pair.train->classes()) + " classes",
                    config.origin("model.num_classes"), "--set model.num_classes=0");
    if (floats_of(config, "data.mean").empty()) {
        std::vector<double> mean, std;
        measure(*experiment.train, config.get<std::int64_t>("data.in_channels"), mean, std);
        config.set("data.mean", mean, origin);
        config.set("data.std", std, origin);
    }
    if (floats_of(config, "data.mean").size() != config.get<std::uint64_t>("data.in_channels"))
        throw Error("C09",
                    "data.mean has " + std::to_string(floats_of(config, "data.mean").size()) +
                        " numbers for " + to_toml(config.value("data.in_channels")) + " channels",
                    config.origin("data.mean"), "one number a channel, or [] to measure them");
    return experiment;
}

std::unique_ptr<Classifier> new_model(const Config& config) {
    ModelOptions options;
    options.num_classes = config.get<std::int64_t>("model.num_classes");
    options.in_channels = config.get<std::int64_t>("data.in_channels");
    options.height = options.width = config.get<std::int64_t>("data.image_size");
    options.dropout = config.get<double>("model.drop_rate");
    options.drop_path = config.get<double>("model.drop_path");
    options.swin_padding = swin_rule(config.get<std::string>("model.swin_padding"));
    options.zero_init = config.get<bool>("model.zero_init");
    std::unique_ptr<Classifier> model = make_model(config.get<std::string>("model.name"), options);
    model->initialise(config.get<std::uint64_t>("train.seed"));
    return model;
}

Transform transform_of(const Config& config, bool training) {
    TransformOptions options;
    options.height = options.width = config.get<int>("data.image_size");
    options.channels = config.get<int>("data.in_channels");
    options.mean = floats_of(config, "data.mean");
    options.std = floats_of(config, "data.std");
    if (training) {
        options.pad_crop = config.get<int>("augment.pad");
        options.flip = config.get<bool>("augment.flip") ? 0.5 : 0.0;
        options.erase = config.get<double>("augment.erase_prob");
        options.erase_fill =
            config.get<std::string>("augment.erase_mode") == "pixel" ? Erase::Noise : Erase::Zero;
    }
    return Transform(options, training, config.get<std::uint64_t>("train.seed"));
}

std::int64_t use_threads(std::int64_t threads) {
    if (threads > 0) omp_set_num_threads(static_cast<int>(threads));
    return omp_get_max_threads();
}

std::vector<float> host_floats(const Tensor& t) {
    const Tensor host = t.to(DType::F32).to(Device::cpu()).contiguous();
    return {host.data<float>(), host.data<float>() + host.numel()};
}

Metrics evaluate_model(const Classifier& model, const std::shared_ptr<const Dataset>& data,
                       const Config& config, PredictionsFile* predictions) {
    LoaderOptions options;
    const auto eval_batch = config.get<std::int64_t>("train.eval_batch");
    options.batch = eval_batch > 0 ? eval_batch : config.get<std::int64_t>("train.batch");
    options.threads = config.get<int>("data.loader_threads");
    options.prefetch = config.get<int>("data.prefetch");
    SamplerOptions in_order;
    in_order.shuffle = false;
    DataLoader loader(data, in_order, transform_of(config, false), options);
    Evaluation evaluation(data->classes());
    const Device device = device_of(config.get<std::string>("train.device"));
    const Pass inference;
    loader.start_epoch(0);
    while (const std::optional<Batch> batch = loader.next()) {
        const std::vector<float> logits =
            host_floats(model.forward(batch->images.to(device), inference));
        const auto* labels = batch->labels.data<std::int64_t>();
        const std::size_t rows = batch->indices.size(), classes = logits.size() / rows;
        evaluation.add(logits, {labels, rows});
        if (predictions == nullptr) continue;
        for (std::size_t i = 0; i < rows; ++i)
            predictions->add(data->describe(batch->indices[i]), labels[i],
                             std::span(logits).subspan(i * classes, classes));
    }
    return evaluation.metrics();
}

}  // namespace fovea::apps
