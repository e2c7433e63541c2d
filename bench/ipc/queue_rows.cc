// bench/ipc/queue_rows.cc: how queues are measured.
//
// Producers and consumers are processes of their own, each with a processor where there are as many. They wait at a gate; the time
// runs from the gate's opening until the last has done its share. Every contestant is made anew for each round, with room for 1,024
// messages, or 64 of more than 4 KiB, where the kernel allows it. A round trip is timed by who sends, over two queues.

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
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "shoal/bench/compare/cpython.h"
#include "shoal/bench/compare/queue_contestants.h"
#include "shoal/bench/compare/zeromq_contestants.h"
#include "shoal/bench/ipc/percentiles.h"
#include "shoal/bench/runfile.h"
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
    constexpr size_t kCapacity = QueueCapacity(bytes);
    segment_.emplace(Segment::Create({.limit_bytes = (size_t{8} << 20) + kCapacity * (bytes + 64) * 2}).value());
    auto made = Queue<Message<bytes>>::Create({.segment = &*segment_, .capacity = kCapacity});
    SHOAL_CHECK(made.ok() && made->PublishAs("queue").ok(), "a benchmark needs a queue");
  }
  void Open(QueueUse) { queue_ = Queue<Message<bytes>>::Find(*segment_, "queue").value(); }
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
    auto made = Queue<Message<bytes>>::Create({.segment = &*segment_, .capacity = QueueCapacity(bytes)});
    SHOAL_CHECK(made.ok() && made->PublishAs("queue").ok(), "a benchmark needs a queue");
  }
  void Open(QueueUse) { queue_ = Queue<Message<bytes>>::Find(*segment_, "queue").value(); }
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

template <class Contestant>
void CloseAfterLast(Contestant& queue) {
  if constexpr (requires { queue.Close(); }) queue.Close();
}

// Seconds per message of `messages`, put by `pairs` producers and taken by as many consumers.
template <class Contestant>
Round Throughput(size_t message_bytes, int pairs, size_t messages) {
  return [=]() -> absl::StatusOr<double> {
    Contestant queue(message_bytes);
    Gate& gate = MadeGate();
    const size_t each = messages / static_cast<size_t>(pairs) + 1;
    std::vector<pid_t> children;
    for (int i = 0; i < pairs; ++i) {
      // A producer and a consumer never share a processor where there are two.
      children.push_back(Started(gate, 2 * i, 2 * pairs,
                                 std::pair([&] { queue.Open(QueueUse::kPut); },
                                           [&] {
                                             std::vector<unsigned char> message(message_bytes, 1);
                                             for (size_t k = 0; k < each; ++k) {
                                               std::memcpy(message.data(), &k, std::min(sizeof(k), message_bytes));
                                               queue.Put(message.data());
                                             }
                                             CloseAfterLast(queue);
                                           })));
      children.push_back(Started(gate, 2 * i + 1, 2 * pairs,
                                 std::pair([&] { queue.Open(QueueUse::kGet); },
                                           [&] {
                                             std::vector<unsigned char> message(message_bytes);
                                             for (size_t k = 0; k < each; ++k) queue.Get(message.data());
                                             CloseAfterLast(queue);
                                           })));
    }
    AwaitAll(children);
    const double seconds = static_cast<double>(gate.ended - gate.begun) * 1e-9;
    munmap(&gate, sizeof(gate));
    return seconds / static_cast<double>(each * static_cast<size_t>(pairs));
  };
}

template <class Contestant>
std::function<absl::StatusOr<Percentiles>()> RoundTrips(size_t message_bytes, size_t trips) {
  return [=]() -> absl::StatusOr<Percentiles> {
    Contestant there(message_bytes);
    Contestant back(message_bytes);
    Gate& gate = MadeGate();
    int result[2];
    SHOAL_CHECK(pipe(result) == 0, "a benchmark needs a pipe");
    const auto open_to_ask = [&] {
      there.Open(QueueUse::kPut);
      back.Open(QueueUse::kGet);
    };
    const auto open_to_answer = [&] {
      there.Open(QueueUse::kGet);
      back.Open(QueueUse::kPut);
    };
    std::vector<pid_t> children;
    children.push_back(Started(gate, 0, 2, std::pair(open_to_ask, [&] {
                                 std::vector<unsigned char> message(message_bytes);
                                 std::vector<double> times(trips);
                                 for (double& time : times) {
                                   time = SecondsPerItem(1, [&] {
                                     there.Put(message.data());
                                     back.Get(message.data());
                                   });
                                 }
                                 CloseAfterLast(back);
                                 const Percentiles answer = PercentilesOf(times);
                                 SHOAL_CHECK(write(result[1], &answer, sizeof(answer)) == sizeof(answer),
                                             "a pipe takes a number");
                               })));
    children.push_back(Started(gate, 1, 2, std::pair(open_to_answer, [&] {
                                 std::vector<unsigned char> message(message_bytes);
                                 for (size_t k = 0; k < trips; ++k) {
                                   there.Get(message.data());
                                   back.Put(message.data());
                                 }
                                 CloseAfterLast(back);
                               })));
    AwaitAll(children);
    Percentiles answer = {};
    SHOAL_CHECK(read(result[0], &answer, sizeof(answer)) == sizeof(answer), "and gives it back");
    close(result[0]);
    close(result[1]);
    munmap(&gate, sizeof(gate));
    return answer;
  };
}

