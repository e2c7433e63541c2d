#include "shoal/tests/kill/driver.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <random>
#include <utility>

#include "shoal/sync/check.h"

namespace shoal::tests {
namespace {

constexpr long kTrapFlag = 0x100;
constexpr int64_t kPairs = 1000;  // of an instruction of the victim and one of another party, when every k is taken

// ---- stepping: this part runs in the victim ---------------------------------------------------------------------------------

enum class AtTarget { kDie, kDieForgetful, kPark };

struct {
  int64_t target;
  AtTarget action;
  volatile int64_t count;
} stepping;

void Act() {
  if (stepping.action == AtTarget::kPark) {
    kill(getpid(), SIGSTOP);
    return;
  }
  if (stepping.action == AtTarget::kDieForgetful) {
    robust_list_head* head = nullptr;
    size_t size_bytes = 0;
    syscall(SYS_get_robust_list, 0, &head, &size_bytes);
    head->list_op_pending = nullptr;
  }
  kill(getpid(), SIGKILL);
}

void OnTrap(int, siginfo_t*, void* context) {
  stepping.count = stepping.count + 1;
  if (stepping.count != stepping.target) return;
  static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_EFL] &= ~kTrapFlag;
  Act();
}

// The red zone below the stack pointer belongs to the caller, hence the lea.
__attribute__((noinline)) void SetTrapFlag() {
  asm volatile("lea -128(%%rsp), %%rsp; pushfq; orq $0x100, (%%rsp); popfq; lea 128(%%rsp), %%rsp" ::: "cc", "memory");
}
__attribute__((noinline)) void ClearTrapFlag() {
  asm volatile("lea -128(%%rsp), %%rsp; pushfq; andq $-0x101, (%%rsp); popfq; lea 128(%%rsp), %%rsp" ::: "cc", "memory");
}

// Runs `body`; after `target` instructions of it this process dies or parks. A parked one that is continued runs on freely.
void RunStepped(const Operation::Body& body, void* shared, int64_t target, AtTarget action) {
  stepping.target = target;
  stepping.action = action;
  stepping.count = 0;
  struct sigaction trap = {};
  trap.sa_sigaction = OnTrap;
  trap.sa_flags = SA_SIGINFO;
  sigaction(SIGTRAP, &trap, nullptr);
  if (target == 0) {
    Act();
    body(shared);
    return;
  }
  SetTrapFlag();
  body(shared);
  ClearTrapFlag();
}

// ---- parties: this part watches them ----------------------------------------------------------------------------------------

struct Watched {
  pid_t pid = 0;
  bool ended = false;
  bool parked = false;
  int status = 0;
};

Watched Start(const std::function<void()>& body) {
  const pid_t pid = fork();
  SHOAL_CHECK(pid >= 0, "the driver needs to fork");
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);  // nobody is left behind when the driver itself is stopped
    body();
    _exit(0);
  }
  return {.pid = pid};
}

void Poll(Watched& party) {
  if (party.ended) return;
  int status = 0;
  if (waitpid(party.pid, &status, WNOHANG | WUNTRACED) != party.pid) return;
  if (WIFSTOPPED(status)) {
    party.parked = true;
  } else {
    party.ended = true;
    party.status = status;
  }
}

void Continue(Watched& party) {
  party.parked = false;
  kill(party.pid, SIGCONT);
}

void KillAndReap(Watched& party) {
  if (party.ended) return;
  kill(party.pid, SIGKILL);
  SHOAL_CHECK(waitpid(party.pid, &party.status, 0) == party.pid, "the driver reaps its children");
  party.ended = true;
}

size_t ReadFile(pid_t pid, const char* name, char* text, size_t size_bytes) {
  char path[64];
  snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  const ssize_t length = read(fd, text, size_bytes - 1);
  close(fd);
  text[length < 0 ? 0 : length] = '\0';
  return length < 0 ? 0 : static_cast<size_t>(length);
}

// How often the process has run, if it sleeps now.
std::optional<uint64_t> SlicesIfAsleep(pid_t pid) {
  char text[512];
  if (ReadFile(pid, "stat", text, sizeof(text)) == 0) return std::nullopt;
  const char* const name_end = strrchr(text, ')');
  if (name_end == nullptr || name_end[2] != 'S') return std::nullopt;
  uint64_t run, wait, slices;
  if (ReadFile(pid, "schedstat", text, sizeof(text)) == 0) return std::nullopt;
  if (sscanf(text, "%lu %lu %lu", &run, &wait, &slices) != 3) return std::nullopt;
  return slices;
}

