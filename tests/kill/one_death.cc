#include "shoal/tests/kill/one_death.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

#include <algorithm>
#include <deque>
#include <functional>
#include <utility>

namespace shoal::tests {
namespace {

void Play(const Part& part, const std::function<void()>& body, AtTarget action) {
  switch (part.how) {
    case Part::How::kFreely:
      return body();
    case Part::How::kRecordSteps:
      return RecordSteps(body, *part.trace, kLongBody + 1);
    case Part::How::kRecordEvents:
      return RecordEvents(body, *part.trace);
    case Part::How::kTo:
      return RunTo(body, part.target, action);
  }
}

class Scene {
 public:
  Scene(const Operation& operation, void* shared, const Gate& gate, const Plan& plan)
      : operation_(operation), shared_(shared), gate_(gate), plan_(plan) {}

  Outcome Run() {
    memset(shared_, 0, operation_.size_bytes);
    operation_.setup(shared_);
    gate_.DoomVictim(false);
    Party victim = PrepareVictim();
    for (const Operation::Body& body : operation_.sleepers) {
      const bool paused = plan_.kind == Kind::kPaused && others_.empty();
      Enter("a sleeper", [&] { Play(paused ? plan_.second : Part{}, [&] { body(shared_); }, AtTarget::kPark); });
      Rest(&victim);
    }

    RunVictim(victim);
    gate_.DoomVictim(true);
    victim.KillAndReap();
    outcome_.killed = victim.was_killed();
    Look("the victim", victim);

    if (plan_.kind == Kind::kAsleep) EnterWaker();
    if (plan_.kind == Kind::kThief) {
      Rest();
      gate_.Open();
    }
    RestUnparked();
    if (SomebodyHangs()) outcome_.hang = true;
    if (plan_.kind == Kind::kRescuerToo) LoseARescuer();
    if (operation_.rescuer) {
      Enter("the rescuer", [&] { operation_.rescuer(shared_); });
      RestUnparked();
    }
    if (CountAsleep() != 0) outcome_.hang = true;
    bool another_experiment = false;
    for (Other& other : others_) {
      other.party.KillAndReap();
      Look(other.name, other.party);
      another_experiment |= other.party.died_of_breakpoint();
    }
    others_.clear();
    if (!outcome_.hang) Judge();
    // Who was to pause has died, and has taken along what it had.
    if (another_experiment && outcome_.verdict == Verdict::kLost) outcome_.verdict = Verdict::kFine;
    return std::move(outcome_);
  }

 private:
  struct Other {
    const char* name;
    Party party;
  };

  // The victim gets ready and parks before its body.
  Party PrepareVictim() {
    const AtTarget action = plan_.kind == Kind::kThief  ? AtTarget::kPark
                            : operation_.forget_pending ? AtTarget::kDieForgetful
                                                        : AtTarget::kDie;
    Party victim = Party::Start([&, action] {
      if (operation_.prepare) operation_.prepare(shared_);
      kill(getpid(), SIGSTOP);
      Play(plan_.victim, [&] { operation_.body(shared_); }, action);
      _exit(0);
    });
    do {
      Rest(&victim);
    } while (victim.asleep());  // getting ready, it may wait for a child of its own
    return victim;
  }

  // Until it has died, parked, or sleeps for good.
  void RunVictim(Party& victim) {
    victim.Continue();
    do {
      Rest(&victim);
    } while (operation_.body_wakes_itself && victim.asleep());
    if (victim.asleep()) {
      for (const Operation::Body& body : operation_.late_sleepers) {
        Enter("a late sleeper", [&] { body(shared_); });
        Rest(&victim);
      }
      if (plan_.kind == Kind::kStopped) victim.Stop();
      if (plan_.kind != Kind::kAsleep) EnterWaker();
      Rest(&victim);
    }
    if (plan_.kind == Kind::kThief) {
      Enter("the thief", [&] { operation_.thief(shared_, gate_); });
      Rest(&victim);
    }
  }

  void EnterWaker() {
    if (operation_.waker) Enter("the waker", [&] { operation_.waker(shared_); });
  }

  void LoseARescuer() {
    Party first = Party::Start([&] { Play(plan_.second, [&] { operation_.rescuer(shared_); }, AtTarget::kDie); });
    Rest(&first);
    first.KillAndReap();
    Look("the first rescuer", first);
    RestUnparked();
    if (SomebodyHangs()) outcome_.hang = true;
  }

  void Judge() {
    Party checker = Party::Start([&] { _exit(static_cast<int>(operation_.check(shared_))); });
    Rest(&checker);
    if (!checker.ended()) outcome_.hang = true;
    checker.KillAndReap();
    Look("who checks", checker);
  }

  void Enter(const char* name, const std::function<void()>& body) { others_.push_back({name, Party::Start(body)}); }

  // What a party says by its exit code, or by crashing.
  void Look(const char* name, const Party& party) {
    if (party.exit_code_or_0() != 0) outcome_.verdict = static_cast<Verdict>(party.exit_code_or_0());
    if (const int signal = party.fatal_signal_or_0(); signal != 0) {
      outcome_.verdict = Verdict::kHalfDone;
      outcome_.crash = std::string(name) + " got signal " + std::to_string(signal);
    }
  }

  void Rest(Party* one_more = nullptr) {
    std::vector<Party*> all;
    if (one_more != nullptr) all.push_back(one_more);
    for (Other& other : others_) all.push_back(&other.party);
    AwaitRest(all);
  }

  // From the victim's death on nobody is held up. (One that was woken on its way to j parks only then.)
  void RestUnparked() {
    for (;;) {
      Rest();
      bool parked = false;
      for (Other& other : others_) {
        if (!other.party.parked()) continue;
        parked = true;
        other.party.Continue();
      }
      if (!parked) return;
    }
  }

  int CountAsleep() const {
    return static_cast<int>(
        std::count_if(others_.begin(), others_.end(), [](const Other& other) { return other.party.asleep(); }));
  }
  bool SomebodyHangs() const { return CountAsleep() != 0 && !operation_.may_sleep(shared_, CountAsleep()); }

  const Operation& operation_;
  void* const shared_;
  const Gate& gate_;
  const Plan& plan_;
  std::deque<Other> others_;
  Outcome outcome_;
};

}  // namespace

const char* NameOf(Kind kind) {
  switch (kind) {
    case Kind::kPlain:
      return "plain";
    case Kind::kThief:
      return "with a thief";
    case Kind::kPaused:
      return "with a paused sleeper";
    case Kind::kRescuerToo:
      return "rescuer killed too";
    case Kind::kAsleep:
      return "killed asleep";
    case Kind::kStopped:
      return "stopped asleep, then killed";
  }
  return "";
}

Outcome OneDeath(const Operation& operation, void* shared, const Gate& gate, const Plan& plan) {
  return Scene(operation, shared, gate, plan).Run();
}

}  // namespace shoal::tests
