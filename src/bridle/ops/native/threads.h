// Splits work over the OpenMP threads. If torch was imported first, its OpenMP library is used, so
// that both share one pool of threads.
#pragma once

#include <cstdint>

#ifdef _OPENMP
#include <omp.h>
#endif

namespace bridle {

// The number of threads to use: `wanted`, or one in a forked child, which has lost the pool.
int usable_threads(int wanted);

// Calls `work(first, last)` on contiguous parts of [0, count).
template <class Work>
void split(int64_t count, int threads, const Work& work) {
#ifdef _OPENMP
  if (threads > 1 && count > 1) {
    const int64_t parts = threads < count ? threads : count;
#pragma omp parallel for num_threads(threads) schedule(static, 1)
    for (int64_t part = 0; part < parts; ++part) {
      work(part * count / parts, (part + 1) * count / parts);
    }
    return;
  }
#endif
  (void)threads;
  if (count > 0) work(int64_t{0}, count);
}

// Calls `work(part, parts)` on each thread of a team of at most `threads`.
template <class Work>
void team(int threads, const Work& work) {
#ifdef _OPENMP
  if (threads > 1) {
#pragma omp parallel num_threads(threads)
    work(omp_get_thread_num(), omp_get_num_threads());
    return;
  }
#endif
  (void)threads;
  work(0, 1);
}

// Waits for the other threads of the team.
inline void meet(int parts) {
#ifdef _OPENMP
  if (parts > 1) {
#pragma omp barrier
  }
#endif
  (void)parts;
}

}  // namespace bridle
