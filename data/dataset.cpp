#include "data/dataset.h"

#include <xxhash.h>

#include "core/error.h"
#include "data/image_io.h"

namespace fovea {
namespace {

/// xxh64 over parts, each seeded with the hash of those before.
class Fingerprint {
public:
    template <class T>
    Fingerprint& add(const std::vector<T>& part) {
        value_ = XXH64(part.data(), part.size() * sizeof(T), value_);
        return *this;
    }
    std::uint64_t value() const { return value_; }

private:
    std::uint64_t value_ = 0;
};

DatasetInfo with_fingerprint(DatasetInfo info, const std::vector<std::uint8_t>& pixels,
                             const std::vector<std::int64_t>& labels) {
    const std::vector<std::int64_t> shape{info.height, info.width, info.channels};
    info.fingerprint = Fingerprint{}.add(shape).add(pixels).add(labels).value();
    return info;
}

DatasetInfo subset_info(const Dataset& base, const std::vector<std::int64_t>& indices) {
    DatasetInfo info = base.info();
    const std::vector<std::uint64_t> whole{info.fingerprint};
    info.fingerprint = Fingerprint{}.add(whole).add(indices).value();
    return info;
}

DatasetInfo files_info(const std::vector<std::string>& paths, int channels,
                       std::vector<std::string> class_names) {
    Fingerprint fingerprint;
    for (const std::string& path : paths)
        fingerprint.add(std::vector<char>(path.begin(), path.end()));
    return {"images", std::move(class_names), 0, 0, channels, fingerprint.value()};
}

}  // namespace

MemoryDataset::MemoryDataset(DatasetInfo info, std::vector<std::uint8_t> pixels,
                             std::vector<std::int64_t> labels)
    : Dataset(with_fingerprint(std::move(info), pixels, labels)), pixels_(std::move(pixels)),
      labels_(std::move(labels)) {
    const ImageView one{nullptr, this->info().height, this->info().width, this->info().channels};
    if (pixels_.size() != one.bytes() * labels_.size()) {
        throw Error("D08",
                    std::to_string(labels_.size()) + " labels, but pixels for " +
                        std::to_string(one.bytes() ? pixels_.size() / one.bytes() : 0) +
                        " pictures",
                    name(), "the two must belong together");
    }
    for (std::size_t i = 0; i < labels_.size(); ++i) {
        if (labels_[i] < kNoLabel || labels_[i] >= classes()) {
            throw Error("D08",
                        "label " + std::to_string(labels_[i]) + " of sample " + std::to_string(i) +
                            " is outside the " + std::to_string(classes()) + " classes",
                        name(), "check the label file");
        }
    }
}

Sample MemoryDataset::get(std::int64_t i) const {
    ImageView view{nullptr, info().height, info().width, info().channels};
    view.data = pixels_.data() + static_cast<std::size_t>(i) * view.bytes();
    return {view, label(i)};
}

Subset::Subset(std::shared_ptr<const Dataset> base, std::vector<std::int64_t> indices)
    : Dataset(subset_info(*base, indices)), base_(std::move(base)), indices_(std::move(indices)) {}

ImageFiles::ImageFiles(std::vector<std::string> paths, int channels,
                       std::vector<std::string> class_names)
    : Dataset(files_info(paths, channels, std::move(class_names))), paths_(std::move(paths)) {}

Sample ImageFiles::get(std::int64_t i) const {
    return {read_image(paths_[static_cast<std::size_t>(i)], info().channels), kNoLabel};
}

std::vector<std::int64_t> label_histogram(const Dataset& data) {
    std::vector<std::int64_t> count(static_cast<std::size_t>(data.classes()), 0);
    for (std::int64_t i = 0; i < data.size(); ++i)
        if (data.label(i) != kNoLabel) ++count[static_cast<std::size_t>(data.label(i))];
    return count;
}

}  // namespace fovea
