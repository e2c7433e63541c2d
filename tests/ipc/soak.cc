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
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "shoal/ipc/joinable_queue.h"
#include "shoal/ipc/queue.h"
#include "shoal/ipc/simple_queue.h"
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

template <class Q>
Q FoundQueue(const Segment& segment) {
  auto queue = Q::Find(segment, "soak");
  SHOAL_CHECK(queue.ok(), "the queue can be found");
  return *std::move(queue);
}

template <class Q>
void Produce(const Segment& segment, Ledger& ledger, int who) {
  Q queue = FoundQueue<Q>(segment);
  Ledger::Producer& mine = ledger.producers[static_cast<size_t>(who)];
  while (ledger.stop == 0) {
    const uint64_t number = ++mine.tried;
    if (number >= kMostNumbers) return;
    const absl::Status status = queue.Put({.producer = who, .number = number, .body = BodyOf(who, number)});
    SHOAL_CHECK(status.ok(), "a queue takes messages");
    mine.certain[number] = 1;
  }
}

// Null: it is torn.
Ledger::Producer* ProducerOf(Ledger& ledger, const SoakMessage& got) {
  if (got.producer >= 0 && got.producer < kEach && got.number < kMostNumbers &&
      got.body == BodyOf(got.producer, got.number)) {
    return &ledger.producers[static_cast<size_t>(got.producer)];
  }
  ++ledger.torn;
  return nullptr;
}

void CheckEnd(const absl::Status& status) {
  SHOAL_CHECK(absl::IsCancelled(status), "a queue gives messages until it is closed");
}

// False: the end.
template <class Q>
bool ConsumeOne(Q& queue, Ledger& ledger) {
  auto message = queue.Receive();
  if (!message.ok()) {
    CheckEnd(message.status());
    return false;
  }
  const SoakMessage& got = **message;
  Ledger::Producer* const of = ProducerOf(ledger, got);
  if (of == nullptr) return true;
  if (of->done[got.number] != 0) ++ledger.after_done;
  if (of->delivered[got.number].exchange(1) != 0 && !message->redelivered()) ++ledger.unmarked;
  ++ledger.delivered;
  if (message->redelivered()) ++ledger.redelivered;
  SHOAL_CHECK(message->Done().ok(), "a message can be done");
  of->done[got.number] = 1;
  return true;
}
bool ConsumeOne(SimpleQueue<SoakMessage>& queue, Ledger& ledger) {
  const auto got = queue.Get();
  if (!got.ok()) {
    CheckEnd(got.status());
    return false;
  }
  Ledger::Producer* const of = ProducerOf(ledger, *got);
  if (of != nullptr && of->delivered[got->number].exchange(1) != 0) ++ledger.unmarked;
  ++ledger.delivered;
  return true;
}

template <class Q>
void Consume(const Segment& segment, Ledger& ledger) {
  Q queue = FoundQueue<Q>(segment);
  while (ConsumeOne(queue, ledger)) {
  }
}

void Pause(int64_t microseconds) {
  const struct timespec pause = {.tv_sec = 0, .tv_nsec = microseconds * 1000};
  nanosleep(&pause, nullptr);
}

// Children, and what is done to them.
template <class Q>
class Run {
 public:
  Run(const SoakPlan& plan, uint64_t seed, Ledger& ledger)
      : plan_(plan), random_(seed), ledger_(ledger), segment_(Segment::Create({.limit_bytes = size_t{64} << 20}).value()) {
    auto made = Q::Create({.segment = &segment_,
                           .capacity = kCapacity,
                           .acknowledge = plan.kind != SoakKind::kSimple,
                           .inline_bytes = size_t{plan.kills ? 0u : 1024u}});
    SHOAL_CHECK(made.ok() && made->PublishAs("soak").ok(), "a queue can be made");
    queue_ = *std::move(made);
    for (int who = 0; who < 2 * kEach; ++who) Start(who);
  }

  SoakReport Soak(absl::Duration length) {
    const int64_t end = Deadline::Now() + absl::ToInt64Nanoseconds(length);
    while (Deadline::Now() < end && !report_.wedged) {
      if (plan_.kills) Pause(static_cast<int64_t>(random_() % 8000));
      if (!plan_.kills || random_() % 4 == 0) {
        StopSome();
      } else {
        Kill(static_cast<int>(random_() % (2 * kEach)));
      }
      if (!Moves(kPatience)) report_.wedged = true;
    }
    End();
    return report_;
  }

 private:
  static constexpr size_t kCapacity = 64;
  static constexpr int64_t kPatience = 20'000'000'000;
  // With kills: those who wait for a lock that a stopped one has may wait.
  static constexpr int64_t kPatienceWithStopped = 1'000'000'000;

