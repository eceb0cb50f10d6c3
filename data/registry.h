// One door to data sets on disk and to single pictures.
#pragma once

#include <memory>
#include <string>

#include "data/dataset.h"

namespace fovea {

enum class Split : unsigned char { Train, Test, Both };

/// A split that was not asked for is null.
struct DatasetPair {
    std::shared_ptr<const Dataset> train, test;
};

/// Opens the data set at `path`. format: "auto" (look what is there), "idx" (MNIST's four files),
/// "fashion-mnist" (the same with its class names). An empty path, or the path "fashion-mnist" where
/// nothing has that name, means Debian's package dataset-fashion-mnist.
/// Errors: C03 unknown format; D01 nothing there; D02 layout not understood; those of idx_dataset.h.
DatasetPair open_dataset(const std::string& path, const std::string& format = "auto",
                         Split split = Split::Both);

/// A picture file as a model of height x width x channels reads it: grey or RGB, shorter side
/// resized (bilinear, antialiased), middle cut out. Nothing is inverted: Fashion-MNIST and MNIST show
/// light things on black, so a dark thing on white paper is not what their models know.
/// Errors D01, D11.
Image load_image_for_model(const std::string& path, int height, int width, int channels);

}  // namespace fovea
