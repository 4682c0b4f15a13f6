// The address of a mask, by the definition in ../philox.py.
#pragma once

#include <cstdint>

// Each variant is compiled with its own flags. Shared functions must be inlined, or the linker could
// use the code of one variant in another.
#if defined(_MSC_VER) && !defined(__clang__)
#define BRIDLE_INLINE __forceinline
#else
#define BRIDLE_INLINE inline __attribute__((always_inline))
#endif

namespace bridle {

constexpr int kRounds = 10;
constexpr uint32_t kMul0 = 0xD2511F53u, kMul1 = 0xCD9E8D57u;
constexpr uint32_t kWeyl0 = 0x9E3779B9u, kWeyl1 = 0xBB67AE85u;
constexpr int kBlocks = 16;             // blocks in a group
constexpr int kGroup = 8 * kBlocks;     // units in a group

BRIDLE_INLINE uint32_t low(uint64_t value) { return static_cast<uint32_t>(value); }
BRIDLE_INLINE uint32_t high(uint64_t value) { return static_cast<uint32_t>(value >> 32); }

// One mask: its key schedule, and the limit of its lanes.
struct MaskKey {
  uint32_t k0[kRounds], k1[kRounds];
  // a lane is kept when (lane << 16) <= limit, for a limit of ((threshold - 1) << 16 | 0xFFFF)
  uint32_t limit;

  BRIDLE_INLINE MaskKey(uint64_t seed, uint64_t stream, uint64_t step, uint32_t threshold)
      : limit(((threshold - 1) << 16) | 0xFFFFu) {
    uint32_t c0 = low(stream), c1 = high(stream), c2 = low(step), c3 = high(step);
    uint32_t a = low(seed), b = high(seed);
    for (int round = 0; round < kRounds; ++round, a += kWeyl0, b += kWeyl1) {
      const uint64_t p0 = uint64_t{c0} * kMul0, p1 = uint64_t{c2} * kMul1;
      const uint32_t n0 = high(p1) ^ c1 ^ a, n2 = high(p0) ^ c3 ^ b;
      c0 = n0, c1 = low(p1), c2 = n2, c3 = low(p0);
    }
    a = c0, b = c1;
    for (int round = 0; round < kRounds; ++round, a += kWeyl0, b += kWeyl1) {
      k0[round] = a, k1[round] = b;
    }
  }
};

// The part of the first two rounds that all blocks of a row share: it depends only on the row's
// words, the key, and the high word of the block.
struct RowState {
  const MaskKey* key;
  uint32_t r0;  // round 1: word 0, before the high word of the block
  uint32_t r1;  // round 1: word 1
  uint32_t r2;  // round 1: the other operand of word 2

  BRIDLE_INLINE RowState(const MaskKey& mask, uint64_t row) : key(&mask) {
    const uint64_t p1 = uint64_t{low(row)} * kMul1;
    r0 = high(p1) ^ mask.k0[0];
    r1 = low(p1);
    r2 = high(row) ^ mask.k1[0];
  }
};

// Round 2 for one group: the product that all its blocks share.
struct GroupState {
  uint32_t block;  // low word of the first block; the group's blocks share their high word
  uint32_t high2;  // the other operand of round 2's word 2
  uint32_t low3;   // round 2's word 3

  BRIDLE_INLINE GroupState(const RowState& row, uint64_t group) {
    const uint64_t first = group * kBlocks;
    const uint64_t p0 = uint64_t{row.r0 ^ high(first)} * kMul0;
    block = low(first);
    high2 = high(p0) ^ row.key->k1[1];
    low3 = low(p0);
  }
};

}  // namespace bridle