// Waits until every party has ended, is parked, or sleeps, all at one moment.
void AwaitRest(const std::vector<Watched*>& parties) {
  for (;;) {
    std::vector<std::optional<uint64_t>> before;
    bool at_rest = true;
    for (Watched* party : parties) {
      Poll(*party);
      const bool quiet = party->ended || party->parked;
      before.push_back(quiet ? 0 : SlicesIfAsleep(party->pid));
      at_rest = at_rest && before.back().has_value();
    }
    for (size_t i = 0; at_rest && i < parties.size(); ++i) {
      if (parties[i]->ended || parties[i]->parked) continue;
      at_rest = SlicesIfAsleep(parties[i]->pid) == before[i];
    }
    if (at_rest) return;
    sched_yield();
  }
}

bool Asleep(const Watched& party) { return !party.ended && !party.parked; }

// ---- one death ---------------------------------------------------------------------------------------------------------------

enum class Kind { kPlain, kThief, kPaused, kRescuerToo };

const char* KindName(Kind kind) {
  switch (kind) {
    case Kind::kPlain:
      return "plain";
    case Kind::kThief:
      return "with a thief";
    case Kind::kPaused:
      return "with a paused sleeper";
    case Kind::kRescuerToo:
      return "rescuer killed too";
  }
  return "";
}

struct Reached {
  bool victim_ended_before = false;  // the body has fewer instructions
  bool second_ended_before = false;  // the paused one's, or the rescuer's
  bool victim_slept = false;         // it was killed asleep: no later point can be reached
};

class OneDeath {
 public:
  OneDeath(const Operation& operation, void* shared, const Gate& gate)
      : operation_(operation), shared_(shared), gate_(gate) {}

  Reached Run(Kind kind, int64_t k, int64_t j, Tally& tally) {
    memset(shared_, 0, operation_.size_bytes);
    operation_.setup(shared_);
    Reached reached;
    bool hang = false;

    parties_.reserve(operation_.sleepers.size() + operation_.late_sleepers.size() + 2);
    const AtTarget action = kind == Kind::kThief        ? AtTarget::kPark
                            : operation_.forget_pending ? AtTarget::kDieForgetful
                                                        : AtTarget::kDie;
    victim_ = Start([&] {
      Warm();
      if (operation_.prepare) operation_.prepare(shared_);
      kill(getpid(), SIGSTOP);
      RunStepped(operation_.body, shared_, k, action);
      _exit(0);
    });
    Rest(&victim_);
    for (const Operation::Body& body : operation_.sleepers) {
      if (kind == Kind::kPaused && parties_.empty()) {
        parties_.push_back(Start([&] {
          Warm();
          RunStepped(body, shared_, j, AtTarget::kPark);
        }));
      } else {
        parties_.push_back(Start([&] { body(shared_); }));
      }
      Rest(&victim_);
    }
    if (kind == Kind::kPaused && !parties_[0].parked) reached.second_ended_before = true;

    Continue(victim_);
    do {
      Rest(&victim_);
    } while (operation_.body_wakes_itself && Asleep(victim_));
    if (Asleep(victim_)) {
      for (const Operation::Body& body : operation_.late_sleepers) {
        parties_.push_back(Start([&] { body(shared_); }));
        Rest(&victim_);
      }
      if (operation_.waker) {
        parties_.push_back(Start([&] { operation_.waker(shared_); }));
        Rest(&victim_);
      }
    }
    reached.victim_slept = Asleep(victim_);
    reached.victim_ended_before = victim_.ended && WIFEXITED(victim_.status);

    if (kind == Kind::kThief) {
      parties_.push_back(Start([&] { operation_.thief(shared_, gate_); }));
      Rest(&victim_);
    }
    KillAndReap(victim_);
    if (kind == Kind::kThief) {
      Rest();
      gate_.Open();
    }
    RestUnparked();
    if (SomebodyHangs()) hang = true;

    if (kind == Kind::kRescuerToo) {
      Watched first = Start([&] {
        Warm();
        RunStepped(operation_.rescuer, shared_, j, AtTarget::kDie);
      });
      Rest(&first);
      reached.second_ended_before = !first.ended || WIFEXITED(first.status);
      KillAndReap(first);
      RestUnparked();
      if (SomebodyHangs()) hang = true;
    }
    if (operation_.rescuer) {
      Watched rescuer = Start([&] { operation_.rescuer(shared_); });
      RestUnparked(&rescuer);
      if (!rescuer.ended) hang = true;
      KillAndReap(rescuer);
    }
    if (CountAsleep() != 0) hang = true;
    Verdict verdict = Verdict::kFine;
    for (Watched& party : parties_) {
      KillAndReap(party);
      if (WIFEXITED(party.status) && WEXITSTATUS(party.status) != 0) {
        verdict = static_cast<Verdict>(WEXITSTATUS(party.status));
      }
    }
    if (!hang) {
      Watched checker = Start([&] { _exit(static_cast<int>(operation_.check(shared_))); });
      Rest(&checker);
      if (!checker.ended) hang = true;
      KillAndReap(checker);
      if (!hang && WIFEXITED(checker.status) && WEXITSTATUS(checker.status) != 0) {
        verdict = static_cast<Verdict>(WEXITSTATUS(checker.status));
      }
    }
    if (hang || verdict != Verdict::kFine) {
      if (tally.first_failure.empty()) {
        tally.first_failure = std::string(KindName(kind)) + ", k = " + std::to_string(k) + ", j = " + std::to_string(j);
      }
    }
    ++tally.points;
    tally.hangs += hang ? 1 : 0;
    tally.lost += verdict == Verdict::kLost ? 1 : 0;
    tally.half_done += verdict == Verdict::kHalfDone ? 1 : 0;
    tally.leaked += verdict == Verdict::kLeaked ? 1 : 0;
    parties_.clear();
    return reached;
  }

