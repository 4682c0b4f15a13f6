// Outputs of a population of networks.
#pragma once

#include "population.h"

namespace bridle {

// Of `values`, float32 [members, count, outputs], for the rows [folds, count], `batch` rows at once;
// `batch` must not be above `count`. Of the rest of a population only sizes, X and the blocks are
// read. Numbers below the normal range are zero.
void population_outputs(const Kernels& kernels, const Population& of, int64_t count, float* out,
                        int threads);

}  // namespace bridle
