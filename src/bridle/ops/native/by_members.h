// The members of a population, shared out among threads.
#pragma once

#include <algorithm>
#include <memory>
#include <vector>

#include "population.h"
#include "subnormals.h"
#include "threads.h"

namespace bridle {

// Calls work(worker, member) for all members. Each thread has a worker of its own. Numbers below the
// normal range are zero.
template <class Worker, class Work>
void by_members(const Kernels& kernels, const Population& of, int threads, const Work& work) {
  const int64_t parts = std::min<int64_t>(usable_threads(threads), of.members);
  std::vector<std::unique_ptr<Worker>> workers;  // allocated here, where bad_alloc can be thrown
  for (int64_t part = 0; part < parts; ++part) {
    workers.push_back(std::make_unique<Worker>(kernels, of));
  }
  split(parts, static_cast<int>(parts), [&](int64_t begin, int64_t end) {
    const FlushSubnormals flush;
    for (int64_t part = begin; part < end; ++part) {
      for (int64_t member = part; member < of.members; member += parts) {
        work(*workers[static_cast<size_t>(part)], member);
      }
    }
  });
}

}  // namespace bridle
