#include "data/registry.h"

#include <algorithm>
#include <filesystem>

#include "core/error.h"
#include "data/idx_dataset.h"
#include "data/image_io.h"
#include "data/image_ops.h"

namespace fovea {
namespace {

namespace fs = std::filesystem;

constexpr const char* kGetFashion =
    "apt install dataset-fashion-mnist (then no path is needed), or give the folder of the idx "
    "files";
constexpr const char* kLayouts =
    "layouts understood: a folder with train-images-idx3-ubyte, train-labels-idx1-ubyte, "
    "t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte (plain or .gz), or its torchvision root "
    "(FashionMNIST/raw)";

std::string resolve(const std::string& path) {
    std::error_code ignored;
    if (!path.empty() && fs::exists(path, ignored)) return path;
    if (!path.empty() && path != "fashion-mnist")
        throw Error("D01", "no such dataset: " + path, "--data", kGetFashion);
    if (!fs::exists(kDebianFashionMnist, ignored))
        throw Error("D01", "Fashion-MNIST is not installed", kDebianFashionMnist, kGetFashion);
    return kDebianFashionMnist;
}

}  // namespace

DatasetPair open_dataset(const std::string& path, const std::string& format, Split split) {
    if (format != "auto" && format != "idx" && format != "fashion-mnist")
        throw Error("C03", "unknown data format: " + format, "--data-format",
                    "auto, idx, fashion-mnist");
    const std::string folder = resolve(path);
    const auto files = find_idx_files(folder);
    if (!files) throw Error("D02", "no known data set layout in " + folder, "--data", kLayouts);

    const auto names = idx_class_names(*files, format == "fashion-mnist");
    const std::string set = names == fashion_mnist_classes() ? "fashion-mnist" : "idx";
    DatasetPair pair;
    if (split != Split::Test)
        pair.train = open_idx(files->train_images, files->train_labels, set + "/train", names);
    if (split != Split::Train)
        pair.test = open_idx(files->test_images, files->test_labels, set + "/test", names);
    return pair;
}

Image load_image_for_model(const std::string& path, int height, int width, int channels) {
    const Image image = read_image(path, channels);
    // The smallest size of the right aspect that covers height x width.
    const double scale = std::max(static_cast<double>(height) / image.height,
                                  static_cast<double>(width) / image.width);
    const auto scaled = [&](int side, int least) {
        return std::max(least, static_cast<int>(side * scale));
    };
    const Image covering = resize(image, scaled(image.height, height), scaled(image.width, width),
                                  ResizeFilter::Bilinear);
    return center_crop(covering, height, width);
}

}  // namespace fovea
