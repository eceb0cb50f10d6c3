// A golden number with a wrong digit, to see that a comparison notices.
#pragma once

#include <cmath>
#include <nlohmann/json.hpp>

namespace fovea::parity {

/// Another number that differs in the fifth significant decimal place; of integers in the last.
inline nlohmann::json changed_digit(const nlohmann::json& number) {
    if (number.is_number_integer()) return number.get<long>() + 1;
    const double value = number;
    return value + std::pow(10.0, std::floor(std::log10(std::abs(value))) - 4.0);
}

/// The number of largest magnitude in a number or (nested) list of numbers; null if there is none
/// but zeros and rounding errors.
inline nlohmann::json* largest_number(nlohmann::json& value) {
    if (value.is_number()) return std::abs(value.get<double>()) > 1e-12 ? &value : nullptr;
    nlohmann::json* largest = nullptr;
    if (value.is_array())
        for (nlohmann::json& part : value) {
            nlohmann::json* const one = largest_number(part);
            if (one != nullptr && (largest == nullptr ||
                                   std::abs(one->get<double>()) > std::abs(largest->get<double>())))
                largest = one;
        }
    return largest;
}

}  // namespace fovea::parity
