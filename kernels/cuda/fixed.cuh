// Enumerators as types. A kernel that takes a Fixed<f> is compiled for that f alone; the same kernel
// takes the enumerator itself where one that chooses while it runs is fast enough.
#pragma once

#include "kernels/include/elementwise.h"

namespace fovea::kernels::cuda {

template <auto value>
struct Fixed {
    __host__ __device__ constexpr operator decltype(value)() const { return value; }
};

/// Calls body(Fixed<f>{}).
template <class Body>
void with_fixed(Unary f, const Body& body) {
    switch (f) {
        case Unary::Identity: return body(Fixed<Unary::Identity>{});
        case Unary::Relu: return body(Fixed<Unary::Relu>{});
        case Unary::GeluErf: return body(Fixed<Unary::GeluErf>{});
        case Unary::GeluTanh: return body(Fixed<Unary::GeluTanh>{});
        case Unary::QuickGelu: return body(Fixed<Unary::QuickGelu>{});
        case Unary::Silu: return body(Fixed<Unary::Silu>{});
        case Unary::Sigmoid: return body(Fixed<Unary::Sigmoid>{});
        case Unary::Tanh: return body(Fixed<Unary::Tanh>{});
        case Unary::Exp: return body(Fixed<Unary::Exp>{});
        case Unary::Log: return body(Fixed<Unary::Log>{});
        case Unary::Sqrt: return body(Fixed<Unary::Sqrt>{});
        case Unary::Square: return body(Fixed<Unary::Square>{});
    }
}

/// Calls body(Fixed<op>{}).
template <class Body>
void with_fixed(Binary op, const Body& body) {
    switch (op) {
        case Binary::Add: return body(Fixed<Binary::Add>{});
        case Binary::Sub: return body(Fixed<Binary::Sub>{});
        case Binary::Mul: return body(Fixed<Binary::Mul>{});
        case Binary::Div: return body(Fixed<Binary::Div>{});
    }
}

}  // namespace fovea::kernels::cuda
