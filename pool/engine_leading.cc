// Who leads, what the leader does, and how the others learn of it.

#include "shoal/pool/engine.h"

#include <sched.h>

#include <utility>

#include "shoal/sync/status.h"

namespace shoal::pool_internal {
namespace {

// How long the leader gives its processor away before it sleeps for good. As long as it does, workers need no system call to
// be heard. Bounded in time, because on a machine with idle processors yielding is spinning.
constexpr int64_t kYieldNanoseconds = 30'000;

}  // namespace

// Looks after the workers until `done()` or the deadline.
// REQUIRES: leading_, set by this thread.
void Engine::Lead(Lock& lock, const std::function<bool()>& done, Deadline deadline) {
  const auto enough = [&] { return done() || deadline.passed(); };
  int64_t idle_since = 0;
  for (;;) {
    // pool.death (acquire): whatever the keeper noted before this count is seen by HandleEnded
    const uint32_t deaths = segment_->deaths().load(std::memory_order_acquire);
    const bool progress = Pump();
    if (enough()) return;
    if (progress) {
      idle_since = 0;
      continue;
    }
    const int64_t now = Deadline::Now();
    if (idle_since == 0) idle_since = now;
    if (now - idle_since < kYieldNanoseconds) {
      lock.unlock();
      sched_yield();
      lock.lock();
      if (enough()) return;
      continue;
    }
    shared_->bell.Arm();
    if (Pump() || enough()) {  // what came before the bell was armed rang for nobody
      shared_->bell.Disarm();
      if (enough()) return;
      continue;
    }
    const Deadline until = Deadline::Earlier(deadline, NextDeadline());
    lock.unlock();
    shared_->bell.Sleep(segment_->deaths(), deaths, until);
    lock.lock();
    if (enough()) return;
    idle_since = 0;
  }
}

bool Engine::NobodyNeedsLead() const {
  const bool vacant = std::any_of(slots_.begin(), slots_.end(), [](const WorkerSlot& slot) {
    return slot.state == WorkerSlot::State::kVacant || slot.state == WorkerSlot::State::kStopping;
  });
  return unfinished_ == 0 && !deaths_to_handle_ && (!vacant || stopping_);
}

// Nobody may lead any more: whoever waits takes it, or the background thread if somebody must.
void Engine::SeeToALeader() {
  if (leading_) return;
  if (followers_ > 0) {
    changed_.notify_all();
  } else if (!NobodyNeedsLead()) {
    background_.notify_one();
  }
}

void Engine::Background() {
  Lock lock(mutex_);
  for (;;) {
    background_.wait(lock, [this] { return stop_threads_ || (!leading_ && followers_ == 0 && !NobodyNeedsLead()); });
    if (stop_threads_) return;
    leading_ = true;
    deaths_to_handle_ = false;
    Lead(
        lock, [this] { return NobodyNeedsLead() || followers_ > 0 || stop_threads_; }, Deadline::Infinite());
    leading_ = false;
    SeeToALeader();
  }
}

// Followers look again when something has happened that one of them may wait for.
void Engine::TellFollowers() {
  if (std::exchange(news_, false) && followers_ > 0) changed_.notify_all();
}

// The same for the leader, from a thread that does not lead: it may sleep.
void Engine::TellLeader() {
  if (leading_ && news_) shared_->bell.Ring();
  TellFollowers();
}

// The callback thread: runs what users want to be called with, without the lock. It may wait for tasks, or for ever, and keeps
// nobody but other callbacks waiting.
void Engine::RunCallbacks() {
  Lock lock(mutex_);
  for (;;) {
    callbacks_due_.wait(lock, [this] { return stop_threads_ || !callbacks_.empty(); });
    if (callbacks_.empty()) return;
    std::vector<std::shared_ptr<Job>> due = std::exchange(callbacks_, {});
    in_callbacks_ = true;
    lock.unlock();
    for (std::shared_ptr<Job>& job : due) {
      job->AfterFinish();
      job.reset();  // what the callback holds is let go of here
    }
    lock.lock();
    in_callbacks_ = false;
    news_ = true;  // somebody may wait for the end of callbacks
    TellLeader();
  }
}

// Does everything that can be done without waiting. Returns whether anything came in.
bool Engine::Pump() {
  bool progress = HandleEnded();
  for (WorkerSlot& slot : slots_) {
    if (slot.state != WorkerSlot::State::kVacant) progress = Receive(slot) || progress;
  }
  HandleLateTasks();
  if (StartIsDue()) StartWorkers();
  Dispatch();
  HandleWaitingTasks();
  TellFollowers();
  return progress;
}

}  // namespace shoal::pool_internal
