// bench/ipc/queue_rows.cc: how queues are measured.
//
// Producers and consumers are processes of their own, each with a processor where there are as many. They wait at a gate; the time
// runs from the gate's opening until the last has done its share. Every contestant is made anew for each round, with room for 1,024
// messages where the kernel allows it. A round trip is timed by who sends, over two queues.

#include "shoal/bench/ipc/queue_rows.h"

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "shoal/bench/compare/queue_contestants.h"
#include "shoal/ipc/queue.h"
#include "shoal/shm/segment.h"
#include "shoal/sync/check.h"
#include "shoal/sync/deadline.h"
#include "shoal/sync/status.h"

namespace shoal::bench {
namespace {

using sync_internal::Deadline;

template <size_t bytes>
struct Message {
  std::array<unsigned char, bytes> content = {};
};

// Ours. The handle is found in each process, as children have none.
template <size_t bytes>
class OurQueue final {
 public:
  explicit OurQueue(size_t) {
    constexpr size_t kLimit = (size_t{8} << 20) + 64 * bytes;
    segment_.emplace(Segment::Create({.limit_bytes = std::max<size_t>(kLimit, kQueueCapacity * (bytes + 64) * 2)}).value());
    auto made = Queue<Message<bytes>>::Create({.segment = &*segment_, .capacity = kQueueCapacity});
    SHOAL_CHECK(made.ok() && made->PublishAs("queue").ok(), "a benchmark needs a queue");
  }
  void Open() { queue_ = Queue<Message<bytes>>::Find(*segment_, "queue").value(); }
  void Put(const void* message) {
    SHOAL_CHECK(queue_.Put(*static_cast<const Message<bytes>*>(message)).ok(), "a queue takes messages");
  }
  void Get(void* message) {
    auto got = queue_.Get();
    SHOAL_CHECK(got.ok(), "a queue gives them");
    std::memcpy(message, &*got, bytes);
  }

 private:
  std::optional<Segment> segment_;
  Queue<Message<bytes>> queue_;
};

// The same, written and read in place.
template <size_t bytes>
class OurQueueInPlace final {
 public:
  explicit OurQueueInPlace(size_t) {
    segment_.emplace(Segment::Create({.limit_bytes = size_t{512} << 20}).value());
    auto made = Queue<Message<bytes>>::Create({.segment = &*segment_, .capacity = kQueueCapacity});
    SHOAL_CHECK(made.ok() && made->PublishAs("queue").ok(), "a benchmark needs a queue");
  }
  void Open() { queue_ = Queue<Message<bytes>>::Find(*segment_, "queue").value(); }
  void Put(const void* message) {
    auto loan = queue_.Loan();
    SHOAL_CHECK(loan.ok(), "a queue lends cells");
    std::memcpy(&**loan, message, bytes);
    SHOAL_CHECK(loan->Publish().ok(), "a queue takes messages");
  }
  void Get(void* message) {
    auto got = queue_.Receive();
    SHOAL_CHECK(got.ok(), "a queue gives them");
    std::memcpy(message, &**got, bytes);
  }

