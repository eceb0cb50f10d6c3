// The schema table: the one place where a recipe's keys are named, typed, bounded and explained.

#include "apps/common/recipe.h"

namespace fovea::apps {
namespace {

constexpr bool kMaths = true;  // alters the result: in the config hash, fixed on --resume
constexpr bool kFree = false;  // may change from one start to the next

using Numbers = std::vector<double>;

// clang-format off
const std::vector<KeySpec> kSchema = {
// key, default, range or choices, unit, doc, alters the maths, flag
{"data.path", "", "", "", "folder of the data set", kFree, "--data"},
{"data.format", "auto", "auto|idx|fashion-mnist", "",
    "layout on disk; auto looks at the files", kMaths, "--data-format"},
{"data.image_size", 0, "[0, 4096]", "pixels", "side of the square input, 0 = as the data has it",
    kMaths, "--img-size"},
{"data.in_channels", 0, "[0, 4]", "", "channels of the input, 0 = as the data has them", kMaths,
    "--in-chans"},
{"data.train_fraction", 1.0, "(0, 1]", "",
    "share of the training images that is used, the same share of every class", kMaths,
    "--train-fraction"},
{"data.val_split", 0.0, "[0, 0.9]", "",
    "share of the training images held out to watch the run and choose the best weights", kMaths,
    "--val-split"},
{"data.mean", Numbers{}, "[-10, 10]", "",
    "subtracted per channel from pixels in 0..1, [] = measured on the training images", kMaths, ""},
{"data.std", Numbers{}, "(0, 10]", "",
    "divided by per channel, [] = measured on the training images", kMaths, ""},
{"data.loader_threads", 2, "[0, 64]", "threads", "threads that read and augment", kFree,
    "--loader-threads"},
{"data.prefetch", 4, "[1, 64]", "batches", "batches kept ready", kFree, ""},

{"model.name", "cvt_28", "", "", "name in the model registry", kMaths, "--model"},
{"model.num_classes", 0, "[0, 100000]", "classes", "outputs of the head, 0 = as the data has",
    kMaths, ""},
{"model.drop_rate", -1.0, "[-1, 1)", "", "dropout, -1 = the model's own", kMaths, "--dropout"},
{"model.drop_path", -1.0, "[-1, 1)", "",
    "chance to skip a residual branch in the last block, less in those before, -1 = the model's own; "
    "AlexNets and teachers have no such branches", kMaths, "--drop-path"},
{"model.swin_padding", "auto", "auto|torchvision|timm|microsoft", "",
    "Swin: whose rule holds for maps that do not fit their windows; auto = torchvision's, timm = that of "
    "timm 1.0.28", kMaths, "--swin-padding"},
{"model.zero_init", false, "", "",
    "ResNet: residual branches begin as zero, so that blocks begin as identities", kMaths,
    "--zero-init"},
{"model.init", "", "", "",
    "weights to begin with: a safetensors file with timm's, torchvision's, Hugging Face's, Microsoft's "
    "or own names", kMaths, "--init"},
{"model.reset_head", false, "", "", "keep the random last layer instead of the one in model.init",
    kMaths, "--reset-head"},

{"augment.pad", 0, "[0, 64]", "pixels", "pad by this much on each side, then crop at random",
    kMaths, "--pad"},
{"augment.flip", false, "", "", "mirror left to right, every second image", kMaths, "--flip"},
{"augment.erase_prob", 0.0, "[0, 1]", "", "chance to erase a random rectangle", kMaths, "--erase"},
{"augment.erase_mode", "const", "const|pixel", "",
    "fill of the rectangle: zeros or noise", kMaths, ""},

{"optim.name", "adamw", "adamw", "", "optimizer", kMaths, "--opt"},
{"optim.lr", 1e-3, "(0, 10]", "", "learning rate at its peak", kMaths, "--lr"},
{"optim.weight_decay", 0.05, "[0, 10]", "", "decoupled weight decay, not on biases and norms",
    kMaths, "--wd"},
{"optim.beta1", 0.9, "[0, 1)", "", "decay of the first moment", kMaths, ""},
{"optim.beta2", 0.999, "[0, 1)", "", "decay of the second moment", kMaths, ""},
{"optim.eps", 1e-8, "(0, 1]", "", "added to the root of the second moment", kMaths, ""},
{"optim.clip", 1.0, "[0, inf)", "", "largest norm of the whole gradient, 0 = no clipping", kMaths,
    "--clip"},
{"optim.ema", 0.0, "[0, 1)", "", "decay of the averaged weights, 0 = none", kMaths, "--ema"},
{"optim.accum", 1, "[1, 1024]", "batches", "batches whose gradients are summed for one step",
    kMaths, "--accum"},

{"schedule.kind", "cosine", "cosine|constant", "", "learning rate after the warm-up", kMaths,
    "--sched"},
{"schedule.warmup", 5.0, "[0, 1000]", "epochs", "linear rise to the peak; fractions are fine",
    kMaths, "--warmup"},
{"schedule.min_lr", 1e-5, "[0, 10]", "", "learning rate at the end of the cosine", kMaths,
    "--min-lr"},
{"schedule.warmup_lr", 1e-6, "[0, 10]", "", "learning rate of the first step", kMaths, ""},

{"train.epochs", 30, "[1, 100000]", "epochs", "passes over the training images", kMaths,
    "--epochs"},
{"train.batch", 128, "[1, 65536]", "images", "batch size", kMaths, "--batch"},
{"train.seed", 42, "[0, 9007199254740991]", "", "seed of every random number", kMaths, "--seed"},
{"train.smoothing", 0.1, "[0, 1)", "", "label smoothing of the training loss", kMaths,
    "--smoothing"},
{"train.max_steps", 0, "[0, 1000000000]", "steps", "stop after this many steps, 0 = no limit",
    kFree, "--max-steps"},
{"train.eval_batch", 0, "[0, 65536]", "images", "batch size of validation, 0 = as in training",
    kFree, ""},
{"train.eval_every", 1, "[1, 100000]", "epochs", "validate each so many epochs", kMaths, ""},
{"train.save_every", 1, "[1, 100000]", "epochs", "write a checkpoint each so many epochs", kFree,
    "--save-every"},
{"train.device", "auto", "", "", "auto, cpu, reference, cuda:N", kFree, "--device"},
{"train.amp", "auto", "auto|bf16|off", "", "mixed precision; auto: bf16 on a GPU, off on the CPU",
    kMaths, "--amp"},
{"train.tf32", false, "", "", "fp32 matrix products on a GPU may round their inputs to TF32", kMaths,
    ""},
{"train.threads", 0, "[0, 1024]", "threads", "compute threads, 0 = one a core; part of the result",
    kMaths, "--threads"},
};
// clang-format on

}  // namespace

std::span<const KeySpec> schema() { return kSchema; }

const KeySpec* find_key(std::string_view key) {
    for (const KeySpec& spec : kSchema)
        if (key == spec.key) return &spec;
    return nullptr;
}

}  // namespace fovea::apps
