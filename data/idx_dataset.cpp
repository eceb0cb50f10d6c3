#include "data/idx_dataset.h"

#include <xxhash.h>

#include <algorithm>
#include <filesystem>

#include "core/error.h"
#include "data/idx.h"

namespace fovea {
namespace {

namespace fs = std::filesystem;

/// xxh64 of the 60,000 label bytes of Fashion-MNIST's training set.
constexpr std::uint64_t kFashionTrainLabels = 0x97E6779495A8B4BA;

/// NAME or NAME.gz in the folder; empty when there is neither.
std::string find_file(const fs::path& folder, const std::string& name) {
    for (const char* suffix : {"", ".gz"}) {
        const fs::path path = folder / (name + suffix);
        std::error_code ignored;
        if (fs::exists(path, ignored)) return path.string();
    }
    return {};
}

std::vector<std::uint8_t> read_labels(const std::string& path) {
    IdxArray a = read_idx_file(path);
    if (a.type != IdxType::U8 || a.shape.rank != 1)
        throw Error("D08", "label file must hold unsigned bytes (08) of rank 1", path,
                    "is this the image file?");
    return std::move(a.bytes);
}

}  // namespace

std::optional<IdxFiles> find_idx_files(const std::string& folder) {
    for (const char* inner : {"", "raw", "FashionMNIST/raw", "MNIST/raw"}) {
        const fs::path root = fs::path(folder) / inner;
        IdxFiles files;
        std::string missing;
        int found = 0;
        const auto look = [&](std::string& to, const std::string& name) {
            to = find_file(root, name);
            if (to.empty())
                missing += (missing.empty() ? "" : ", ") + name;
            else
                ++found;
        };
        look(files.train_images, "train-images-idx3-ubyte");
        look(files.train_labels, "train-labels-idx1-ubyte");
        look(files.test_images, "t10k-images-idx3-ubyte");
        look(files.test_labels, "t10k-labels-idx1-ubyte");
        if (found == 4) return files;
        if (found > 0)
            throw Error("D02", "idx folder is incomplete; missing: " + missing, root.string(),
                        "copy the missing files (plain or .gz) there");
    }
    return std::nullopt;
}

const std::vector<std::string>& fashion_mnist_classes() {
    static const std::vector<std::string> names{"T-shirt/top", "Trouser",   "Pullover", "Dress",
                                                "Coat",        "Sandal",    "Shirt",    "Sneaker",
                                                "Bag",         "Ankle boot"};
    return names;
}

std::vector<std::string> idx_class_names(const IdxFiles& files, bool fashion) {
    const std::vector<std::uint8_t> labels = read_labels(files.train_labels);
    if (fashion || XXH64(labels.data(), labels.size(), 0) == kFashionTrainLabels)
        return fashion_mnist_classes();
    const int classes = labels.empty() ? 0 : *std::max_element(labels.begin(), labels.end()) + 1;
    std::vector<std::string> names;
    for (int i = 0; i < classes; ++i) names.push_back(std::to_string(i));
    return names;
}

std::shared_ptr<const Dataset> open_idx(const std::string& images, const std::string& labels,
                                        const std::string& name,
                                        std::vector<std::string> class_names) {
    IdxArray pictures = read_idx_file(images);
    const Shape& s = pictures.shape;
    const bool grey = s.rank == 3, colour = s.rank == 4 && (s[3] == 1 || s[3] == 3);
    if (pictures.type != IdxType::U8 || !(grey || colour))
        throw Error("D08", "image file must hold unsigned bytes (08) of shape [N,H,W] or [N,H,W,3]",
                    images, "is this the label file?");
    if (s[1] < 1 || s[2] < 1 || s[1] > 65535 || s[2] > 65535)
        throw Error("D08",
                    "pictures of " + std::to_string(s[1]) + "x" + std::to_string(s[2]) + " pixels",
                    images, "sides of 1 to 65535 pixels are supported");
    const std::vector<std::uint8_t> classes = read_labels(labels);
    if (static_cast<std::int64_t>(classes.size()) != s[0])
        throw Error(
            "D08",
            std::to_string(s[0]) + " images, but " + std::to_string(classes.size()) + " labels",
            labels, "take both files of one split");
    const auto wrong = std::find_if(classes.begin(), classes.end(),
                                    [&](std::uint8_t c) { return c >= class_names.size(); });
    if (wrong != classes.end())
        throw Error("D08",
                    "label " + std::to_string(*wrong) + " of sample " +
                        std::to_string(wrong - classes.begin()) + " is outside the " +
                        std::to_string(class_names.size()) + " classes",
                    labels, "check the file, or the class names");
    DatasetInfo info{name, std::move(class_names), static_cast<int>(s[1]), static_cast<int>(s[2]),
                     grey ? 1 : static_cast<int>(s[3])};
    return std::make_shared<MemoryDataset>(
        std::move(info), std::move(pictures.bytes),
        std::vector<std::int64_t>(classes.begin(), classes.end()));
}

}  // namespace fovea