  void Start(int who) {
    const pid_t pid = fork();
    SHOAL_CHECK(pid >= 0, "a test needs to fork");
    if (pid == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      if (who < kEach) {
        Produce<Q>(segment_, ledger_, who);
      } else {
        Consume<Q>(segment_, ledger_);
      }
      _exit(0);
    }
    Child(who) = pid;
  }
  pid_t& Child(int who) { return children_[static_cast<size_t>(who)]; }

  void Kill(int who) {
    kill(Child(who), SIGKILL);
    waitpid(Child(who), nullptr, 0);
    ++report_.kills;
    if (plan_.kind == SoakKind::kSimple && who >= kEach) ++report_.may_be_lost;
    Start(who);
  }

  // Some at once, wherever they are; one producer and one consumer go on, and so must the queue: what they put and take goes around
  // several times before the others are continued, or some of them killed.
  void StopSome() {
    const auto spared_producer = static_cast<int>(random_() % kEach);
    const auto spared_consumer = static_cast<int>(kEach + random_() % kEach);
    std::vector<int> stopped;
    for (int who = 0; who < 2 * kEach; ++who) {
      if (who == spared_producer || who == spared_consumer || random_() % 2 == 0) continue;
      kill(Child(who), SIGSTOP);
      int status = 0;
      SHOAL_CHECK(waitpid(Child(who), &status, WUNTRACED) == Child(who) && WIFSTOPPED(status), "a child is stopped");
      stopped.push_back(who);
      ++report_.stops;
    }
    const int64_t until = ledger_.delivered + int64_t{4 * kCapacity};
    last_moved_ = Deadline::Now();
    const int64_t patience = plan_.kills ? kPatienceWithStopped : kPatience;
    bool moves = true;
    while (ledger_.delivered < until && (moves = Moves(patience))) Pause(100);
    if (!moves) {
      ++report_.waits;
      report_.wedged = !plan_.kills;
    }
    for (const int who : stopped) {
      if (plan_.kills && random_() % 4 == 0) {
        Kill(who);
      } else {
        kill(Child(who), SIGCONT);
      }
    }
    last_moved_ = Deadline::Now();
  }

  bool Moves(int64_t patience) {
    if (ledger_.delivered != last_count_) {
      last_count_ = ledger_.delivered;
      last_moved_ = Deadline::Now();
    }
    return Deadline::Now() - last_moved_ < patience;
  }

  // The producers end, then the queue, then the consumers.
  void End() {
    ledger_.stop = 1;
    Await(0);
    if constexpr (requires { queue_.Join(); }) {
      if (!report_.wedged) report_.wedged = !queue_.Join(absl::Nanoseconds(kPatience)).ok();
    }
    queue_.Close();
    Await(kEach);
    if (report_.wedged) {
      for (const pid_t child : children_) kill(child, SIGKILL);
    }
  }
  void Await(int first) {
    last_moved_ = Deadline::Now();
    for (int who = first; who < first + kEach; ++who) {
      while (!report_.wedged && waitpid(Child(who), nullptr, WNOHANG) == 0) {
        Pause(1000);
        if (!Moves(kPatience)) report_.wedged = true;
      }
    }
  }

  const SoakPlan plan_;
  std::mt19937_64 random_;
  Ledger& ledger_;
  Segment segment_;
  Q queue_;
  std::array<pid_t, 2 * kEach> children_ = {};
  SoakReport report_;
  int64_t last_count_ = 0;
  int64_t last_moved_ = Deadline::Now();
};

}  // namespace

std::string SoakReport::InWords() const {
  return absl::StrCat(kills, " kills, ", stops, " stops, ", put, " messages put, ", delivered, " delivered (", redelivered,
                      " of them again, and marked), ", lost, " lost (", may_be_lost, " may be), ", unmarked,
                      " repeated without a mark, ", after_done, " repeated after Done, ", torn, " torn, ", waits,
                      " waits for who was stopped", wedged ? ", WEDGED" : "");
}

SoakReport Soak(const SoakPlan& plan, absl::Duration length, uint64_t seed) {
  void* const memory = mmap(nullptr, sizeof(Ledger), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  SHOAL_CHECK(memory != MAP_FAILED, "a ledger needs memory");
  Ledger& ledger = *static_cast<Ledger*>(memory);  // all zero
  SoakReport report;
  switch (plan.kind) {
    case SoakKind::kQueue:
      report = Run<Queue<SoakMessage>>(plan, seed, ledger).Soak(length);
      break;
    case SoakKind::kJoinable:
      report = Run<JoinableQueue<SoakMessage>>(plan, seed, ledger).Soak(length);
      break;
    case SoakKind::kSimple:
      report = Run<SimpleQueue<SoakMessage>>(plan, seed, ledger).Soak(length);
      break;
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