 private:
  template <class... Others>
  void Rest(Others*... others) {
    std::vector<Watched*> all = {others...};
    for (Watched& party : parties_) all.push_back(&party);
    AwaitRest(all);
  }

  // From the victim's death on nobody is held up. (One that was woken on its way to j parks only then.)
  template <class... Others>
  void RestUnparked(Others*... others) {
    for (;;) {
      Rest(others...);
      bool parked = false;
      for (Watched& party : parties_) {
        if (!party.parked || party.ended) continue;
        parked = true;
        Continue(party);
      }
      if (!parked) return;
    }
  }

  void Warm() const {
    if (operation_.warm) operation_.warm();
  }

  int CountAsleep() const { return static_cast<int>(std::count_if(parties_.begin(), parties_.end(), Asleep)); }
  bool SomebodyHangs() const { return CountAsleep() != 0 && !operation_.may_sleep(shared_, CountAsleep()); }

  const Operation& operation_;
  void* const shared_;
  const Gate& gate_;
  std::vector<Watched> parties_;
  Watched victim_;
};

// Chooses points: all of them, or a sample.
class Chooser {
 public:
  explicit Chooser(const Points& points) : points_(points), random_(points.seed) {}

  bool Takes(int64_t length) { return points_.sample == 0 || Below(length) < points_.sample; }
  // How many pairs with one k, so that all k together make about as many as are wanted.
  int64_t PairsAt(int64_t length) {
    const int64_t wanted = points_.sample == 0 ? kPairs : points_.sample;
    return wanted / length + (Below(length) < wanted % length ? 1 : 0);
  }
  int64_t Below(int64_t bound) {
    return static_cast<int64_t>(random_() % static_cast<uint64_t>(std::max<int64_t>(bound, 1)));
  }

 private:
  Points points_;
  std::mt19937_64 random_;
};

}  // namespace

void Gate::Hold() const {
  char byte;
  while (read(read_fd_, &byte, 1) < 0 && errno == EINTR) {
  }
}

void Gate::Open() const { SHOAL_CHECK(write(write_fd_, "g", 1) == 1, "the driver opens its gate"); }

void Tally::Add(const Tally& other) {
  points += other.points;
  hangs += other.hangs;
  lost += other.lost;
  half_done += other.half_done;
  leaked += other.leaked;
}

