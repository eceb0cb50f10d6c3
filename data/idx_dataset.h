// Data sets stored as idx files: MNIST, Fashion-MNIST and their relatives.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "data/dataset.h"

namespace fovea {

/// The four files of a folder in MNIST's layout; .gz or not.
struct IdxFiles {
    std::string train_images, train_labels, test_images, test_labels;
};

/// Looks in `folder` and in its raw/, FashionMNIST/raw/ and MNIST/raw/ (torchvision's layout).
/// Nothing when there is none of the files; Error D02 names the missing ones when there are some.
std::optional<IdxFiles> find_idx_files(const std::string& folder);

/// Where Debian's package dataset-fashion-mnist puts its files.
inline constexpr const char* kDebianFashionMnist = "/usr/share/datasets/fashion-mnist";

const std::vector<std::string>& fashion_mnist_classes();

/// One split. images: unsigned bytes [N,H,W] (grey) or [N,H,W,C], C = 1 or 3; labels: unsigned bytes
/// [N]. Errors D01, D03, D05 (file), D08: types, ranks, counts, labels beyond class_names.
std::shared_ptr<const Dataset> open_idx(const std::string& images, const std::string& labels,
                                        const std::string& name,
                                        std::vector<std::string> class_names);

/// Class names for these files: Fashion-MNIST's where the training labels are Fashion-MNIST's (by
/// hash) or `fashion` is set, else "0", "1", ... up to the largest training label.
std::vector<std::string> idx_class_names(const IdxFiles& files, bool fashion);

}  // namespace fovea
