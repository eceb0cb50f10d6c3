// Dataset: numbered pictures with labels.
//
// Error codes of data/: D01 no such file or folder, D02 layout unknown or incomplete, D03 not an idx
// header, D05 truncated, trailing or damaged bytes, D08 labels that do not fit, D10 a sample that
// cannot be read for another reason, D11 a picture that cannot be decoded.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "data/image.h"

namespace fovea {

inline constexpr std::int64_t kNoLabel = -1;

struct Sample {
    ImageView image;  ///< into the data set's memory, or into `decoded`
    std::int64_t label = kNoLabel;
    Image decoded;  ///< pixels of data sets that keep files, not pixels

    Sample() = default;
    Sample(const ImageView& view, std::int64_t l) : image(view), label(l) {}
    Sample(Image&& own, std::int64_t l) : label(l), decoded(std::move(own)) {
        image = decoded.view();
    }
    // Moving a vector keeps its memory, so the view stays right; a copy's would not.
    Sample(Sample&&) = default;
    Sample& operator=(Sample&&) = default;
};

/// What a data set says of itself without touching a sample.
struct DatasetInfo {
    std::string name;
    std::vector<std::string> class_names;  ///< label i is class_names[i]
    int height = 0, width = 0;             ///< 0: pictures differ
    int channels = 0;
    std::uint64_t fingerprint = 0;  ///< xxh64 of the content (shape, pixels, labels)
};

/// Every const member may be called from several threads at once.
class Dataset {
public:
    explicit Dataset(DatasetInfo info) : info_(std::move(info)) {}
    virtual ~Dataset() = default;
    Dataset(const Dataset&) = delete;
    Dataset& operator=(const Dataset&) = delete;

    const DatasetInfo& info() const { return info_; }
    const std::string& name() const { return info_.name; }
    const std::vector<std::string>& class_names() const { return info_.class_names; }
    std::int64_t classes() const { return static_cast<std::int64_t>(info_.class_names.size()); }

    virtual std::int64_t size() const = 0;
    /// Picture i, 0 <= i < size(). Valid as long as the data set. Error D11: cannot be decoded.
    virtual Sample get(std::int64_t i) const = 0;
    /// The label of get(i), without decoding; kNoLabel where there is none.
    virtual std::int64_t label(std::int64_t i) const = 0;
    /// File, or "NAME[i]", for messages and prediction tables.
    virtual std::string describe(std::int64_t i) const {
        return name() + "[" + std::to_string(i) + "]";
    }

private:
    DatasetInfo info_;
};

/// Pictures of one size, all in memory.
class MemoryDataset : public Dataset {
public:
    /// pixels: [n, info.height, info.width, info.channels]; labels: [n].
    /// The fingerprint is computed here. Error D08: counts differ, or a label has no class name.
    MemoryDataset(DatasetInfo info, std::vector<std::uint8_t> pixels,
                  std::vector<std::int64_t> labels);

    std::int64_t size() const override { return static_cast<std::int64_t>(labels_.size()); }
    Sample get(std::int64_t i) const override;
    std::int64_t label(std::int64_t i) const override {
        return labels_[static_cast<std::size_t>(i)];
    }

private:
    std::vector<std::uint8_t> pixels_;
    std::vector<std::int64_t> labels_;
};

/// Some samples of another data set, renumbered 0, 1, ...
class Subset : public Dataset {
public:
    Subset(std::shared_ptr<const Dataset> base, std::vector<std::int64_t> indices);

    std::int64_t size() const override { return static_cast<std::int64_t>(indices_.size()); }
    Sample get(std::int64_t i) const override { return base_->get(at(i)); }
    std::int64_t label(std::int64_t i) const override { return base_->label(at(i)); }
    std::string describe(std::int64_t i) const override { return base_->describe(at(i)); }

private:
    std::int64_t at(std::int64_t i) const { return indices_[static_cast<std::size_t>(i)]; }
    std::shared_ptr<const Dataset> base_;
    std::vector<std::int64_t> indices_;
};

/// Picture files without labels, for prediction; decoded when asked for.
class ImageFiles : public Dataset {
public:
    /// channels: what files are converted to, 1 or 3. class_names: those of the model.
    ImageFiles(std::vector<std::string> paths, int channels, std::vector<std::string> class_names);

    std::int64_t size() const override { return static_cast<std::int64_t>(paths_.size()); }
    Sample get(std::int64_t i) const override;
    std::int64_t label(std::int64_t) const override { return kNoLabel; }
    std::string describe(std::int64_t i) const override {
        return paths_[static_cast<std::size_t>(i)];
    }

private:
    std::vector<std::string> paths_;
};

/// Number of samples of each class.
std::vector<std::int64_t> label_histogram(const Dataset& data);

}  // namespace fovea
