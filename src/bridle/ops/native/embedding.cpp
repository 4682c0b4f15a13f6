// Embeddings of numbers at prediction.
#include <algorithm>
#include <vector>

#include "population.h"
#include "threads.h"

namespace bridle {
namespace {

constexpr int64_t kRowsAtOnce = 128;  // whose cosines stay in the core's first cache

}  // namespace

void embed_rows(const Kernels& kernels, int64_t members, const Waves& of,
                const std::vector<Address>& parameters, Address x, int threads) {
  const int64_t blocks = (of.rows + kRowsAtOnce - 1) / kRowsAtOnce;
  const int64_t waves = of.numbers * of.count;
  const auto own = [&](size_t p, int64_t element) {
    return reinterpret_cast<float*>(parameters[p]) + element;
  };
  split(members * blocks, usable_threads(threads), [&](int64_t begin, int64_t end) {
    std::vector<float> kept(static_cast<size_t>((of.outputs + 2) * kRowsAtOnce));
    for (int64_t at = begin; at < end; ++at) {
      const int64_t member = at / blocks, first = at % blocks * kRowsAtOnce;
      const Waves part = {std::min(kRowsAtOnce, of.rows - first), of.stride, of.numbers, of.count,
                          of.outputs};
      const WaveParameters by = {own(0, member * waves), own(1, member * waves),
                                 own(2, member * waves * of.outputs),
                                 own(3, member * of.numbers * of.outputs)};
      float* rows = reinterpret_cast<float*>(x) + (member * of.rows + first) * of.stride;
      kernels.embed_only(part, rows, by, kept.data());
    }
  });
}

}  // namespace bridle
