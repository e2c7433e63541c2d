// The worker program: loads plug-ins, runs the tasks that its pool sends, one at a time, and ends when the pool says so or is
// gone. It is embedded in every program that uses a pool (worker_program.h).
//
//   argv: [1] offset of its WorkerShared, [2] name of the initializer or "", [3…] plug-ins
//   descriptors: wire.h
//
//  If this process dies …                      the pool sees …
//   before kHello                               a worker that never got ready; how it ended
//   between two tasks                           nobody's task was lost: those waiting here go to other workers
//   between the claim and the result            the task that was running: retried or failed, with how this process ended
//   after Publish, before Ring                  the result: the pool drains the ring when the kernel tells it of the death
//  If the pool's process dies, this one ends at once, whatever it is doing: the watcher thread sees the pidfd.

#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "shoal/ipc/byte_ring.h"
#include "shoal/ipc/codec.h"
#include "shoal/ipc/frame_stream.h"
#include "shoal/plugins/abi.h"
#include "shoal/plugins/loader.h"
#include "shoal/pool/messages.h"
#include "shoal/pool/wire.h"
#include "shoal/shm/inheritance.h"
#include "shoal/shm/segment.h"
#include "shoal/shm/unique_fd.h"
#include "shoal/sync/deadline.h"
#include "shoal/sync/status.h"

namespace shoal::pool_internal {
namespace {

using ipc_internal::Frame;
using ipc_internal::FrameReceiver;
using ipc_internal::FrameSender;
using sync_internal::Deadline;
using sync_internal::MakeStatus;

// What this process cannot even tell its pool: the exit code appears in the pool's message.
[[noreturn]] void GiveUp(std::string_view why) {
  const std::string line = absl::StrCat("shoal-worker: ", absl::string_view(why.data(), why.size()), "\n");
  [[maybe_unused]] const ssize_t ignored = write(STDERR_FILENO, line.data(), line.size());
  _exit(70);
}

// Ends this process when the parent is gone, even while a task computes for ever. (PR_SET_PDEATHSIG would fire when the
// *thread* that started us ends.) The pidfd was inherited, so there is no moment at which the parent's death could be missed.
void FollowParent() {
  std::thread([] {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, nullptr);
    struct pollfd parent = {.fd = kParentDescriptor, .events = POLLIN, .revents = 0};
    while (poll(&parent, 1, -1) <= 0) {
    }
    _exit(0);
  }).detach();
}

// The terminal's Ctrl-C is for the parent, which decides what becomes of its workers.
void IgnoreInterrupt() {
  signal(SIGINT, SIG_IGN);
  sigset_t interrupt;
  sigemptyset(&interrupt);
  sigaddset(&interrupt, SIGINT);
  pthread_sigmask(SIG_UNBLOCK, &interrupt, nullptr);
}

// A core dump delays the moment at which others learn of a death, by as long as it takes to write.
void NoCoreDumps() {
  const struct rlimit none = {.rlim_cur = 0, .rlim_max = 0};
  setrlimit(RLIMIT_CORE, &none);
}

// A task may fork, and its child return from the task's function: it then goes on as a second worker, which it must not be.
// The segment is not mapped in it (KeepFromForkedChildren); this ends it before it finds out.
std::atomic<bool> is_forked_child{false};
void WatchForForks() {
  // relaxed: a forked child has one thread
  pthread_atfork(nullptr, nullptr, [] { is_forked_child.store(true, std::memory_order_relaxed); });
}

class Worker {
 public:
  Worker(const Segment& segment, WorkerShared& shared, PoolShared& pool, const ipc_internal::RingView& tasks,
         const ipc_internal::RingView& results, uint64_t max_message_bytes)
      : segment_(segment),
        shared_(shared),
        pool_(pool),
        tasks_(tasks, max_message_bytes),
        results_(results),
        max_message_bytes_(max_message_bytes) {}

  // Loads what is needed and says so. False if that failed; the pool has been told why.
  bool SayHello(const std::vector<std::string>& plugins, const std::string& initializer) {
    const absl::Status status = Load(plugins, initializer);
    if (!status.ok()) {
      Send({.kind = kRefusal, .detail = static_cast<uint32_t>(status.code())},
           std::string_view(status.message().data(), status.message().size()));
      return false;
    }
    Catalogue catalogue;
    for (const shoal_function* function : functions_) {
      catalogue.emplace_back(function->name, function->signature, function->help);
    }
    std::string bytes;
    ipc_internal::EncodeMessage(bytes, catalogue);
    Send({.kind = kHello}, bytes);
    return true;
  }

  // Runs tasks until the pool says stop.
  void Run() {
    while (const std::optional<Frame> frame = NextFrame()) {
      if (frame->header.kind == kStop) return;
      if (frame->header.kind == kResume) {
        shared_.claim.store(begun_, std::memory_order_release);  // claim.begin (release): opened, with nothing new begun
        pool_.bell.Ring();
      } else if (Claim(frame->header)) {
        RunTask(*frame);
      }
      // Room is given back when nothing is left to do, and now and then before that: a full ring must not run dry first.
      if (++frames_since_release_ == kFramesPerRelease && tasks_.Release()) pool_.bell.Ring();
      if (frames_since_release_ == kFramesPerRelease) frames_since_release_ = 0;
    }
  }

