#ifndef SHOAL_TESTS_SHM_SCRIBBLE_H_
#define SHOAL_TESTS_SHM_SCRIBBLE_H_

#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <random>
#include <vector>

#include "gtest/gtest.h"
#include "shoal/shm/attachment.h"
#include "shoal/shm/layout.h"
#include "shoal/sync/deadline.h"
#include "shoal/sync/robust_list.h"

// For tests that flip bits at random in a live segment: each round runs in a process of its own, as what it does to the segment is not
// to be survived but to be answered; a watchdog (the test's size) notices one that never ends. The environment says how long:
//
//   SHOAL_SCRIBBLE_SECONDS=600   instead of a few
//   SHOAL_SCRIBBLE_SEED=...      with SHOAL_SCRIBBLE_SECONDS=0.001: that round only

namespace shoal::tests {

inline constexpr size_t kGuardBytes = size_t{64} << 20;

inline std::byte* Inaccessible(size_t bytes) {
  return static_cast<std::byte*>(mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
}

// A hole in inaccessible memory, where the kernel will put the next mapping of so many bytes: all others are filled. So an access a
// little outside of it is a crash.
inline std::byte* MakeHole(size_t bytes) {
  std::byte* const hole = Inaccessible(kGuardBytes + bytes + kGuardBytes) + kGuardBytes;
  munmap(hole, bytes);
  for (int i = 0; i < 1000; ++i) {
    std::byte* const filled = Inaccessible(bytes);
    if (filled != hole) continue;
    munmap(filled, bytes);
    break;
  }
  return hole;
}

// Where a segment's locks are. They are spared: what waits for one waits for whoever the word names, and the kernel follows the links of
// those that are held.
class LockWords final {
 public:
  explicit LockWords(shm_internal::Attachment& attachment) : attachment_(attachment) {
    shm_internal::SegmentHeader& header = attachment.header();
    Add(header.joining);
    Add(header.heap.lock);
    Add(header.ledger.lock);
    Add(header.ledger.disposing);
    Add(header.ledger.interning);
    for (const shm_internal::ParticipantSlot& slot : attachment.participants()) Add(slot.life);
    for (const shm_internal::ThreadSlot& slot : attachment.threads()) {
      Add(slot.life);
      Add(slot.replay);
    }
  }
  void Add(const sync_internal::RobustWord& lock) { offsets_.push_back(attachment_.OffsetOf(&lock)); }

  bool Has(size_t offset) const {
    for (const size_t lock : offsets_) {
      if (offset - lock < sizeof(sync_internal::RobustWord)) return true;
    }
    return false;
  }

 private:
  const shm_internal::Attachment& attachment_;
  std::vector<size_t> offsets_;
};

// Runs `round(seed)`, which returns whether there were guards on both sides, over and over.
template <class Round>
void RunRounds(Round round) {
  const char* const given = getenv("SHOAL_SCRIBBLE_SEED");
  const uint64_t seed = given != nullptr ? strtoull(given, nullptr, 10) : std::random_device()();
  const char* const seconds = getenv("SHOAL_SCRIBBLE_SECONDS");
  const int64_t end = sync_internal::Deadline::Now() + static_cast<int64_t>((seconds != nullptr ? atof(seconds) : 4) * 1e9);
  constexpr int kUnguarded = 3;
  int unguarded = 0;
  int rounds = 0;
  for (; sync_internal::Deadline::Now() < end; ++rounds) {
    const uint64_t own_seed = seed + static_cast<uint64_t>(rounds);
    const pid_t pid = fork();
    ASSERT_GE(pid, 0);
    if (pid == 0) {
      alarm(60);  // a watchdog: a round takes a millisecond
      _exit(round(own_seed) ? 0 : kUnguarded);
    }
    int status = 0;
    ASSERT_EQ(waitpid(pid, &status, 0), pid);
    unguarded += WIFEXITED(status) && WEXITSTATUS(status) == kUnguarded;
    ASSERT_TRUE(WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == kUnguarded))
        << "status " << status << "; repeat it by SHOAL_SCRIBBLE_SEED=" << own_seed << " SHOAL_SCRIBBLE_SECONDS=0.001";
    if (given != nullptr && seconds != nullptr && atof(seconds) < 0.01) break;
  }
  printf("SHOAL_SCRIBBLE_SEED=%lu, %d rounds, %d without guards\n", seed, rounds, unguarded);
  EXPECT_LT(unguarded, rounds / 2 + 1);
}

}  // namespace shoal::tests

#endif  // SHOAL_TESTS_SHM_SCRIBBLE_H_
