#ifndef SHOAL_CLI_CALL_WINDOW_H_
#define SHOAL_CLI_CALL_WINDOW_H_

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "shoal/cli/totals.h"
#include "shoal/pool/job.h"

namespace shoal::cli_internal {

// One call as its line says: the bytes of its arguments, or what is wrong with the line.
struct NewCall {
  absl::StatusOr<std::string> arguments;
  uint64_t input_bytes = 0;
};

// How one call ended.
struct EndedCall {
  uint64_t index = 0;                 // among all calls, from 0
  absl::StatusOr<std::string> bytes;  // of the result
};

// The calls between the lines that have been read and the results that have been printed: a bounded number, in constant memory
// however long the input is. One thread reads and appends, one takes and prints; the pool's threads bring the results. With
// `ordered`, calls are handed out in the order of their lines, else as they end.
//
//   window->WaitForRoom();                                      while (window->Take(ended)) Print(ended);
//   engine->Add(window, window->Append(std::move(calls)));
//   … window->EndInput();
//
// A line that makes no call takes its place in the order like any other. It is one job of the pool's, whose items are the lines
// that do make one.
//
// Thread safety:   all calls from any thread; Append and WaitForRoom from one, Take from one.
// Blocking:        WaitForRoom, until half of the window is free; Take, until there is something to print. Results that come
//                  fast are handed out together, a few milliseconds later than they came; as soon as nothing is under way, or
//                  nothing has been handed out for that long, they are handed out at once.
// Allocation:      arguments and results of the calls in the window: at most `most_calls`, and no further ones while they
//                  have more than `most_bytes`.
class CallWindow final : public pool_internal::Job {
 public:
  CallWindow(const pool_internal::JobOptions& options, bool ordered, size_t most_calls, size_t most_bytes);

  // False: the run is to stop.
  [[nodiscard]] bool WaitForRoom();

  // Returns how many of the calls are for the pool: that many items are to be added to this job.
  [[nodiscard]] size_t Append(std::vector<NewCall> calls);
  void EndInput();

  // Replaces `ended` by what is to be printed next. False: nothing will come any more.
  [[nodiscard]] bool Take(std::vector<EndedCall>& ended);

  // A result that cannot be printed makes a failed call of one that had ended well.
  void CountFailure();

  // What has not ended never will: Take hands out what had ended in order, and then no more.
  void Stop();

  Totals totals();

  // The pool's side.
  void Encode(size_t item, std::string& out) override;
  void Finish(size_t item, const pool_internal::TaskOutcome& outcome) override;

 private:
  struct Entry {
    std::string arguments;
    uint64_t input_bytes = 0;
    std::optional<absl::StatusOr<std::string>> outcome;
    bool ended = false;
  };

  Entry& At(uint64_t call) { return window_[call - first_]; }
  void End(uint64_t call, absl::StatusOr<std::string> outcome);
  void HandOver();
  bool Enough() const { return ready_.size() >= kBatch || under_way_ == 0 || stopped_; }

  static constexpr size_t kBatch = 512;  // results that are worth waking the printer for

  const bool ordered_;
  const size_t most_calls_;
  const size_t most_bytes_;

  // A leaf: the pool calls with its own lock held, so nothing of the pool's may be called under this one.
  std::mutex mutex_;
  std::condition_variable room_;           // the reader: half of the window is free
  std::condition_variable ready_changed_;  // the printer
  // All below: guarded by mutex_.
  std::deque<Entry> window_;         // calls from first_ on
  uint64_t first_ = 0;               // the call of window_.front()
  std::deque<uint64_t> item_calls_;  // the calls of the items from first_item_ on
  size_t first_item_ = 0;
  std::vector<EndedCall> ready_;  // have ended and may be printed
  size_t under_way_ = 0;          // calls that have not ended
  size_t held_bytes_ = 0;         // arguments in window_, results in window_ and ready_
  bool reader_waits_ = false;
  bool printer_waits_for_any_ = false;
  bool printer_waits_for_many_ = false;
  bool input_ended_ = false;
  bool stopped_ = false;
  int64_t last_take_ = 0;  // nanoseconds of the monotonic clock
  Totals totals_;
};

}  // namespace shoal::cli_internal

#endif  // SHOAL_CLI_CALL_WINDOW_H_
