#ifndef SHOAL_SYNC_CHECK_H_
#define SHOAL_SYNC_CHECK_H_

#include <pthread.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

// SHOAL_CHECK(condition, "sentence") ends this process when one of its own invariants is broken. Never for bytes that
// another process can write: those are a Status. (Debian's Abseil has no absl/log yet.) Async-signal-safe, no allocation.
#define SHOAL_CHECK(condition, sentence) \
  (__builtin_expect(static_cast<bool>(condition), 1) ? (void)0 : ::shoal::sync_internal::CheckFailed(#condition, sentence))

namespace shoal::sync_internal {

[[noreturn]] __attribute__((noinline, cold)) inline void CheckFailed(const char* condition, const char* sentence) {
  const auto say = [](const char* text) {
    [[maybe_unused]] const ssize_t ignored = write(STDERR_FILENO, text, std::strlen(text));
  };
  pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, nullptr);  // write can be where a cancelled thread ends
  say("shoal: broken invariant: ");
  say(sentence);
  say(" (");
  say(condition);
  say(")\n");
  std::abort();
}

}  // namespace shoal::sync_internal

#endif  // SHOAL_SYNC_CHECK_H_
