#ifndef SHOAL_BENCH_COMPARE_QUEUE_CONTESTANTS_H_
#define SHOAL_BENCH_COMPARE_QUEUE_CONTESTANTS_H_

#include <fcntl.h>
#include <mqueue.h>
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <boost/interprocess/ipc/message_queue.hpp>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <string>

#include "shoal/sync/check.h"

// Queues between processes: what else there is, behind the same calls. A contestant is made by the parent; its children inherit it.
//
//   Open(use)   in each process, before it is used
//   Put(bytes)  Get(bytes)     block; `bytes` has room for one message
//   Close()     after the last, of those that need it

namespace shoal::bench {

enum class QueueUse { kPut, kGet };

// In messages; a power of two.
constexpr size_t QueueCapacity(size_t message_bytes) { return message_bytes <= 4096 ? 1024 : 64; }

// Dmitry Vyukov's bounded ring in shared memory: the fastest there is that several put into and take from. Knows no sleep, and no death.
class VyukovRing final {
 public:
  explicit VyukovRing(size_t message_bytes) : message_bytes_(message_bytes) {
    stride_ = (sizeof(std::atomic<uint64_t>) + message_bytes + 63) / 64 * 64;
    capacity_ = QueueCapacity(message_bytes);
    const size_t bytes = kHeader + capacity_ * stride_;
    void* const memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    SHOAL_CHECK(memory != MAP_FAILED, "a benchmark needs memory");
    base_ = static_cast<std::byte*>(memory);
    bytes_ = bytes;
    for (uint64_t i = 0; i < capacity_; ++i) Sequence(i).store(i);
  }
  VyukovRing(const VyukovRing&) = delete;
  VyukovRing& operator=(const VyukovRing&) = delete;
  ~VyukovRing() { munmap(base_, bytes_); }

  void Open(QueueUse) {}
  void Put(const void* message) {
    uint64_t position = Word(0).load(std::memory_order_relaxed);
    for (int spins = 0;;) {
      const uint64_t sequence = Sequence(position).load(std::memory_order_acquire);
      if (sequence == position) {
        if (Word(0).compare_exchange_weak(position, position + 1, std::memory_order_relaxed)) break;
        continue;
      }
      if (sequence < position) Pause(spins);
      position = Word(0).load(std::memory_order_relaxed);
    }
    std::memcpy(Data(position), message, message_bytes_);
    Sequence(position).store(position + 1, std::memory_order_release);
  }
  void Get(void* message) {
    uint64_t position = Word(1).load(std::memory_order_relaxed);
    for (int spins = 0;;) {
      const uint64_t sequence = Sequence(position).load(std::memory_order_acquire);
      if (sequence == position + 1) {
        if (Word(1).compare_exchange_weak(position, position + 1, std::memory_order_relaxed)) break;
        continue;
      }
      if (sequence < position + 1) Pause(spins);
      position = Word(1).load(std::memory_order_relaxed);
    }
    std::memcpy(message, Data(position), message_bytes_);
    Sequence(position).store(position + capacity_, std::memory_order_release);
  }

 private:
  static constexpr size_t kHeader = 256;

  static void Pause(int& spins) {
    if (++spins % 128 == 0) {
      sched_yield();
    } else {
      __builtin_ia32_pause();
    }
  }
  std::atomic<uint64_t>& Word(int which) { return *reinterpret_cast<std::atomic<uint64_t>*>(base_ + which * 128); }
  std::byte* Cell(uint64_t position) { return base_ + kHeader + (position & (capacity_ - 1)) * stride_; }
  std::atomic<uint64_t>& Sequence(uint64_t position) { return *reinterpret_cast<std::atomic<uint64_t>*>(Cell(position)); }
  std::byte* Data(uint64_t position) { return Cell(position) + sizeof(std::atomic<uint64_t>); }

  size_t message_bytes_;
  size_t capacity_;
  size_t stride_;
  size_t bytes_;
  std::byte* base_;
};

class BoostQueue final {
  using Queue = boost::interprocess::message_queue;

 public:
  explicit BoostQueue(size_t message_bytes)
      : name_("shoal_bench_" + std::to_string(getpid())), message_bytes_(message_bytes) {
    Queue::remove(name_.c_str());
    queue_ = std::make_unique<Queue>(boost::interprocess::create_only, name_.c_str(), QueueCapacity(message_bytes),
                                     message_bytes);
    Queue::remove(name_.c_str());
  }
  void Open(QueueUse) {}
  void Put(const void* message) { queue_->send(message, message_bytes_, 0); }
  void Get(void* message) {
    Queue::size_type received = 0;
    unsigned priority = 0;
    queue_->receive(message, message_bytes_, received, priority);
  }

 private:
  std::string name_;
  size_t message_bytes_;
  std::unique_ptr<Queue> queue_;
};

// Of the kernel; with as many messages as it allows, mostly 10.
class PosixQueue final {
 public:
  explicit PosixQueue(size_t message_bytes) : message_bytes_(message_bytes) {
    const std::string name = "/shoal_bench_" + std::to_string(getpid());
    struct mq_attr attributes = {};
    attributes.mq_msgsize = static_cast<long>(message_bytes);
    for (const long most : {1024L, 10L}) {
      attributes.mq_maxmsg = most;
      mq_unlink(name.c_str());
      queue_ = mq_open(name.c_str(), O_CREAT | O_EXCL | O_RDWR, 0600, &attributes);
      if (queue_ >= 0) break;
    }
    SHOAL_CHECK(queue_ >= 0, "a benchmark needs a queue");
    mq_unlink(name.c_str());
  }
  PosixQueue(const PosixQueue&) = delete;
  PosixQueue& operator=(const PosixQueue&) = delete;
  ~PosixQueue() { mq_close(queue_); }
  void Open(QueueUse) {}
  void Put(const void* message) {
    SHOAL_CHECK(mq_send(queue_, static_cast<const char*>(message), message_bytes_, 0) == 0, "mq_send");
  }
  void Get(void* message) {
    SHOAL_CHECK(mq_receive(queue_, static_cast<char*>(message), message_bytes_, nullptr) >= 0, "mq_receive");
  }

 private:
  size_t message_bytes_;
  mqd_t queue_ = -1;
};

class PipeQueue final {
 public:
  explicit PipeQueue(size_t message_bytes) : message_bytes_(message_bytes) {
    SHOAL_CHECK(pipe(fds_) == 0, "a benchmark needs a pipe");
  }
  PipeQueue(const PipeQueue&) = delete;
  PipeQueue& operator=(const PipeQueue&) = delete;
  ~PipeQueue() {
    close(fds_[0]);
    close(fds_[1]);
  }
  void Open(QueueUse) {}
  void Put(const void* message) {
    const auto* at = static_cast<const char*>(message);
    for (size_t left = message_bytes_; left != 0;) {
      const ssize_t written = write(fds_[1], at, left);
      SHOAL_CHECK(written > 0, "write");
      at += written;
      left -= static_cast<size_t>(written);
    }
  }
  void Get(void* message) {
    auto* at = static_cast<char*>(message);
    for (size_t left = message_bytes_; left != 0;) {
      const ssize_t got = read(fds_[0], at, left);
      SHOAL_CHECK(got > 0, "read");
      at += got;
      left -= static_cast<size_t>(got);
    }
  }

 private:
  size_t message_bytes_;
  int fds_[2];
};

}  // namespace shoal::bench

#endif  // SHOAL_BENCH_COMPARE_QUEUE_CONTESTANTS_H_
