// Parameter initialisation. Numbers are drawn on the host from Philox by element, so that a tensor's
// values depend on the seed, its name and its shape only, never on what else the model holds.
#pragma once

#include <string>

#include "layers/module.h"

namespace fovea::init {

/// The random numbers of the parameter called `name`.
RandomSite site_of(std::uint64_t seed, const std::string& name);

/// Normal with mean 0, drawn again beyond +-limit (absolute, as torch.nn.init.trunc_normal_).
void truncated_normal(const Tensor& t, double std, const RandomSite& site, double limit = 2.0);
/// Uniform in [-bound, bound).
void uniform(const Tensor& t, double bound, const RandomSite& site);

/// PyTorch's default for convolutions and linear layers: weight and bias uniform within
/// 1 / sqrt(fan_in) (He et al. 2015 with a = sqrt(5)).
double default_bound(const Tensor& weight);
/// That default for a whole layer called `name`; the bias may be missing.
void pytorch_default(const Parameter& weight, const Parameter& bias, std::uint64_t seed,
                     const std::string& name);

/// Normal with variance 2 / fan_out, which keeps the size of gradients behind ReLU (He et al. 2015);
/// fan_out = outputs * kernel area, whatever the groups, as PyTorch counts it. weight [O,R,S,I].
void he_normal_fan_out(const Tensor& weight, const RandomSite& site);

}  // namespace fovea::init