Tally KillAtEveryInstruction(const Operation& operation, const Points& points) {
  // On one processor the parties take turns anyway; nobody spins then, and the same k means the same instruction each time.
  cpu_set_t processor;
  CPU_ZERO(&processor);
  CPU_SET(sched_getcpu(), &processor);
  SHOAL_CHECK(sched_setaffinity(0, sizeof(processor), &processor) == 0, "the driver pins itself");

  Tally tally{.name = operation.name};
  void* const shared = mmap(nullptr, operation.size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  SHOAL_CHECK(shared != MAP_FAILED, "the driver needs shared memory");
  int fds[2];
  SHOAL_CHECK(pipe2(fds, O_CLOEXEC | O_NONBLOCK) == 0 && fcntl(fds[0], F_SETFL, 0) == 0, "the driver needs a pipe");
  const Gate gate(fds[0], fds[1]);
  Chooser chooser(points);

  // How long the body is: run it once to its end (or to its sleep).
  constexpr int64_t kNever = int64_t{1} << 40;
  int64_t length = 0;
  {
    int64_t step = 1;  // doubling, then halving, finds the first k that is not reached
    const auto reaches = [&](int64_t k) {
      Tally ignored;
      const Reached reached = OneDeath(operation, shared, gate).Run(Kind::kPlain, k, 0, ignored);
      return !reached.victim_ended_before && !reached.victim_slept;
    };
    while (step < kNever && reaches(step)) step *= 2;
    int64_t low = step / 2;
    while (low + 1 < step) {
      const int64_t middle = (low + step) / 2;
      (reaches(middle) ? low : step) = middle;
    }
    length = step;
  }
  int64_t paused_bound = 1024;
  int64_t rescuer_bound = 1024;
  for (int64_t k = 0; k <= length; ++k) {
    if (chooser.Takes(length)) OneDeath(operation, shared, gate).Run(Kind::kPlain, k, 0, tally);
    if (operation.thief && chooser.Takes(length)) {
      OneDeath(operation, shared, gate).Run(Kind::kThief, k, 0, tally);
      // A thief that never came to its gate leaves the byte in the pipe.
      char byte;
      fcntl(fds[0], F_SETFL, O_NONBLOCK);
      while (read(fds[0], &byte, 1) == 1) {
      }
      fcntl(fds[0], F_SETFL, 0);
    }
    // Pairs of k and j: a sample, for there are a hundred thousand of each operation.
    const int64_t pairs = chooser.PairsAt(length);
    for (int64_t i = 0; operation.pause_first_sleeper && i < pairs; ++i) {
      const int64_t j = chooser.Below(paused_bound);
      const Reached reached = OneDeath(operation, shared, gate).Run(Kind::kPaused, k, j, tally);
      if (reached.second_ended_before) paused_bound = std::min(paused_bound, std::max<int64_t>(j, 64));
    }
    for (int64_t i = 0; operation.kill_rescuer_too && i < pairs; ++i) {
      const int64_t j = chooser.Below(rescuer_bound);
      const Reached reached = OneDeath(operation, shared, gate).Run(Kind::kRescuerToo, k, j, tally);
      if (reached.second_ended_before) rescuer_bound = std::min(rescuer_bound, std::max<int64_t>(j, 64));
    }
  }
  close(fds[0]);
  close(fds[1]);
  munmap(shared, operation.size_bytes);
  return tally;
}

std::string Table(const std::vector<Tally>& tallies) {
  std::string text;
  char line[160];
  const auto row = [&](const Tally& tally) {
    snprintf(line, sizeof(line), "%-56s %8ld %6ld %6ld %6ld %6ld\n", tally.name.c_str(), tally.points, tally.hangs,
             tally.lost, tally.half_done, tally.leaked);
    text += line;
    if (!tally.first_failure.empty()) text += "    first: " + tally.first_failure + "\n";
  };
  snprintf(line, sizeof(line), "%-56s %8s %6s %6s %6s %6s\n", "operation", "kills", "hangs", "lost", "half", "leaked");
  text += line;
  Tally sum{.name = "all"};
  for (const Tally& tally : tallies) {
    row(tally);
    sum.Add(tally);
  }
  row(sum);
  return text;
}

}  // namespace shoal::tests
