// Outputs of a population of networks without noise, as population.cpp trains them.
#include "outputs.h"

#include <algorithm>
#include <vector>

#include "by_members.h"
#include "embedding.h"
#include "first_layer.h"
#include "population_rows.h"

namespace bridle {
namespace {

// One thread's buffers.
class Predictor {
 public:
  Predictor(const Kernels& kernels, const Population& of)
      : kernels_(kernels),
        of_(of),
        first_(kernels, of),
        panel_(static_cast<size_t>(kPanel)),
        kept_(room_to_predict(of.embedding.outputs)) {
    const int64_t most = *std::max_element(of.sizes.begin(), of.sizes.end());
    for (auto& each : room_) each.resize(static_cast<size_t>(of.batch * most));
  }

  // Writes [batch, outputs] for one batch of rows.
  void predict(int64_t member, const int64_t* rows, float* out) {
    const int64_t last = of_.layers() - 1;
    float *in = room_[0].data(), *next = room_[1].data();
    for (int64_t l = 0; l <= last; ++l) {
      const int64_t inputs = of_.sizes[at(l)], units = of_.sizes[at(l + 1)];
      const float* w = read<float>(of_.values[at(l)]) + member * inputs * units;
      const float* bias = read<float>(of_.values[at(last + 1 + l)]) + member * units;
      float* to = l == last ? out : next;
      const bool encoded = l == 0 && first_.usable();
      if (l == 0 && (!encoded || of_.embeds())) {
        take_rows(of_, rows, 1.0f, in);
        if (of_.embeds()) {
          predict_waves(kernels_, of_.waves(), of_.wave_values(), member, in, kept_.data());
        }
      }
      if (encoded) {
        first_.forward(rows, 1.0f, in, w, to, panel_.data());
      } else {
        kernels_.multiply({of_.batch, inputs, units, in, inputs, 1, w, units, 1, to},
                          panel_.data());
      }
      kernels_.activate[kFloat32](l == last ? kIdentity : kRelu, of_.batch, units, to, bias);
      std::swap(in, next);
    }
  }

 private:
  static size_t at(int64_t i) { return static_cast<size_t>(i); }

  const Kernels& kernels_;
  const Population& of_;
  FirstLayer first_;
  std::vector<float> panel_, kept_, room_[2];
};

}  // namespace

void population_outputs(const Kernels& kernels, const Population& of, int64_t count, float* out,
                        int threads) {
  const int64_t outputs = of.sizes.back();
  by_members<Predictor>(kernels, of, threads, [&](Predictor& predictor, int64_t member) {
    const int64_t* rows = read<int64_t>(of.rows) + member % of.folds * count;
    float* to = out + member * count * outputs;
    for (int64_t done = 0; done < count; done += of.batch) {
      const int64_t first = std::min(done, count - of.batch);  // the last batch overlaps
      predictor.predict(member, rows + first, to + first * outputs);
    }
  });
}

}  // namespace bridle
