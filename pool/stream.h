#ifndef SHOAL_POOL_STREAM_H_
#define SHOAL_POOL_STREAM_H_

#include <cstddef>
#include <deque>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "shoal/pool/engine.h"
#include "shoal/pool/future.h"
#include "shoal/pool/job.h"
#include "shoal/sync/status.h"

namespace shoal {
namespace pool_internal {

// The items of a stream that have been taken from the input and not yet given out. Under the engine's lock.
template <class R>
class StreamJob final : public Job {
 public:
  using Job::Job;

  void Append(std::string arguments) { window_.push_back({.arguments = std::move(arguments), .outcome = std::nullopt}); }

  void Encode(size_t item, std::string& out) override { out += At(item).arguments; }
  void Finish(size_t item, const TaskOutcome& outcome) override {
    At(item).outcome.emplace(DecodeOutcome<R>(outcome));
    At(item).arguments = {};
    finished_.push_back(item);
  }

  size_t size() const { return held_; }
  bool FrontDone() const { return !window_.empty() && window_.front().outcome.has_value(); }
  bool AnyDone() const { return !finished_.empty(); }

  std::pair<size_t, Outcome<R>> TakeFront() {
    const size_t item = first_;
    std::erase(finished_, item);
    return Take(item);
  }
  std::pair<size_t, Outcome<R>> TakeAny() {
    const size_t item = finished_.front();
    finished_.pop_front();
    return Take(item);
  }
  void CountNew() { ++held_; }

 private:
  struct Entry {
    std::string arguments;
    std::optional<Outcome<R>> outcome;
    bool given = false;
  };

  Entry& At(size_t item) { return window_[item - first_]; }
  std::pair<size_t, Outcome<R>> Take(size_t item) {
    std::pair<size_t, Outcome<R>> result(item, *std::move(At(item).outcome));
    At(item).given = true;
    --held_;
    while (!window_.empty() && window_.front().given) {
      window_.pop_front();
      ++first_;
    }
    return result;
  }

  std::deque<Entry> window_;
  size_t first_ = 0;  // the item of window_.front()
  size_t held_ = 0;
  std::deque<size_t> finished_;  // and not yet given out
};

}  // namespace pool_internal

// The results of IMap, one at a time, while the calls go on. The input is taken lazily, by the thread that calls Next, at most
// a window ahead: an endless input works in constant memory.
//
//   for (absl::StatusOr<Word> word : count.IMap(lines)) { … }
//
// Thread safety:   one thread at a time.
// Blocking:        Next, until the next result is there; also while it takes inputs, as long as the input blocks.
// Errors:          per item, as of Future::Get; the stream goes on after a failed item.
// Ownership:       of the input, if it was given as an rvalue; else the caller keeps it until the stream is gone. A stream that
//                  is dropped leaves the calls under way to the pool and ignores their results.
template <class R>
class [[nodiscard]] Stream {
 public:
  using Outcome = pool_internal::Outcome<R>;
  using Pull = std::function<bool(std::string&)>;  // appends the next arguments; false: no more

  Stream(std::shared_ptr<pool_internal::Engine> engine, const pool_internal::JobOptions& options, size_t window,
         bool ordered, Pull pull)
      : engine_(std::move(engine)),
        job_(std::make_shared<pool_internal::StreamJob<R>>(options)),
        window_(window),
        ordered_(ordered),
        pull_(std::move(pull)) {}

  // The next result: in the order of the inputs, or for IMapUnordered as they come. Nothing: the input is at its end and all
  // results were given out; so it stays. Within `timeout` nothing came: DeadlineExceeded made by this library, and nothing is
  // lost.
  std::optional<Outcome> Next(absl::Duration timeout = absl::InfiniteDuration()) {
    Fill();
    size_t held = 0;
    engine_->Locked([&] { held = job_->size(); });
    if (held == 0) return std::nullopt;
    if (!engine_->Await([this] { return ordered_ ? job_->FrontDone() : job_->AnyDone(); }, timeout)) {
      return Outcome(sync_internal::MakeStatus(absl::StatusCode::kDeadlineExceeded, "no result within the timeout"));
    }
    std::optional<Outcome> result;
    engine_->Locked([&] {
      auto [item, outcome] = ordered_ ? job_->TakeFront() : job_->TakeAny();
      index_ = item;
      result.emplace(std::move(outcome));
    });
    return result;
  }

  // Which input the last result belongs to, from 0.
  size_t index() const { return index_; }

  class Iterator {
   public:
    using value_type = Outcome;
    using difference_type = std::ptrdiff_t;
    explicit Iterator(Stream* stream) : stream_(stream) { ++*this; }
    const Outcome& operator*() const { return *current_; }
    const Outcome* operator->() const { return &*current_; }
    Iterator& operator++() {
      current_ = stream_->Next();
      return *this;
    }
    void operator++(int) { ++*this; }
    bool operator==(std::default_sentinel_t) const { return !current_.has_value(); }

   private:
    Stream* stream_;
    std::optional<Outcome> current_;
  };
  Iterator begin() { return Iterator(this); }
  std::default_sentinel_t end() { return {}; }

 private:
  void Fill() {
    while (pull_ != nullptr) {
      size_t held = 0;
      engine_->Locked([&] { held = job_->size(); });
      if (held >= window_) return;
      std::string arguments;
      if (!pull_(arguments)) {
        pull_ = nullptr;
        return;
      }
      engine_->Locked([&] {
        job_->Append(std::move(arguments));
        job_->CountNew();
      });
      engine_->Add(job_, 1);
    }
  }

  std::shared_ptr<pool_internal::Engine> engine_;
  std::shared_ptr<pool_internal::StreamJob<R>> job_;
  size_t window_;
  bool ordered_;
  Pull pull_;
  size_t index_ = 0;
};

}  // namespace shoal

#endif  // SHOAL_POOL_STREAM_H_
