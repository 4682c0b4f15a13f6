// The 16-bit element types, and their conversion in plain code.
#pragma once

#include <cstdint>
#include <cstring>

#include "philox.h"

namespace bridle {

struct BFloat16 {
  uint16_t bits;
};
struct Float16 {
  uint16_t bits;
};

BRIDLE_INLINE uint32_t bits_of(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

BRIDLE_INLINE float float_of(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

// `a` where a condition holds, else `b`, without a branch.
BRIDLE_INLINE uint32_t select(bool condition, uint32_t a, uint32_t b) {
  const uint32_t mask = 0u - static_cast<uint32_t>(condition);
  return (a & mask) | (b & ~mask);
}

BRIDLE_INLINE float widen(BFloat16 x) { return float_of(uint32_t{x.bits} << 16); }

BRIDLE_INLINE float widen(Float16 x) {
  const uint32_t magnitude = static_cast<uint32_t>(x.bits & 0x7FFFu) << 13;
  const uint32_t sign = static_cast<uint32_t>(x.bits & 0x8000u) << 16;
  const uint32_t normal = magnitude + (112u << 23);           // another exponent bias
  const uint32_t special = magnitude + (224u << 23);          // infinite or NaN
  const float subnormal = float_of(magnitude + (113u << 23)) - float_of(113u << 23);
  const uint32_t finite = select(magnitude < (1u << 23), bits_of(subnormal), normal);
  return float_of(select(magnitude >= (31u << 23), special, finite) | sign);
}

// Both round to nearest, ties to even.
BRIDLE_INLINE void narrow(float value, BFloat16& out) {
  const uint32_t bits = bits_of(value);
  const uint32_t rounded = (bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16;
  out.bits = static_cast<uint16_t>(select(value != value, 0x7FC0u, rounded));
}

BRIDLE_INLINE void narrow(float value, Float16& out) {
  const uint32_t bits = bits_of(value) & 0x7FFFFFFFu;
  const uint32_t sign = (bits_of(value) >> 16) & 0x8000u;
  const uint32_t normal = (bits + 0xFFFu + ((bits >> 13) & 1u) - (112u << 23)) >> 13;
  // for subnormal results, adding 0.5 makes the processor round at the right bit
  const uint32_t subnormal = bits_of(float_of(bits) + 0.5f) - 0x3F000000u;
  const uint32_t finite = select(bits < (113u << 23), subnormal, normal);
  const uint32_t bounded = select(bits >= (143u << 23), 0x7C00u, finite);  // 65536: infinite
  out.bits = static_cast<uint16_t>(sign | select(value != value, 0x7E00u, bounded));
}

}  // namespace bridle
