// bench/ipc/connection_rows.cc: how connections are measured.
//
// The two sides are processes of their own, each with a processor where there are two. They meet at a gate; the time of a stream runs from
// there until the receiver has the last message. A round trip is timed by who begins it. Every contestant is made anew for each round.
// A bound in microseconds stands as a peer that takes exactly so long.

#include "shoal/bench/ipc/connection_rows.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <functional>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "shoal/bench/compare/channel_contestants.h"
#include "shoal/bench/compare/cpython.h"
#include "shoal/bench/compare/zeromq_contestants.h"
#include "shoal/bench/ipc/percentiles.h"
#include "shoal/bench/runfile.h"
#include "shoal/ipc/connection.h"
#include "shoal/ipc/pipe.h"
#include "shoal/shm/array.h"
#include "shoal/shm/segment.h"
#include "shoal/sync/check.h"
#include "shoal/sync/deadline.h"
#include "shoal/sync/status.h"

namespace shoal::bench {
namespace {

using sync_internal::Deadline;

template <size_t bytes>
struct Message {
  std::array<unsigned char, bytes> content;
};

// Ours. Each child takes its end by a ticket.
template <class T>
class OurPipe {
 public:
  OurPipe(size_t bytes, bool spin) : segment_(MadeSegment(bytes)) {
    auto made = Pipe<T>({.segment = &segment_, .capacity = static_cast<uint32_t>(ChannelCapacity(bytes)), .spin = spin});
    SHOAL_CHECK(made.ok(), "a benchmark needs a pipe");
    tickets_.push_back(made->first.HandOver().value());
    tickets_.push_back(made->second.HandOver().value());
  }
  void Open(int side) {
    auto taken = Connection<T>::Take(segment_, tickets_[static_cast<size_t>(side)].number());
    SHOAL_CHECK(taken.ok(), "an end can be taken");
    end_ = *std::move(taken);
  }

 protected:
  static Segment MadeSegment(size_t bytes) {
    auto made = Segment::Create({.limit_bytes = (size_t{64} << 20) + 130 * bytes});
    SHOAL_CHECK(made.ok(), "a benchmark needs a segment");
    return *std::move(made);
  }

  Segment segment_;
  std::vector<ConnectionTicket> tickets_;
  Connection<T> end_;
};

template <size_t bytes, bool spin = true>
class OurConnection : OurPipe<Message<bytes>> {
 public:
  explicit OurConnection(size_t) : OurPipe<Message<bytes>>(bytes, spin) {}
  using OurPipe<Message<bytes>>::Open;
  void Send(const void* message) {
    SHOAL_CHECK(this->end_.Send(*static_cast<const Message<bytes>*>(message)).ok(), "a connection takes messages");
  }
  void Recv(void* message) {
    auto got = this->end_.Recv();
    SHOAL_CHECK(got.ok(), "a connection gives them");
    std::memcpy(message, &*got, bytes);
  }
};

// The same, written and read in place.
template <size_t bytes>
class OurConnectionInPlace : OurPipe<Message<bytes>> {
 public:
  explicit OurConnectionInPlace(size_t) : OurPipe<Message<bytes>>(bytes, true) {}
  using OurPipe<Message<bytes>>::Open;
  void Send(const void* message) {
    auto loan = this->end_.Loan();
    SHOAL_CHECK(loan.ok(), "a connection lends places");
    std::memcpy(&**loan, message, bytes);
    SHOAL_CHECK(loan->Publish().ok(), "a connection takes messages");
  }
  void Recv(void* message) {
    auto got = this->end_.RecvInPlace();
    SHOAL_CHECK(got.ok(), "a connection gives them");
    std::memcpy(message, &**got, bytes);
  }
};

void RunOn(int processor) {
  cpu_set_t allowed;
  SHOAL_CHECK(sched_getaffinity(0, sizeof(allowed), &allowed) == 0, "a process has processors");
  int left = processor % CPU_COUNT(&allowed);
  int found = -1;
  for (int i = 0; i < CPU_SETSIZE && left >= 0; ++i) {
    if (!CPU_ISSET(i, &allowed)) continue;
    found = i;
    --left;
  }
  CPU_ZERO(&allowed);
  CPU_SET(found, &allowed);
  SHOAL_CHECK(sched_setaffinity(0, sizeof(allowed), &allowed) == 0, "a process chooses among its processors");
}

// What two processes tell each other and their parent.
struct Gate {
  std::atomic<int> ready{0};
  std::atomic<int> stage{0};
  std::atomic<int64_t> begun{0};
  std::atomic<int64_t> ended{0};
  std::atomic<double> seconds{0};
  Percentiles percentiles = {};