 private:
  absl::Status Load(const std::vector<std::string>& plugins, const std::string& initializer) {
    for (const std::string& plugin : plugins) {
      SHOAL_ASSIGN_OR_RETURN(const std::vector<const shoal_function*> functions, plugins_internal::LoadPlugin(plugin));
      for (const shoal_function* function : functions) {
        if (Find(function->name) != nullptr) {
          return MakeStatus(absl::StatusCode::kAlreadyExists,
                            absl::StrCat("two plug-ins have a function \"", function->name, "\", one of them ", plugin));
        }
        functions_.push_back(function);
      }
    }
    if (initializer.empty()) return absl::OkStatus();
    const shoal_function* const function = Find(initializer);
    if (function == nullptr) {
      return MakeStatus(absl::StatusCode::kNotFound, absl::StrCat("no plug-in has the initializer \"", initializer, "\""));
    }
    if (std::string_view(function->signature).substr(0, 4) != "()->") {
      return MakeStatus(absl::StatusCode::kFailedPrecondition,
                        absl::StrCat("the initializer \"", initializer, "\" must not take arguments"));
    }
    return RunInitializer(*function);
  }

  const shoal_function* Find(std::string_view name) const {
    const auto found = std::find_if(functions_.begin(), functions_.end(),
                                    [&](const shoal_function* function) { return function->name == name; });
    return found == functions_.end() ? nullptr : *found;
  }

  static absl::Status RunInitializer(const shoal_function& function) {
    absl::Status outcome;
    const shoal_reply reply = {
        .struct_size = sizeof reply,
        .context = &outcome,
        .value = [](void*, const void*, size_t) {},
        .failure =
            [](void* context, int, int, const char* type, const char* message) {
              *static_cast<absl::Status*>(context) = MakeStatus(
                  absl::StatusCode::kFailedPrecondition, absl::StrCat("the initializer failed: ", type, ": ", message));
            },
    };
    function.call(&function, nullptr, 0, &reply);
    return outcome;
  }

  // Begins a task, unless the pool has taken it back.
  bool Claim(const ipc_internal::FrameHeader& task) {
    if ((task.detail & kTimed) != 0) {
      // relaxed: published by the claim
      shared_.started_at.store(Deadline::Now(), std::memory_order_relaxed);
    }
    uint64_t open = begun_;
    // claim.begin (release). relaxed on failure: the pool has closed the claim, and this task is no longer ours
    if (!shared_.claim.compare_exchange_strong(open, task.id, std::memory_order_release, std::memory_order_relaxed)) {
      return false;
    }
    begun_ = task.id;
    return true;
  }

  void RunTask(const Frame& task) {
    const uint32_t index = task.header.detail & ~kTimed;
    current_ = task.header.id;
    if (task.header.kind != kTask || index >= functions_.size()) {
      Fail({.kind = SHOAL_FAILURE_ARGUMENTS, .message = "no such function in this worker"});
      return;
    }
    // pthread_exit in a task unwinds this thread, and would leave a process without anybody who works.
    struct Unwound {
      bool armed = true;
      ~Unwound() {
        if (armed) GiveUp("a task ended its thread (pthread_exit)");
      }
    } unwound;
    const shoal_reply reply = {
        .struct_size = sizeof reply, .context = this, .value = &Worker::OnValue, .failure = &Worker::OnFailure};
    functions_[index]->call(functions_[index], task.bytes.data(), task.bytes.size(), &reply);
    unwound.armed = false;
    if (current_ != 0) Fail({.kind = SHOAL_FAILURE_ARGUMENTS, .message = "the plug-in left no result"});
  }

  static void OnValue(void* context, const void* bytes, size_t size) {
    auto& worker = *static_cast<Worker*>(context);
    if (size > worker.max_message_bytes_) {
      worker.Fail({.kind = kTooLarge,
                   .message = absl::StrCat("the result has ", size, " bytes; the limit is ", worker.max_message_bytes_)});
      return;
    }
    worker.Reply(kValue, {static_cast<const char*>(bytes), size});
  }

  static void OnFailure(void* context, int kind, int code, const char* type, const char* message) {
    static_cast<Worker*>(context)->Fail(
        {.kind = kind, .code = code, .type = Shortened(type), .message = Shortened(message)});
  }

  // A message is for people. (A plug-in in C may leave it out.)
  static std::string Shortened(const char* text) {
    constexpr size_t kLongest = 16 * 1024;
    if (text == nullptr) return "";
    const size_t size = strnlen(text, kLongest + 1);
    return size <= kLongest ? std::string(text, size) : std::string(text, kLongest) + "…";
  }

