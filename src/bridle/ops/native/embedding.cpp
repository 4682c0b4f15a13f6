// Embeddings of numbers at prediction.
#include "embedding.h"

#include <algorithm>
#include <vector>

#include "threads.h"

namespace bridle {

void embed_rows(const Kernels& kernels, int64_t members, const Waves& of,
                const std::vector<Address>& parameters, Address x, int threads) {
  const int64_t blocks = (of.rows + kRowsAtOnce - 1) / kRowsAtOnce;
  split(members * blocks, usable_threads(threads), [&](int64_t begin, int64_t end) {
    std::vector<float> kept(room_to_predict(of.outputs));
    for (int64_t block = begin; block < end; ++block) {
      const int64_t member = block / blocks, first = block % blocks * kRowsAtOnce;
      Waves part = of;
      part.rows = std::min(kRowsAtOnce, of.rows - first);
      predict_waves(kernels, part, parameters.data(), member,
                    at(x, (member * of.rows + first) * of.stride), kept.data());
    }
  });
}

}  // namespace bridle
