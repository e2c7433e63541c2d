// shm/thread_end.cc: how a section learns that it is being unwound by force.
//
// pthread_exit, and a cancellation that takes effect, first set a bit of the thread's `cancelhandling`, then unwind its stack. The bit is
// never cleared. glibc offers no call that asks for it, but tells debuggers where the word lies (libthread_db reads _thread_db_*), so it
// can be read in one load: keeping cancellation off while a section is open, the other way, takes two interlocked operations.
//
// Which bit it is, glibc tells nobody; it has been the same since 2.3. So once in a process it is tried: a thread exits, and its bit must
// be 0 before and 1 while it is unwound. Where it is not, sections keep cancellation off, and pthread_exit commits.
//
// What does not work, tried with glibc 2.36: a buffer of _pthread_cleanup_push outside of the stack, whose routine runs before any
// destructor does. A longjmp takes it out of the list without running it, and glibc itself makes one to each frame of C that has a
// pthread_cleanup_push.

#include "shoal/shm/thread_end.h"

#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>

#include <cstddef>
#include <cstdint>

#include "shoal/sync/cancellation.h"

namespace shoal::shm_internal {

constinit const ThreadEndWord thread_may_end{kThreadEnds | kCannotTell};

namespace {

static_assert(sizeof(ThreadEndWord) == sizeof(int), "it stands for an int of glibc's");

// What glibc says of a field to debuggers.
struct FieldForDebuggers {
  uint32_t bits;
  uint32_t count;
  uint32_t offset;
};

constexpr uint32_t kNotTried = UINT32_MAX;
constexpr uint32_t kMostBytes = 8192;  // of glibc's record of a thread, which is 2,304 in 2.36

const ThreadEndWord* WordAt(uint32_t offset) {
  return reinterpret_cast<const ThreadEndWord*>(reinterpret_cast<const std::byte*>(pthread_self()) + offset);
}

struct Trial {
  uint32_t offset;
  bool seen = false;
};

struct Seen {
  explicit Seen(Trial& of)
      : trial(of), word(*WordAt(of.offset)), before(word.load(std::memory_order_relaxed)) {}  // relaxed: own
  ~Seen() {
    trial.seen = (before & kThreadEnds) == 0 && (word.load(std::memory_order_relaxed) & kThreadEnds) != 0;  // relaxed: own
  }

  static void* Run(void* trial) {
    const Seen seen(*static_cast<Trial*>(trial));
    pthread_exit(nullptr);
  }

  Trial& trial;
  const ThreadEndWord& word;
  const int before;
};

// Where the word lies in glibc's record of a thread; 0: it is not known.
uint32_t FindOffset() {
  const sync_internal::NoCancellation whole;  // the trial reads what lies on this stack
  const auto* const field =
      static_cast<const FieldForDebuggers*>(dlvsym(RTLD_DEFAULT, "_thread_db_pthread_cancelhandling", "GLIBC_PRIVATE"));
  if (field == nullptr || field->bits != 32 || field->count != 1 || field->offset > kMostBytes || field->offset % 4 != 0) {
    return 0;
  }
  Trial trial{.offset = field->offset};
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);  // inherited: the program's handlers run on the program's threads
  pthread_t thread;
  const bool started = pthread_create(&thread, nullptr, &Seen::Run, &trial) == 0;
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (!started || pthread_join(thread, nullptr) != 0) return 0;
  return trial.seen ? trial.offset : 0;
}

}  // namespace

const ThreadEndWord* ThreadEndWordOrNull() {
  // No static local: a child forked while a thread makes one would wait for that thread. Who comes meanwhile tries for himself.
  static constinit std::atomic<uint32_t> found{kNotTried};
  uint32_t offset = found.load(std::memory_order_relaxed);  // relaxed, both: a number, the same whoever finds it
  if (offset == kNotTried) {
    offset = FindOffset();
    found.store(offset, std::memory_order_relaxed);
  }
  return offset == 0 ? nullptr : WordAt(offset);
}

}  // namespace shoal::shm_internal
