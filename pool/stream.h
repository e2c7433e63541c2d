#ifndef SHOAL_POOL_STREAM_H_
#define SHOAL_POOL_STREAM_H_

#include <cstddef>
#include <deque>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
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

  void Append(std::string arguments) {
    held_bytes_ += arguments.size();
    held_.emplace(taken_++, Entry{.arguments = std::move(arguments), .outcome = std::nullopt});
  }

  void Encode(size_t item, std::string& out) override { out += held_.at(item).arguments; }
  void Finish(size_t item, const TaskOutcome& outcome) override {
    Entry& entry = held_.at(item);
    held_bytes_ -= entry.arguments.size();
    entry.arguments = {};
    entry.outcome.emplace(DecodeOutcome<R>(outcome));
    if (!ordered_) finished_.push_back(item);
  }

  void SetOrdered(bool ordered) { ordered_ = ordered; }
  size_t held() const { return held_.size(); }
  size_t held_bytes() const { return held_bytes_; }  // of arguments whose calls have not ended

  // The next result to give out is there.
  bool Ready() const {
    if (!ordered_) return !finished_.empty();
    const auto next = held_.find(given_);
    return next != held_.end() && next->second.outcome.has_value();
  }

  std::pair<size_t, Outcome<R>> Take() {
    size_t item = given_;
    if (!ordered_) {
      item = finished_.front();
      finished_.pop_front();
    }
    ++given_;
    auto entry = held_.extract(item);
    return {item, *std::move(entry.mapped().outcome)};
  }

 private:
  struct Entry {
    std::string arguments;
    std::optional<Outcome<R>> outcome;
  };

  bool ordered_ = true;
  std::unordered_map<size_t, Entry> held_;
  size_t held_bytes_ = 0;
  size_t taken_ = 0;             // items taken from the input
  size_t given_ = 0;             // items given out; in order: the next one
  std::deque<size_t> finished_;  // and not yet given out, if not in order
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
        pull_(std::move(pull)) {
    job_->SetOrdered(ordered);
  }

  // The next result: in the order of the inputs, or for IMapUnordered as they come. Nothing: the input is at its end and all
  // results were given out; so it stays. Within `timeout` nothing came: DeadlineExceeded made by this library, and nothing is
  // lost.
  std::optional<Outcome> Next(absl::Duration timeout = absl::InfiniteDuration()) {
    Fill();
    bool any = false;
    engine_->Locked([&] { any = job_->held() > 0; });
    if (!any) return std::nullopt;
    if (!engine_->Await([this] { return job_->Ready(); }, timeout)) {
      SHOAL_RETURN_IF_ERROR(engine_->CheckProcess());
      return Outcome(sync_internal::MakeStatus(absl::StatusCode::kDeadlineExceeded, "no result within the timeout"));
    }
    std::optional<Outcome> result;
    engine_->Locked([&] {
      auto [item, outcome] = job_->Take();
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
  // Takes inputs until a result can be given out, or as many are under way as may be. An input that is slow to come thus keeps
  // no result waiting that is there already.
  void Fill() {
    while (pull_ != nullptr) {
      bool enough = false;
      engine_->Locked([&] { enough = job_->Ready() || job_->held() >= window_ || job_->held_bytes() >= kMostHeldBytes; });
      if (enough) return;
      std::string arguments;
      if (!pull_(arguments)) {
        pull_ = nullptr;
        return;
      }
      engine_->Locked([&] { job_->Append(std::move(arguments)); });
      engine_->Add(job_, 1);
    }
  }

  static constexpr size_t kMostHeldBytes = size_t{64} << 20;

  std::shared_ptr<pool_internal::Engine> engine_;
  std::shared_ptr<pool_internal::StreamJob<R>> job_;
  size_t window_;
  Pull pull_;
  size_t index_ = 0;
};

}  // namespace shoal

#endif  // SHOAL_POOL_STREAM_H_
