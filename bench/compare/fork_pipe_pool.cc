#include "shoal/bench/compare/fork_pipe_pool.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <utility>

#include "shoal/sync/status.h"

namespace shoal::bench {
namespace {

using shm_internal::UniqueFd;
using sync_internal::ErrnoStatus;

// Writes of up to PIPE_BUF bytes are whole, and so are reads of what they wrote; 64 tasks are far less.
bool WriteAll(int fd, const void* bytes, size_t size) { return write(fd, bytes, size) == static_cast<ssize_t>(size); }

[[noreturn]] void Work(ForkPipePool::Function function, size_t at_once) {
  std::vector<uint64_t> values(at_once);
  for (;;) {
    const ssize_t size = read(STDIN_FILENO, values.data(), values.size() * sizeof(uint64_t));
    if (size <= 0) _exit(0);  // the parent has closed its end
    const size_t count = static_cast<size_t>(size) / sizeof(uint64_t);
    for (size_t i = 0; i < count; ++i) values[i] = function(values[i]);
    if (!WriteAll(STDOUT_FILENO, values.data(), count * sizeof(uint64_t))) _exit(1);
  }
}

}  // namespace

absl::StatusOr<ForkPipePool> ForkPipePool::Start(Function function, const Options& options) {
  ForkPipePool pool(options);
  pool.buffer_.resize(options.in_flight);
  for (int i = 0; i < options.workers; ++i) SHOAL_RETURN_IF_ERROR(pool.StartWorker(function));
  return pool;
}

absl::Status ForkPipePool::StartWorker(Function function) {
  std::array<int, 2> tasks;
  std::array<int, 2> results;
  if (pipe2(tasks.data(), O_CLOEXEC) != 0) return ErrnoStatus(errno, "pipe2");
  UniqueFd task_reader(tasks[0]);
  Worker worker;
  worker.tasks = UniqueFd(tasks[1]);
  if (pipe2(results.data(), O_CLOEXEC) != 0) return ErrnoStatus(errno, "pipe2");
  worker.results = UniqueFd(results[0]);
  UniqueFd result_writer(results[1]);
  worker.in_flight.resize(options_.in_flight);
  worker.pid = fork();
  if (worker.pid < 0) return ErrnoStatus(errno, "fork");
  if (worker.pid == 0) {
    dup2(task_reader.get(), STDIN_FILENO);
    dup2(result_writer.get(), STDOUT_FILENO);
    // Without this, children would hold each other's pipes open and never see their end.
    close_range(STDERR_FILENO + 1, ~0u, 0);
    Work(function, options_.coalesce ? options_.in_flight : 1);
  }
  workers_.push_back(std::move(worker));
  return absl::OkStatus();
}

ForkPipePool::~ForkPipePool() {
  for (Worker& worker : workers_) worker.tasks = UniqueFd();
  for (const Worker& worker : workers_) waitpid(worker.pid, nullptr, 0);
}

absl::Status ForkPipePool::Feed(Worker& worker, std::span<const uint64_t> inputs, size_t& next) {
  const size_t count = std::min(options_.in_flight - worker.count, inputs.size() - next);
  for (size_t i = 0; i < count; ++i) {
    worker.in_flight[(worker.oldest + worker.count + i) % options_.in_flight] = next + i;
  }
  const size_t at_once = options_.coalesce ? count : 1;
  for (size_t i = 0; i < count; i += at_once) {
    if (!WriteAll(worker.tasks.get(), &inputs[next + i], at_once * sizeof(uint64_t))) return ErrnoStatus(errno, "write");
  }
  worker.count += count;
  next += count;
  return absl::OkStatus();
}

absl::StatusOr<size_t> ForkPipePool::Collect(Worker& worker, std::span<uint64_t> outputs) {
  if (worker.count == 0) return 0;
  const ssize_t size = read(worker.results.get(), buffer_.data(), buffer_.size() * sizeof(uint64_t));
  if (size < 0 && errno == EAGAIN) return 0;
  if (size <= 0) return ErrnoStatus(size < 0 ? errno : EPIPE, "a worker is gone");
  const size_t count = static_cast<size_t>(size) / sizeof(uint64_t);
  for (size_t i = 0; i < count; ++i) {
    outputs[worker.in_flight[worker.oldest]] = buffer_[i];
    worker.oldest = (worker.oldest + 1) % options_.in_flight;
  }
  worker.count -= count;
  return count;
}

absl::Status ForkPipePool::WaitForResults() {
  std::vector<struct pollfd> fds;
  for (const Worker& worker : workers_) fds.push_back({.fd = worker.results.get(), .events = POLLIN, .revents = 0});
  if (poll(fds.data(), fds.size(), -1) < 0) return ErrnoStatus(errno, "poll");
  return absl::OkStatus();
}

void ForkPipePool::SetReading(int flags) {
  for (const Worker& worker : workers_) fcntl(worker.results.get(), F_SETFL, flags);
}

absl::StatusOr<std::vector<uint64_t>> ForkPipePool::Map(std::span<const uint64_t> inputs) {
  std::vector<uint64_t> outputs(inputs.size());
  size_t next = 0;
  SetReading(O_NONBLOCK);  // looks at all workers before it sleeps
  for (Worker& worker : workers_) SHOAL_RETURN_IF_ERROR(Feed(worker, inputs, next));
  for (size_t left = inputs.size(); left > 0;) {
    size_t came = 0;
    for (Worker& worker : workers_) {
      SHOAL_ASSIGN_OR_RETURN(const size_t collected, Collect(worker, outputs));
      if (collected > 0) SHOAL_RETURN_IF_ERROR(Feed(worker, inputs, next));
      came += collected;
    }
    left -= came;
    if (came == 0) SHOAL_RETURN_IF_ERROR(WaitForResults());
  }
  SetReading(0);
  return outputs;
}

absl::StatusOr<uint64_t> ForkPipePool::Apply(uint64_t input) {
  const Worker& worker = workers_.front();
  if (!WriteAll(worker.tasks.get(), &input, sizeof input)) return ErrnoStatus(errno, "write");
  uint64_t output = 0;
  const ssize_t size = read(worker.results.get(), &output, sizeof output);  // one wait and no poll: the fastest there is
  if (size != sizeof output) return ErrnoStatus(size < 0 ? errno : EPIPE, "a worker is gone");
  return output;
}

}  // namespace shoal::bench
