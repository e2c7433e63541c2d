#include "shoal/tests/ipc/soak.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <new>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "shoal/ipc/queue.h"
#include "shoal/shm/segment.h"
#include "shoal/sync/check.h"
#include "shoal/sync/deadline.h"

namespace shoal::tests {

// Of different sizes, so that some lie in a cell and some in blocks.
struct SoakMessage {
  int32_t producer = 0;
  uint64_t number = 0;
  std::string body;
};

namespace {

using sync_internal::Deadline;

constexpr int kEach = 4;
constexpr uint64_t kMostNumbers = uint64_t{24} << 20;

struct Ledger {
  struct Producer {
    std::atomic<uint64_t> tried;     // the last that Put was called with

    std::array<std::atomic<uint8_t>, kMostNumbers> certain;  // Put has returned
    std::array<std::atomic<uint8_t>, kMostNumbers> delivered;
    std::array<std::atomic<uint8_t>, kMostNumbers> done;
  };
  std::array<Producer, kEach> producers;
  std::atomic<int64_t> delivered;
  std::atomic<int64_t> redelivered;
  std::atomic<int64_t> unmarked;
  std::atomic<int64_t> after_done;
  std::atomic<int64_t> torn;
  std::atomic<int> stop;
};

std::string BodyOf(int producer, uint64_t number) {
  return std::string(number * 37 % 701, static_cast<char>('a' + (number + static_cast<uint64_t>(producer)) % 26));
}

Queue<SoakMessage> FoundQueue(const Segment& segment) {
  auto queue = Queue<SoakMessage>::Find(segment, "soak");
  SHOAL_CHECK(queue.ok(), "the queue can be found");
  return *std::move(queue);
}

void Produce(const Segment& segment, Ledger& ledger, int who) {
  Queue<SoakMessage> queue = FoundQueue(segment);
  Ledger::Producer& mine = ledger.producers[static_cast<size_t>(who)];
  while (ledger.stop == 0) {
    const uint64_t number = ++mine.tried;
    if (number >= kMostNumbers) return;
    const absl::Status status = queue.Put({.producer = who, .number = number, .body = BodyOf(who, number)});
    SHOAL_CHECK(status.ok(), "a queue takes messages");
    mine.certain[number] = 1;
  }
}

// False: the end.
bool ConsumeOne(Queue<SoakMessage>& queue, Ledger& ledger) {
  auto message = queue.Receive();
  if (!message.ok()) {
    SHOAL_CHECK(absl::IsCancelled(message.status()), "a queue gives messages until it is closed");
    return false;
  }
  const SoakMessage& got = **message;
  if (got.producer < 0 || got.producer >= kEach || got.number >= kMostNumbers ||
      got.body != BodyOf(got.producer, got.number)) {
    ++ledger.torn;
    return true;
  }
  Ledger::Producer& of = ledger.producers[static_cast<size_t>(got.producer)];
  if (of.done[got.number] != 0) ++ledger.after_done;
  if (of.delivered[got.number].exchange(1) != 0 && !message->redelivered()) ++ledger.unmarked;
  ++ledger.delivered;
  if (message->redelivered()) ++ledger.redelivered;
  SHOAL_CHECK(message->Done().ok(), "a message can be done");
  of.done[got.number] = 1;
  return true;
}

void Consume(const Segment& segment, Ledger& ledger) {
  Queue<SoakMessage> queue = FoundQueue(segment);
  while (ConsumeOne(queue, ledger)) {
  }
}

void Pause(int64_t microseconds) {
  const struct timespec pause = {.tv_sec = 0, .tv_nsec = microseconds * 1000};
  nanosleep(&pause, nullptr);
}

}  // namespace

std::string SoakReport::InWords() const {
  return absl::StrCat(kills, " kills, ", put, " messages put, ", delivered, " delivered (", redelivered, " of them again, and marked), ",
                      lost, " lost, ", unmarked, " repeated without a mark, ", after_done, " repeated after Done, ", torn, " torn",
                      wedged ? ", WEDGED" : "");
}

SoakReport Soak(absl::Duration length, uint64_t seed) {
  void* const memory = mmap(nullptr, sizeof(Ledger), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  SHOAL_CHECK(memory != MAP_FAILED, "a ledger needs memory");
  Ledger& ledger = *static_cast<Ledger*>(memory);  // all zero
  auto segment = Segment::Create({.limit_bytes = size_t{64} << 20});
  SHOAL_CHECK(segment.ok(), "a test needs a segment");
  auto queue = Queue<SoakMessage>::Create({.segment = &*segment, .capacity = 64, .acknowledge = true});
  SHOAL_CHECK(queue.ok() && queue->PublishAs("soak").ok(), "a queue can be made");

  std::array<pid_t, 2 * kEach> children = {};
  const auto start = [&](int who) {
    const pid_t pid = fork();
    SHOAL_CHECK(pid >= 0, "a test needs to fork");
    if (pid == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      if (who < kEach) {
        Produce(*segment, ledger, who);
      } else {
        Consume(*segment, ledger);
      }
      _exit(0);
    }
    children[static_cast<size_t>(who)] = pid;
  };
  for (int who = 0; who < 2 * kEach; ++who) start(who);

  SoakReport report;
  std::mt19937_64 random(seed);
  const int64_t end = Deadline::Now() + absl::ToInt64Nanoseconds(length);
  int64_t last_count = 0;
  int64_t last_moved = Deadline::Now();
  const auto moves = [&] {
    constexpr int64_t kPatience = 20'000'000'000;
    if (ledger.delivered != last_count) {
      last_count = ledger.delivered;
      last_moved = Deadline::Now();
    }
    return Deadline::Now() - last_moved < kPatience;
  };
  while (Deadline::Now() < end && !report.wedged) {
    Pause(static_cast<int64_t>(random() % 8000));
    const int who = static_cast<int>(random() % (2 * kEach));
    const pid_t child = children[static_cast<size_t>(who)];
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    ++report.kills;
    start(who);
    if (!moves()) report.wedged = true;
  }
  // The producers end, then the queue, then the consumers.
  ledger.stop = 1;
  const auto await = [&](int first) {
    for (int who = first; who < first + kEach; ++who) {
      const pid_t child = children[static_cast<size_t>(who)];
      while (!report.wedged && waitpid(child, nullptr, WNOHANG) == 0) {
        Pause(1000);
        if (!moves()) report.wedged = true;
      }
    }
  };
  last_moved = Deadline::Now();
  await(0);
  queue->Close();
  last_moved = Deadline::Now();
  await(kEach);
  if (report.wedged) {
    for (const pid_t child : children) kill(child, SIGKILL);
  }
  for (const Ledger::Producer& producer : ledger.producers) {
    const uint64_t tried = std::min(producer.tried.load(), kMostNumbers - 1);
    for (uint64_t number = 1; number <= tried; ++number) {
      if (producer.certain[number] == 0) continue;
      ++report.put;
      if (producer.delivered[number] == 0) ++report.lost;
    }
  }
  report.delivered = ledger.delivered;
  report.redelivered = ledger.redelivered;
  report.unmarked = ledger.unmarked;
  report.after_done = ledger.after_done;
  report.torn = ledger.torn;
  munmap(memory, sizeof(Ledger));
  return report;
}

}  // namespace shoal::tests