  void Fail(const FailureMessage& failure) {
    std::string bytes;
    ipc_internal::EncodeMessage(bytes, failure);
    Reply(kFailure, bytes);
  }

  // The outcome of the current task: the first one counts.
  void Reply(ResultFrame kind, std::string_view bytes) {
    if (current_ == 0) return;
    if (is_forked_child.load(std::memory_order_relaxed)) _exit(0);  // relaxed: set by this very thread
    Send({.kind = kind, .id = std::exchange(current_, 0)}, bytes);
  }

  // Sends a frame; waits as long as there is no room for all of it.
  void Send(const ipc_internal::FrameHeader& header, std::string_view bytes) {
    Expect(results_.Append(header, std::as_bytes(std::span(bytes.data(), bytes.size()))));
    for (;;) {
      if (Expect(results_.Publish())) pool_.bell.Ring();
      if (results_.drained()) return;
      results_.AskForRoom();
      shared_.bell.Arm();
      if (Expect(results_.Publish())) {
        shared_.bell.Disarm();
        pool_.bell.Ring();
      } else {
        shared_.bell.Sleep(segment_.deaths(), SeenDeaths(), Deadline::Infinite());
      }
    }
  }

  // The next frame; sleeps until there is one.
  std::optional<Frame> NextFrame() {
    for (int looks = 0;; ++looks) {
      std::optional<Frame> frame = Expect(tasks_.Next());
      if (frame.has_value()) {
        if (looks > 0) shared_.bell.Disarm();
        return frame;
      }
      if (tasks_.Release()) pool_.bell.Ring();  // the pool waits for room
      if (looks < kLooksBeforeSleep) {
        sched_yield();
      } else if (looks == kLooksBeforeSleep) {
        shared_.bell.Arm();
      } else {
        shared_.bell.Sleep(segment_.deaths(), SeenDeaths(), Deadline::Infinite());
        looks = -1;
      }
    }
  }

  // Deaths of others are the pool's business; here the word only has to be compared with what it is now.
  uint32_t SeenDeaths() const { return segment_.deaths().load(std::memory_order_relaxed); }  // relaxed: see above

  static void Expect(const absl::Status& status) {
    if (!status.ok()) GiveUp({status.message().data(), status.message().size()});
  }
  template <class T>
  static T Expect(absl::StatusOr<T> value) {
    Expect(value.status());
    return *std::move(value);
  }

  // Giving the processor away a few times before sleeping spares both sides a system call when the next task is already on its
  // way. Measured with no-op tasks on 2 cores: see bench/.
  static constexpr int kLooksBeforeSleep = 2;

  static constexpr int kFramesPerRelease = 32;

  const Segment& segment_;
  WorkerShared& shared_;
  PoolShared& pool_;
  FrameReceiver tasks_;
  FrameSender results_;
  const uint64_t max_message_bytes_;
  std::vector<const shoal_function*> functions_;
  int frames_since_release_ = 0;
  uint64_t begun_ = 0;    // sequence number of the last task begun
  uint64_t current_ = 0;  // sequence number of the task that has no outcome yet; 0: none
};

int Main(int argc, char** argv) {
  FollowParent();
  IgnoreInterrupt();
  NoCoreDumps();
  WatchForForks();
  prctl(PR_SET_NAME, "shoal-worker");
  close(kProgramDescriptor);
  shm_internal::CloseInheritanceOnExec();  // what a task starts by itself is none of the tree
  setvbuf(stdout, nullptr, _IOLBF, 0);  // what a killed worker printed before is not lost with its buffer
  if (argc < 3) GiveUp("started by hand? it is started by a pool");

  auto segment = Segment::Attach(shm_internal::UniqueFd(kSegmentDescriptor));
  if (!segment.ok()) GiveUp(std::string(segment.status().message()));
  // A task that forks must not leave a second writer behind.
  if (!segment->KeepFromForkedChildren().ok()) GiveUp("cannot keep the segment from forked children");

  uint64_t offset = 0;
  std::from_chars(argv[1], argv[1] + std::strlen(argv[1]), offset);
  auto* const shared = shm_internal::ObjectIn<WorkerShared>(*segment, offset);
  if (shared == nullptr) GiveUp("no worker's place at that offset");
  auto* const pool = shm_internal::ObjectIn<PoolShared>(*segment, shared->pool_shared_offset);
  const auto tasks = ipc_internal::ViewRing(*segment, shared->tasks);
  const auto results = ipc_internal::ViewRing(*segment, shared->results);
  if (pool == nullptr || !tasks.ok() || !results.ok()) GiveUp("the segment does not describe a worker's place");

  Worker worker(*segment, *shared, *pool, *tasks, *results, shared->max_message_bytes);
  if (worker.SayHello({argv + 3, argv + argc}, argv[2])) worker.Run();
  exit(0);  // with what plug-ins registered for the end, and flushed streams
}

}  // namespace
}  // namespace shoal::pool_internal

int main(int argc, char** argv) { return shoal::pool_internal::Main(argc, argv); }