Peer PythonQueue(CPython& python, size_t bytes, int pairs, size_t messages) {
  return {absl::StrCat("CPython ", python.version(), " Queue"), {}, [&python, bytes, pairs, messages] {
            return python.Measure(absl::StrCat("queue_stream ", bytes, " ", pairs), messages);
          }};
}

// `slow`: how many messages those get that need a system call for each, and several microseconds.
template <size_t bytes>
void AddThroughput(std::vector<Work>& works, const Settings& settings, CPython& python, int pairs, size_t messages,
                   size_t slow, std::optional<double> boost = {}, std::optional<double> vyukov = {}) {
  messages = settings.Items(messages);
  slow = settings.Items(slow);
  Work work = {.name = absl::StrCat("queue, ", pairs, " -> ", pairs, ", ", SizeName(bytes)),
               .ours = Throughput<OurQueue<bytes>>(bytes, pairs, messages)};
  work.peers.push_back({"Vyukov ring", vyukov, Throughput<VyukovRing>(bytes, pairs, messages)});
  work.peers.push_back({"Boost message_queue", boost, Throughput<BoostQueue>(bytes, pairs, messages)});
  // The kernel takes no larger ones.
  if (bytes <= 8192) work.peers.push_back({"POSIX mq", {}, Throughput<PosixQueue>(bytes, pairs, slow)});
  // What is larger can be torn when several write.
  if (bytes <= 4096 || pairs == 1) work.peers.push_back({"pipe", {}, Throughput<PipeQueue>(bytes, pairs, slow)});
  if (pairs == 1) work.peers.push_back({"ZeroMQ PUSH/PULL", {}, Throughput<ZeroMqQueue>(bytes, pairs, slow)});
  work.peers.push_back(PythonQueue(python, bytes, pairs, slow / 4 + 1));
  works.push_back(std::move(work));
}

template <size_t bytes>
void AddRoundTrips(std::vector<Work>& works, const Settings& settings, CPython& python, size_t trips) {
  trips = settings.Items(trips);
  std::vector<LatencyPeer> peers;
  peers.push_back({"Vyukov ring", {}, RoundTrips<VyukovRing>(bytes, trips)});
  peers.push_back({"Boost message_queue", {}, RoundTrips<BoostQueue>(bytes, trips)});
  if (bytes <= 8192) peers.push_back({"POSIX mq", {}, RoundTrips<PosixQueue>(bytes, trips)});
  peers.push_back({"pipe", {}, RoundTrips<PipeQueue>(bytes, trips)});
  peers.push_back({"ZeroMQ PUSH/PULL", {}, RoundTrips<ZeroMqQueue>(bytes, trips / 2 + 1)});
  peers.push_back(
      {absl::StrCat("CPython ", python.version(), " Queue"), {}, PythonRoundTrips(python, "queue", bytes, trips / 4 + 1)});
  AddLatencies(works, absl::StrCat("queue, round trip, ", SizeName(bytes)), RoundTrips<OurQueue<bytes>>(bytes, trips),
               std::move(peers));
}

}  // namespace

absl::StatusOr<std::vector<Row>> QueueRows(const Settings& settings) {
  SHOAL_ASSIGN_OR_RETURN(CPython python, CPython::Start(Runfile("bench/compare/cpython_ipc.py")));
  std::vector<Work> works;
  AddThroughput<64>(works, settings, python, 1, 1'000'000, 100'000, 3.0, 0.6);
  AddThroughput<64>(works, settings, python, 2, 1'000'000, 100'000, 2.0, 0.5);
  AddThroughput<8>(works, settings, python, 1, 1'000'000, 100'000);
  AddThroughput<1024>(works, settings, python, 1, 300'000, 100'000);
  AddThroughput<size_t{64} << 10>(works, settings, python, 1, 5'000, 2'000);
  AddThroughput<size_t{1} << 20>(works, settings, python, 1, 200, 200);
  works.push_back({.name = "queue in place, 1 -> 1, 64 B",
                   .ours = Throughput<OurQueueInPlace<64>>(64, 1, settings.Items(1'000'000)),
                   .peers = {{"Queue, copied", {}, Throughput<OurQueue<64>>(64, 1, settings.Items(1'000'000))}}});
  AddRoundTrips<64>(works, settings, python, 10'000);
  AddRoundTrips<8>(works, settings, python, 10'000);
  AddRoundTrips<1024>(works, settings, python, 10'000);
  AddRoundTrips<size_t{64} << 10>(works, settings, python, 2'000);
  AddRoundTrips<size_t{1} << 20>(works, settings, python, 200);
  return MeasureAll(works, settings);
}

}  // namespace shoal::bench
