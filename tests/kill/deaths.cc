#include "shoal/tests/kill/deaths.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <random>
#include <string>
#include <vector>

#include "shoal/sync/check.h"
#include "shoal/tests/kill/events.h"
#include "shoal/tests/kill/one_death.h"
#include "shoal/tests/kill/stepping.h"

extern "C" const char __executable_start;

namespace shoal::tests {
namespace {

constexpr int64_t kPairs = 1000;  // of an instruction of the victim and one of another party, when every k is taken
constexpr int64_t kSecondsAtOneK = 8;

class Deaths {
 public:
  Deaths(const Operation& operation, const Points& points)
      : operation_(operation),
        every_(points.sample == 0),
        sample_(points.sample),
        until_found_(points.until_found),
        random_(points.seed) {
    tally_.name = operation.name;
    shared_ = mmap(nullptr, operation.size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    SHOAL_CHECK(shared_ != MAP_FAILED, "the driver needs shared memory");
    SHOAL_CHECK(pipe2(fds_, O_CLOEXEC | O_NONBLOCK) == 0 && fcntl(fds_[0], F_SETFL, 0) == 0, "the driver needs a pipe");
    victim_is_doomed_ = static_cast<std::atomic<bool>*>(MakeOwnShared(sizeof(std::atomic<bool>)));
    events_ = static_cast<Trace*>(MakeOwnShared(sizeof(Trace)));
    steps_ = static_cast<Trace*>(MakeOwnShared(sizeof(Trace)));
    second_ = static_cast<Trace*>(MakeOwnShared(sizeof(Trace)));
  }

  Tally Run() {
    if (operation_.warm) operation_.warm();
    Record({.kind = Kind::kPlain, .victim = Recorded(Part::How::kRecordEvents, events_), .second = {}}, *events_);
    visible_ = VisibleIn(*events_);
    tally_.visible = static_cast<int64_t>(visible_.size());
    if (every_) {
      Record({.kind = Kind::kPlain, .victim = Recorded(Part::How::kRecordSteps, steps_), .second = {}}, *steps_);
      tally_.length = steps_->length - 1;
      tally_.long_body = tally_.length > kLongBody;
    }

    KillAtEach(Kind::kPlain);
    if (operation_.thief) KillAtEach(Kind::kThief);
    if (operation_.waker || !events_->ended) {
      Try({.kind = Kind::kAsleep, .victim = {}, .second = {}}, 0, 0);
      Try({.kind = Kind::kStopped, .victim = {}, .second = {}}, 0, 0);
    }
    if (operation_.pause_first_sleeper) KillBesidePaused();
    if (operation_.kill_rescuer_too) KillRescuersToo();
    if (operation_.clean) operation_.clean(shared_);
    return tally_;
  }

 private:
  static Part Recorded(Part::How how, Trace* trace) { return {.how = how, .trace = trace, .target = {}}; }
  static Part To(const Target& target) { return {.how = Part::How::kTo, .trace = nullptr, .target = target}; }
  static Part ToEvent(int64_t event) { return To({.event = event}); }

  // Plays it once, to see where it goes. What comes of it does not count.
  void Record(const Plan& plan, Trace& trace) {
    if (until_found_ && !tally_.clean()) return;
    trace.length = 0;
    OneDeath(operation_, shared_, Gate(fds_[0], fds_[1], victim_is_doomed_), plan);
    SHOAL_CHECK(trace.length > 0, "whoever is recorded gets to its body");
  }

  static std::vector<int64_t> VisibleIn(const Trace& events) {
    std::vector<int64_t> visible;
    for (int64_t k = 0; k < events.length; ++k) {
      if (events.visible(k)) visible.push_back(k);
    }
    return visible;
  }

  std::vector<int64_t> Some(std::vector<int64_t> points, int64_t count) {
    std::shuffle(points.begin(), points.end(), random_);
    if (static_cast<int64_t>(points.size()) > count) points.resize(static_cast<size_t>(count));
    std::sort(points.begin(), points.end());
    return points;
  }
  int64_t Below(int64_t bound) { return static_cast<int64_t>(random_() % static_cast<uint64_t>(std::max<int64_t>(bound, 1))); }

  // All instructions, or all events that others can tell apart, or some of these.
  void KillAtEach(Kind kind) {
    if (every_ && !tally_.long_body) {
      for (int64_t k = 0; k < steps_->length; ++k) Try({.kind = kind, .victim = To(WayTo(*steps_, k)), .second = {}}, k, 0);
      return;
    }
    for (const int64_t k : every_ ? visible_ : Some(visible_, sample_)) {
      Try({.kind = kind, .victim = ToEvent(k), .second = {}}, k, 0);
    }
  }

  // The sleeper is parked anywhere: what it has read decides, not only what others see.
  void KillBesidePaused() {
    Record({.kind = Kind::kPaused, .victim = {}, .second = Recorded(Part::How::kRecordSteps, second_)}, *second_);
    const int64_t wanted = every_ ? kPairs : sample_;
    for (int64_t i = 0; i < wanted; ++i) {
      const int64_t k = visible_[static_cast<size_t>(Below(tally_.visible))];
      const int64_t j = Below(second_->length);
      Try({.kind = Kind::kPaused, .victim = ToEvent(k), .second = To(WayTo(*second_, j))}, k, j);
    }
  }

  // What a rescuer does depends on where the victim died: so it is recorded there, and then killed at several points of that.
  void KillRescuersToo() {
    const int64_t wanted = every_ ? kPairs : sample_;
    const int64_t at_one_k = every_ ? kSecondsAtOneK : 3;
    for (const int64_t k : Some(visible_, (wanted + at_one_k - 1) / at_one_k)) {
      Record({.kind = Kind::kRescuerToo, .victim = ToEvent(k), .second = Recorded(Part::How::kRecordEvents, second_)}, *second_);
      for (const int64_t j : Some(VisibleIn(*second_), at_one_k)) {
        Try({.kind = Kind::kRescuerToo, .victim = ToEvent(k), .second = ToEvent(j)}, k, j);
      }
    }
  }

  void Try(const Plan& plan, int64_t k, int64_t j) {
    if (until_found_ && !tally_.clean()) return;
    const Outcome outcome = OneDeath(operation_, shared_, Gate(fds_[0], fds_[1], victim_is_doomed_), plan);
    if (plan.kind == Kind::kThief) EmptyThePipe();
    tally_.points += outcome.killed ? 1 : 0;
    tally_.hangs += outcome.hang ? 1 : 0;
    tally_.lost += outcome.verdict == Verdict::kLost ? 1 : 0;
    tally_.half_done += outcome.verdict == Verdict::kHalfDone ? 1 : 0;
    tally_.leaked += outcome.verdict == Verdict::kLeaked ? 1 : 0;
    if (outcome.fine() || !tally_.first_failure.empty()) return;
    char where[160];
    const bool event = plan.victim.target.event >= 0;
    const Trace& trace = event ? *events_ : *steps_;
    snprintf(where, sizeof(where), "%s, %s %ld (before 0x%lx), j = %ld%s%s", NameOf(plan.kind), event ? "event" : "instruction", k,
             k < trace.length ? trace.pc(k) - reinterpret_cast<uint64_t>(&__executable_start) : 0, j,
             outcome.crash.empty() ? "" : ": ", outcome.crash.c_str());
    tally_.first_failure = where;
  }

  // A thief that never came to its gate leaves the byte in it.
  void EmptyThePipe() {
    char byte;
    fcntl(fds_[0], F_SETFL, O_NONBLOCK);
    while (read(fds_[0], &byte, 1) == 1) {
    }
    fcntl(fds_[0], F_SETFL, 0);
  }

  const Operation& operation_;
  const bool every_;
  const int64_t sample_;
  const bool until_found_;
  std::mt19937_64 random_;
  void* shared_;
  int fds_[2];
  std::atomic<bool>* victim_is_doomed_;
  Trace* events_;  // the victim's
  Trace* steps_;   // the victim's, if every one is wanted
  Trace* second_;  // of a sleeper or a rescuer
  std::vector<int64_t> visible_;
  Tally tally_;
};

}  // namespace

Tally KillInThisProcess(const Operation& operation, const Points& points) { return Deaths(operation, points).Run(); }

}  // namespace shoal::tests