  // Both are here.
  void Meet() {
    const int all = ready.fetch_add(1) / 2 * 2 + 2;
    if (ready == 2 && all == 2) begun = Deadline::Now();
    while (ready < all) sched_yield();
  }
};

struct GateMemory {
  GateMemory() : gate(*new (SharedBytes(sizeof(Gate))) Gate()) {}
  ~GateMemory() { munmap(&gate, sizeof(gate)); }
  Gate& gate;
};

// Runs side(0) and side(1) in processes of their own. (A round is a fork of a process that has one thread more: the keeper. Its locks are
// the library's, which sees to them.)
absl::Status RunBoth(const std::function<void(int)>& side) {
  pid_t children[2];
  for (int i = 0; i < 2; ++i) {
    children[i] = fork();
    SHOAL_CHECK(children[i] >= 0, "a benchmark needs to fork");
    if (children[i] != 0) continue;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    RunOn(i);
    side(i);
    _exit(0);
  }
  bool fine = true;
  for (const pid_t child : children) {
    int status = 0;
    fine = waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0 && fine;
  }
  return fine ? absl::OkStatus() : absl::InternalError("a side of a benchmark ended badly");
}

template <class Channel>
Round Stream(size_t bytes, size_t messages) {
  return [=]() -> absl::StatusOr<double> {
    Channel channel(bytes);
    const GateMemory memory;
    Gate& gate = memory.gate;
    SHOAL_RETURN_IF_ERROR(RunBoth([&](int side) {
      channel.Open(side);
      std::vector<unsigned char> message(bytes, 1);
      gate.Meet();
      for (size_t i = 0; i < messages; ++i) {
        if (side == 0) {
          std::memcpy(message.data(), &i, std::min(sizeof(i), bytes));
          channel.Send(message.data());
        } else {
          channel.Recv(message.data());
        }
      }
      if (side == 1) gate.ended = Deadline::Now();
      gate.Meet();  // an end lives until all has been received
    }));
    return static_cast<double>(gate.ended - gate.begun) * 1e-9 / static_cast<double>(messages);
  };
}

template <class Channel>
std::function<absl::StatusOr<Percentiles>()> RoundTrips(size_t bytes, size_t trips) {
  return [=]() -> absl::StatusOr<Percentiles> {
    Channel channel(bytes);
    const GateMemory memory;
    Gate& gate = memory.gate;
    SHOAL_RETURN_IF_ERROR(RunBoth([&](int side) {
      channel.Open(side);
      std::vector<unsigned char> message(bytes, 1);
      std::vector<double> times(trips);
      gate.Meet();
      for (size_t i = 0; i < trips; ++i) {
        if (side == 1) {
          channel.Recv(message.data());
          channel.Send(message.data());
          continue;
        }
        const int64_t begin = Deadline::Now();
        channel.Send(message.data());
        channel.Recv(message.data());
        times[i] = static_cast<double>(Deadline::Now() - begin) * 1e-9;
      }
      if (side == 0) gate.percentiles = PercentilesOf(times);
      gate.Meet();
    }));
    return gate.percentiles;
  };
}

// ---- handing over what lies in shared memory -------------------------------------------------------------------------------------

using Numbers = Array<uint64_t>;

bool Sleeps(pid_t pid) {
  char text[512];
  snprintf(text, sizeof(text), "/proc/%d/stat", pid);
  const int fd = open(text, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const ssize_t length = read(fd, text, sizeof(text) - 1);
  close(fd);
  text[std::max<ssize_t>(length, 0)] = '\0';
  const char* const name_end = strrchr(text, ')');
  return name_end != nullptr && strncmp(name_end, ") S", 3) == 0;
}

// Seconds from just before a shared array of 64 MiB is sent until the receiver has it, in the median; it spins, or sleeps.
Round HandOff(size_t times, bool sleeping) {
  return [=]() -> absl::StatusOr<double> {
    SHOAL_ASSIGN_OR_RETURN(const Segment segment, Segment::Create({.limit_bytes = size_t{80} << 20}));
    SHOAL_ASSIGN_OR_RETURN(auto ends, (Pipe<Shared<Numbers>>({.segment = &segment, .spin = !sleeping})));
    const ConnectionTicket tickets[2] = {ends.first.HandOver().value(), ends.second.HandOver().value()};
    SHOAL_ASSIGN_OR_RETURN(const Shared<Numbers> numbers, segment.New<Numbers>((size_t{64} << 20) / sizeof(uint64_t)));
    SHOAL_RETURN_IF_ERROR(segment.Publish("numbers", numbers));
    const GateMemory memory;
    Gate& gate = memory.gate;
    std::atomic<int>& receiver = gate.stage;
    SHOAL_RETURN_IF_ERROR(RunBoth([&](int side) {
      auto end = Connection<Shared<Numbers>>::Take(segment, tickets[side].number());
      SHOAL_CHECK(end.ok(), "an end can be taken");
      const Shared<Numbers> mine = side == 0 ? segment.Find<Numbers>("numbers").value() : Shared<Numbers>();
      std::vector<double> seconds;
      if (side == 1) receiver = getpid();
      gate.Meet();
      for (size_t i = 0; i < times; ++i) {
        if (side == 0) {
          if (sleeping) {
            const timespec length = {.tv_sec = 0, .tv_nsec = 100'000};
            nanosleep(&length, nullptr);
            while (!Sleeps(receiver)) sched_yield();
          }
          gate.begun = Deadline::Now();
          SHOAL_CHECK(end->Send(mine).ok(), "a handle can be sent");
        } else {
          absl::StatusOr<Shared<Numbers>> got = end->Recv(sleeping ? absl::InfiniteDuration() : absl::ZeroDuration());
          while (!got.ok()) got = end->Recv(absl::ZeroDuration());
          seconds.push_back(static_cast<double>(Deadline::Now() - gate.begun) * 1e-9);
          SHOAL_CHECK((*got)->size() == (size_t{64} << 20) / sizeof(uint64_t), "it is all there");
        }
        if (!sleeping) gate.Meet();
      }
      if (side == 1) gate.seconds = Median(seconds);
      gate.Meet();
    }));
    return gate.seconds.load();
  };
}

// The same of 8 bytes through a pipe(2), the receiver asleep: what the kernel needs to wake it.
Round WokenByKernel(size_t times) {
  return [=]() -> absl::StatusOr<double> {
    KernelPipes pipes(sizeof(uint64_t));
    const GateMemory memory;
    Gate& gate = memory.gate;
    SHOAL_RETURN_IF_ERROR(RunBoth([&](int side) {
      pipes.Open(side);
      uint64_t message = 0;
      std::vector<double> seconds;
      if (side == 1) gate.stage = getpid();
      gate.Meet();
      for (size_t i = 0; i < times; ++i) {
        if (side == 0) {
          const timespec length = {.tv_sec = 0, .tv_nsec = 100'000};
          nanosleep(&length, nullptr);
          while (!Sleeps(gate.stage)) sched_yield();
          gate.begun = Deadline::Now();
          pipes.Send(&message);
        } else {
          pipes.Recv(&message);
          seconds.push_back(static_cast<double>(Deadline::Now() - gate.begun) * 1e-9);
        }
      }
      if (side == 1) gate.seconds = Median(seconds);
      gate.Meet();
    }));
    return gate.seconds.load();
  };
}

Round Bound(double seconds) {
  return [=]() -> absl::StatusOr<double> { return seconds; };
}

// The copy path: into the shared memory and out of it, by one process.
Round CopyInAndOut(size_t bytes, size_t times) {
  return [=]() -> absl::StatusOr<double> {
    std::vector<char> from(bytes, 1);
    std::vector<char> shared(bytes, 2);
    std::vector<char> to(bytes, 3);
    return SecondsPerItem(times, [&] {
      for (size_t i = 0; i < times; ++i) {
        std::memcpy(shared.data(), from.data(), bytes);
        asm volatile("" ::: "memory");
        std::memcpy(to.data(), shared.data(), bytes);
        asm volatile("" ::: "memory");
      }
    });
  };
}

// Texts, received into one that is there, or each into a new one.
template <bool into_a_new_one>
class OurTexts : OurPipe<std::string> {
 public:
  explicit OurTexts(size_t bytes) : OurPipe<std::string>(bytes, true), sent_(bytes, 'x'), received_(bytes, 'y') {}
  using OurPipe<std::string>::Open;
  void Send(const void*) { SHOAL_CHECK(end_.Send(sent_).ok(), "a connection takes messages"); }
  void Recv(void*) {
    if constexpr (into_a_new_one) {
      auto got = end_.Recv();
      SHOAL_CHECK(got.ok() && got->size() == sent_.size(), "a connection gives them");
    } else {
      SHOAL_CHECK(end_.RecvInto(received_).ok() && received_.size() == sent_.size(), "a connection gives them");
    }
  }

 private:
  const std::string sent_;
  std::string received_;
};

// `slow`: how many messages those get that need a system call for each, and several microseconds.
template <size_t bytes>
Work StreamOf(const Settings& settings, CPython& python, size_t messages, size_t slow) {
  const size_t count = settings.Items(messages);
  slow = settings.Items(slow);
  return {.name = absl::StrCat("Connection 1 -> 1, ", SizeName(bytes)),
          .ours = Stream<OurConnection<bytes>>(bytes, count),
          .peers = {{"pipe(2)", bytes == 64 ? std::optional<double>(5.0) : std::nullopt, Stream<KernelPipes>(bytes, slow)},
                    {"socketpair", std::nullopt, Stream<SocketPair>(bytes, slow)},
                    {"bare ring, spinning", bytes == 64 ? std::optional<double>(0.5) : std::nullopt,
                     Stream<SpinningRings>(bytes, count)},
                    {"ours, in place", std::nullopt, Stream<OurConnectionInPlace<bytes>>(bytes, count)},
                    {"ZeroMQ PAIR", std::nullopt, Stream<ZeroMqPair>(bytes, slow)},
                    {absl::StrCat("CPython ", python.version(), " Pipe"), std::nullopt,
                     [&python, slow] { return python.Measure(absl::StrCat("pipe_stream ", bytes, " 1"), slow); }}}};
}

// Texts are copied in and copied out. The limit is a ring that does nothing else. `slow`: how many those get whose copies cost page faults or
// system calls.
Work TextsOf(size_t bytes, size_t messages, size_t slow) {
  return {.name = absl::StrCat("Connection 1 -> 1, text of ", SizeName(bytes)),
          .ours = Stream<OurTexts<false>>(bytes, messages),
          .peers = {{"memcpy in and out, one process", 0.9, CopyInAndOut(bytes, messages)},
                    {"memcpy in, out by the other", 0.9, Stream<SpinningRings>(bytes, messages)},
                    {"ours, into a new text", std::nullopt, Stream<OurTexts<true>>(bytes, slow)},
                    {"pipe(2)", std::nullopt, Stream<KernelPipes>(bytes, slow)}}};
}

template <size_t bytes>
void AddRoundTrips(const Settings& settings, CPython& python, size_t trips, std::vector<Work>& works) {
  const size_t count = settings.Items(trips);
  const size_t few = settings.Items(trips / 4);
  const auto gate = [](double target) { return bytes == 64 ? std::optional<double>(target) : std::nullopt; };
  const std::string name = absl::StrCat("Connection ping-pong ", SizeName(bytes));
  AddLatencies(works, name, RoundTrips<OurConnection<bytes>>(bytes, count),
               {{"ring, spin then futex", gate(1.5), RoundTrips<SleepingRings>(bytes, count)},
                {"ring, spinning", std::nullopt, RoundTrips<SpinningRings>(bytes, count)},
                {"pipe(2)", std::nullopt, RoundTrips<KernelPipes>(bytes, few)}});
  AddLatencies(works, absl::StrCat(name, ", blocking"), RoundTrips<OurConnection<bytes, false>>(bytes, few),
               {{"pipe(2)", gate(1.25), RoundTrips<KernelPipes>(bytes, few)},
                {"socketpair", std::nullopt, RoundTrips<SocketPair>(bytes, few)},
                {"ZeroMQ PAIR", std::nullopt, RoundTrips<ZeroMqPair>(bytes, few / 2 + 1)},
                {absl::StrCat("CPython ", python.version(), " Pipe"), std::nullopt,
                 PythonRoundTrips(python, "pipe", bytes, few / 2 + 1)}});
}

}  // namespace

absl::StatusOr<std::vector<Row>> ConnectionRows(const Settings& settings) {
  SHOAL_ASSIGN_OR_RETURN(CPython python, CPython::Start(Runfile("bench/compare/cpython_ipc.py")));
  std::vector<Work> works;
  works.push_back(StreamOf<64>(settings, python, 1'000'000, 100'000));
  works.push_back(StreamOf<8>(settings, python, 1'000'000, 100'000));
  works.push_back(StreamOf<1024>(settings, python, 200'000, 50'000));
  works.push_back(StreamOf<size_t{16} << 10>(settings, python, 20'000, 5'000));
  works.push_back(StreamOf<size_t{64} << 10>(settings, python, 5'000, 2'000));
  works.push_back(StreamOf<size_t{1} << 20>(settings, python, 300, 200));
  works.push_back(TextsOf(size_t{1} << 20, settings.Items(1000), settings.Items(300)));
  works.push_back(TextsOf(size_t{64} << 20, settings.Items(100), settings.Items(30)));
  AddRoundTrips<64>(settings, python, 40'000, works);
  AddRoundTrips<8>(settings, python, 40'000, works);
  AddRoundTrips<1024>(settings, python, 20'000, works);
  AddRoundTrips<size_t{16} << 10>(settings, python, 8'000, works);
  AddRoundTrips<size_t{64} << 10>(settings, python, 4'000, works);
  AddRoundTrips<size_t{1} << 20>(settings, python, 400, works);
  works.push_back({.name = "64 MiB handed over, receiver spins",
                   .quantity = Quantity::kTime,
                   .ours = HandOff(settings.Items(2000), /*sleeping=*/false),
                   .peers = {{"bound, 3 us", 1.0, Bound(3e-6)}}});
  works.push_back({.name = "64 MiB handed over, receiver sleeps",
                   .quantity = Quantity::kTime,
                   .ours = HandOff(settings.Items(300), /*sleeping=*/true),
                   .peers = {{"bound, 10 us", 1.0, Bound(10e-6)},
                             {"8 bytes by pipe(2)", std::nullopt, WokenByKernel(settings.Items(300))}}});
  return MeasureAll(works, settings);
}

}  // namespace shoal::bench