 private:
  std::optional<Segment> segment_;
  Queue<Message<bytes>> queue_;
};

void RunOn(int processor) {
  cpu_set_t allowed;
  SHOAL_CHECK(sched_getaffinity(0, sizeof(allowed), &allowed) == 0, "a process has processors");
  const int wanted = processor % CPU_COUNT(&allowed);
  int found = -1;
  for (int i = 0, left = wanted; i < CPU_SETSIZE && left >= 0; ++i) {
    if (CPU_ISSET(i, &allowed)) {
      found = i;
      --left;
    }
  }
  CPU_ZERO(&allowed);
  CPU_SET(found, &allowed);
  SHOAL_CHECK(sched_setaffinity(0, sizeof(allowed), &allowed) == 0, "a process chooses among its processors");
}

struct Gate {
  std::atomic<int> ready;
  std::atomic<int> open;
  std::atomic<int> done;
  std::atomic<int64_t> begun;
  std::atomic<int64_t> ended;
};

Gate& MadeGate() {
  void* const memory = mmap(nullptr, sizeof(Gate), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  SHOAL_CHECK(memory != MAP_FAILED, "a benchmark needs memory");
  return *new (memory) Gate{};
}

template <class Body>
pid_t Started(Gate& gate, int processor, int parties, Body body) {
  const pid_t pid = fork();
  SHOAL_CHECK(pid >= 0, "a benchmark needs to fork");
  if (pid != 0) return pid;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  RunOn(processor);
  body.first();
  if (++gate.ready == parties) {
    gate.begun = Deadline::Now();
    gate.open = 1;
  }
  while (gate.open == 0) sched_yield();
  body.second();
  if (++gate.done == parties) gate.ended = Deadline::Now();
  _exit(0);
}

void AwaitAll(const std::vector<pid_t>& children) {
  for (const pid_t child : children) {
    int status = 0;
    SHOAL_CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0,
                "a benchmark's processes end well");
  }
}

// Seconds per message of `messages`, put by `pairs` producers and taken by as many consumers.
template <class Contestant>
Round Throughput(size_t message_bytes, int pairs, size_t messages) {
  return [=]() -> absl::StatusOr<double> {
    Contestant queue(message_bytes);
    Gate& gate = MadeGate();
    const size_t each = messages / static_cast<size_t>(pairs) + 1;
    std::vector<pid_t> children;
    const auto open = [&] { queue.Open(); };
    for (int i = 0; i < pairs; ++i) {
      // A producer and a consumer never share a processor where there are two.
      children.push_back(Started(gate, 2 * i, 2 * pairs, std::pair(open, [&] {
                                   std::vector<unsigned char> message(message_bytes, 1);
                                   for (size_t k = 0; k < each; ++k) {
                                     std::memcpy(message.data(), &k, std::min(sizeof(k), message_bytes));
                                     queue.Put(message.data());
                                   }
                                 })));
      children.push_back(Started(gate, 2 * i + 1, 2 * pairs, std::pair(open, [&] {
                                   std::vector<unsigned char> message(message_bytes);
                                   for (size_t k = 0; k < each; ++k) queue.Get(message.data());
                                 })));
    }
    AwaitAll(children);
    const double seconds = static_cast<double>(gate.ended - gate.begun) * 1e-9;
    munmap(&gate, sizeof(gate));
    return seconds / static_cast<double>(each * static_cast<size_t>(pairs));
  };
}

// Seconds of the round trip that is longer than `percent` of all.
template <class Contestant>
Round RoundTrip(size_t message_bytes, size_t trips, double percent) {
  return [=]() -> absl::StatusOr<double> {
    Contestant there(message_bytes);
    Contestant back(message_bytes);
    Gate& gate = MadeGate();
    int result[2];
    SHOAL_CHECK(pipe(result) == 0, "a benchmark needs a pipe");
    const auto open = [&] {
      there.Open();
      back.Open();
    };
    std::vector<pid_t> children;
    children.push_back(Started(gate, 0, 2, std::pair(open, [&] {
                                 std::vector<unsigned char> message(message_bytes);
                                 std::vector<double> times(trips);
                                 for (double& time : times) {
                                   time = SecondsPerItem(1, [&] {
                                     there.Put(message.data());
                                     back.Get(message.data());
                                   });
                                 }
                                 std::sort(times.begin(), times.end());
                                 const double answer = times[static_cast<size_t>(percent * 0.01 * static_cast<double>(trips - 1))];
                                 SHOAL_CHECK(write(result[1], &answer, sizeof(answer)) == sizeof(answer), "a pipe takes a number");
                               })));
    children.push_back(Started(gate, 1, 2, std::pair(open, [&] {
                                 std::vector<unsigned char> message(message_bytes);
                                 for (size_t k = 0; k < trips; ++k) {
                                   there.Get(message.data());
                                   back.Put(message.data());
                                 }
                               })));
    AwaitAll(children);
    double answer = 0;
    SHOAL_CHECK(read(result[0], &answer, sizeof(answer)) == sizeof(answer), "and gives it back");
    close(result[0]);
    close(result[1]);
    munmap(&gate, sizeof(gate));
    return answer;
  };
}

template <size_t bytes>
void AddThroughput(std::vector<Work>& works, const Settings& settings, const char* size, int pairs, size_t messages,
                   std::optional<double> boost, std::optional<double> vyukov) {
  messages = settings.Items(messages);
  Work work = {.name = absl::StrCat("queue, ", pairs, " -> ", pairs, ", ", size),
               .ours = Throughput<OurQueue<bytes>>(bytes, pairs, messages)};
  work.peers.push_back({"Vyukov ring", vyukov, Throughput<VyukovRing>(bytes, pairs, messages)});
  work.peers.push_back({"Boost message_queue", boost, Throughput<BoostQueue>(bytes, pairs, messages)});
  // Slow enough to be measured with fewer.
  if (bytes <= 8192) work.peers.push_back({"POSIX mq", {}, Throughput<PosixQueue>(bytes, pairs, messages / 10 + 1)});
  if (bytes <= 4096 || pairs == 1) work.peers.push_back({"pipe", {}, Throughput<PipeQueue>(bytes, pairs, messages)});
  works.push_back(std::move(work));
}

}  // namespace

absl::StatusOr<std::vector<Row>> QueueRows(const Settings& settings) {
  std::vector<Work> works;
  AddThroughput<64>(works, settings, "64 B", 1, 1'000'000, 3.0, 0.6);
  AddThroughput<64>(works, settings, "64 B", 2, 1'000'000, 2.0, 0.5);
  AddThroughput<8>(works, settings, "8 B", 1, 1'000'000, {}, {});
  AddThroughput<1024>(works, settings, "1 KiB", 1, 300'000, {}, {});
  AddThroughput<65536>(works, settings, "64 KiB", 1, 10'000, {}, {});
  works.push_back({.name = "queue in place, 1 -> 1, 64 B",
                   .ours = Throughput<OurQueueInPlace<64>>(64, 1, settings.Items(1'000'000)),
                   .peers = {{"Queue, copied", {}, Throughput<OurQueue<64>>(64, 1, settings.Items(1'000'000))}}});
  for (const double percent : {50.0, 99.0, 99.9}) {
    const size_t trips = settings.Items(20'000);
    works.push_back({.name = absl::StrCat("queue, round trip, 64 B, p", percent),
                     .quantity = Quantity::kTime,
                     .ours = RoundTrip<OurQueue<64>>(64, trips, percent),
                     .peers = {{"Vyukov ring", {}, RoundTrip<VyukovRing>(64, trips, percent)},
                               {"Boost message_queue", {}, RoundTrip<BoostQueue>(64, trips, percent)},
                               {"pipe", {}, RoundTrip<PipeQueue>(64, trips, percent)}}});
  }
  std::vector<Row> rows;
  for (const Work& work : works) {
    SHOAL_ASSIGN_OR_RETURN(const std::vector<Row> measured, Measure(work, settings));
    rows.insert(rows.end(), measured.begin(), measured.end());
  }
  return rows;
}

}  // namespace shoal::bench
