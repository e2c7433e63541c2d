#ifndef SHOAL_SHM_THREAD_END_H_
#define SHOAL_SHM_THREAD_END_H_

#include <atomic>

namespace shoal::shm_internal {

// Tells a destructor whether it runs because its thread is being ended, by pthread_exit or pthread_cancel: that is no exception, and
// std::uncaught_exceptions() is 0 in it. See thread_end.cc.
//
// The word in which glibc notes the end of the calling thread; only this thread changes the bit. Null: this glibc's is not known.
using ThreadEndWord = std::atomic<int>;
const ThreadEndWord* ThreadEndWordOrNull();

// In that word: the thread is being ended.
inline constexpr int kThreadEnds = 0x10;
// In the word of those who have none, and in no other: so that all copies of the library in a process know it.
inline constexpr int kCannotTell = -0x7fffffff - 1;
// For those who have none: one that says so always.
extern const ThreadEndWord thread_may_end;

}  // namespace shoal::shm_internal

#endif  // SHOAL_SHM_THREAD_END_H_
