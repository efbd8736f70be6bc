// Chance, injected: a seed replays every draw.
#pragma once

#include <cstdint>

namespace pinnace {

// A source of 64-bit draws. One thread at a time.
class Random {
 public:
  virtual ~Random() = default;
  virtual uint64_t Next() = 0;
  // Uniform in [0, bound); `bound` >= 1. Bias below 2^-32 for bounds below 2^32.
  uint64_t Below(uint64_t bound) {
    return static_cast<uint64_t>((static_cast<unsigned __int128>(Next()) * bound) >> 64);
  }
};

// xoshiro256** (Blackman and Vigna, "Scrambled Linear Pseudorandom Number Generators", 2018).
// Not for keys or tokens.
class SeededRandom final : public Random {
 public:
  explicit SeededRandom(uint64_t seed);
  uint64_t Next() override;

 private:
  uint64_t state_[4];
};

// A seed from the kernel.
uint64_t EntropySeed();

}  // namespace pinnace
