#ifndef SHOAL_POOL_JOB_H_
#define SHOAL_POOL_JOB_H_

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace shoal::pool_internal {

// How one task ended: exactly one of these per item of a job.
struct TaskOutcome {
  absl::Status status;     // OK: `bytes` is the encoded result
  std::string_view bytes;  // valid during the call it is passed to
};

struct JobOptions {
  uint32_t function = 0;
  absl::Duration timeout = absl::InfiniteDuration();  // for one item, from the moment a worker begins it
  int max_retries = 1;                                // after the death of the worker that ran it
  size_t chunk = 1;                                   // items that go to one worker together
};

// A number of tasks for one function. Derived classes know the arguments and what becomes of the results; the engine knows
// which items have been issued. All virtual calls happen under the engine's lock, except AfterFinish.
class Job {
 public:
  explicit Job(const JobOptions& options) : options(options) {}
  virtual ~Job() = default;
  Job(const Job&) = delete;
  Job& operator=(const Job&) = delete;

  // Appends the arguments of `item`. May be called again for the same item, after the death of a worker.
  virtual void Encode(size_t item, std::string& out) = 0;

  // The item has ended. Called once per item.
  virtual void Finish(size_t item, const TaskOutcome& outcome) = 0;

  // Whether AfterFinish shall be called when all items so far have ended. There, without the lock, the user's callbacks run.
  virtual bool WantsAfterFinish() const { return false; }
  virtual void AfterFinish() {}

  const JobOptions options;

 private:
  friend class Engine;
  size_t ToIssue() const { return again_.size() + (size_ - next_); }
  size_t TakeItem() {
    if (again_.empty()) return next_++;
    const size_t item = again_.back();
    again_.pop_back();
    return item;
  }

  size_t size_ = 0;                                  // items that exist
  size_t next_ = 0;                                  // items below this one have been issued
  size_t unfinished_ = 0;                            // items that have not ended
  std::optional<std::list<Job*>::iterator> queued_;  // its place in the engine's queue
  std::shared_ptr<Job> held_;                        // itself, as long as items have not ended
  std::vector<size_t> again_;                        // items to be issued once more, the next at the end
  std::unordered_map<size_t, int> deaths_;           // workers that died while they ran the item
  std::unordered_map<size_t, int> unbegun_;          // workers that died before they could begin it, though it was the next
};

}  // namespace shoal::pool_internal

#endif  // SHOAL_POOL_JOB_H_
