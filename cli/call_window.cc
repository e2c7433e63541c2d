#include "shoal/cli/call_window.h"

#include <chrono>
#include <utility>

#include "shoal/sync/deadline.h"

namespace shoal::cli_internal {
namespace {

using sync_internal::Deadline;

// How long results may wait for others to be printed with them. People do not notice, and a thousand writes become one.
constexpr int64_t kGatherNanoseconds = 5'000'000;

size_t SizeOf(const absl::StatusOr<std::string>& outcome) { return outcome.ok() ? outcome->size() : 0; }

}  // namespace

CallWindow::CallWindow(const pool_internal::JobOptions& options, bool ordered, size_t most_calls, size_t most_bytes)
    : Job(options), ordered_(ordered), most_calls_(most_calls), most_bytes_(most_bytes) {}

bool CallWindow::WaitForRoom() {
  std::unique_lock lock(mutex_);
  const auto held = [this] { return window_.size() + ready_.size(); };
  const auto full = [&] { return held() >= most_calls_ || (held_bytes_ > most_bytes_ && held() > 0); };
  if (!full()) return !stopped_;
  // Half of it, so that the reader works in runs and not in turns with the printer.
  const auto half_free = [&] {
    return stopped_ || held() == 0 || (held() <= most_calls_ / 2 && held_bytes_ <= most_bytes_ / 2);
  };
  reader_waits_ = true;
  room_.wait(lock, half_free);
  reader_waits_ = false;
  return !stopped_;
}

size_t CallWindow::Append(std::vector<NewCall> calls) {
  const std::lock_guard lock(mutex_);
  size_t items = 0;
  for (NewCall& call : calls) {
    const uint64_t index = first_ + window_.size();
    window_.push_back({.arguments = {}, .input_bytes = call.input_bytes, .outcome = std::nullopt});
    ++under_way_;
    if (call.arguments.ok()) {
      held_bytes_ += call.arguments->size();
      window_.back().arguments = *std::move(call.arguments);
      item_calls_.push_back(index);
      ++items;
    } else {
      End(index, call.arguments.status());
    }
  }
  HandOver();
  return items;
}

void CallWindow::EndInput() {
  const std::lock_guard lock(mutex_);
  input_ended_ = true;
  ready_changed_.notify_one();
}

void CallWindow::Encode(size_t item, std::string& out) {
  const std::lock_guard lock(mutex_);
  out += At(item_calls_[item - first_item_]).arguments;
}

void CallWindow::Finish(size_t item, const pool_internal::TaskOutcome& outcome) {
  const std::lock_guard lock(mutex_);
  if (stopped_) return;
  const uint64_t call = item_calls_[item - first_item_];
  if (outcome.status.ok()) {
    End(call, std::string(outcome.bytes));
  } else {
    End(call, outcome.status);
  }
  HandOver();
}

void CallWindow::End(uint64_t call, absl::StatusOr<std::string> outcome) {
  Entry& entry = At(call);
  held_bytes_ += SizeOf(outcome);
  held_bytes_ -= entry.arguments.size();
  entry.arguments = {};
  entry.ended = true;
  --under_way_;
  ++totals_.calls;
  totals_.failed += outcome.ok() ? 0 : 1;
  totals_.input_bytes += entry.input_bytes;
  if (ordered_) {
    entry.outcome = std::move(outcome);
  } else {
    ready_.push_back({.index = call, .bytes = std::move(outcome)});
  }
}

// What may be printed leaves the window, and the printer learns of it when it is worth waking for.
void CallWindow::HandOver() {
  while (!window_.empty() && window_.front().ended) {
    if (ordered_) ready_.push_back({.index = first_, .bytes = *std::move(window_.front().outcome)});
    window_.pop_front();
    if (!item_calls_.empty() && item_calls_.front() == first_) {
      item_calls_.pop_front();
      ++first_item_;
    }
    ++first_;
  }
  if ((printer_waits_for_any_ && !ready_.empty()) || (printer_waits_for_many_ && Enough())) ready_changed_.notify_one();
}

bool CallWindow::Take(std::vector<EndedCall>& ended) {
  ended.clear();
  std::unique_lock lock(mutex_);
  printer_waits_for_any_ = true;
  ready_changed_.wait(lock, [this] { return !ready_.empty() || stopped_ || (input_ended_ && under_way_ == 0); });
  printer_waits_for_any_ = false;
  if (const int64_t left = last_take_ + kGatherNanoseconds - Deadline::Now(); left > 0 && !Enough()) {
    printer_waits_for_many_ = true;
    ready_changed_.wait_for(lock, std::chrono::nanoseconds(left), [this] { return Enough(); });
    printer_waits_for_many_ = false;
  }
  last_take_ = Deadline::Now();
  std::swap(ended, ready_);
  for (const EndedCall& call : ended) held_bytes_ -= SizeOf(call.bytes);
  if (reader_waits_) room_.notify_one();
  return !ended.empty();
}

void CallWindow::CountFailure() {
  const std::lock_guard lock(mutex_);
  ++totals_.failed;
}

void CallWindow::Stop() {
  const std::lock_guard lock(mutex_);
  stopped_ = true;
  room_.notify_one();
  ready_changed_.notify_one();
}

Totals CallWindow::totals() {
  const std::lock_guard lock(mutex_);
  return totals_;
}

}  // namespace shoal::cli_internal
