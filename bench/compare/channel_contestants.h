#ifndef SHOAL_BENCH_COMPARE_CHANNEL_CONTESTANTS_H_
#define SHOAL_BENCH_COMPARE_CHANNEL_CONTESTANTS_H_

#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <climits>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

#include "shoal/sync/check.h"

namespace shoal::bench {

// What one would take instead of a Connection, behind the same calls. Made by a parent; each of its two children opens one side.
//
//   Open(side)      what this process does first
//   Send(message)   `bytes` of them
//   Recv(message)   the same

// In messages. Of those of a mebibyte so few that what is copied in is still in a cache when it is copied out.
constexpr size_t ChannelCapacity(size_t bytes) { return bytes <= 4096 ? 1024 : bytes <= size_t{64} << 10 ? 64 : 4; }

// Two pipe(2)s.
class KernelPipes {
 public:
  explicit KernelPipes(size_t bytes) : bytes_(bytes) {
    SHOAL_CHECK(pipe(fds_[0]) == 0 && pipe(fds_[1]) == 0, "a benchmark needs pipes");
  }
  ~KernelPipes() {
    for (const auto& pair : fds_) {
      close(pair[0]);
      close(pair[1]);
    }
  }
  KernelPipes(const KernelPipes&) = delete;
  KernelPipes& operator=(const KernelPipes&) = delete;
  void Open(int side) {
    write_ = fds_[side][1];
    read_ = fds_[1 - side][0];
  }
  void Send(const void* message) { Write(write_, message, bytes_); }
  void Recv(void* message) { Read(read_, message, bytes_); }

 protected:
  static void Write(int fd, const void* from, size_t bytes) {
    for (const char* at = static_cast<const char*>(from); bytes != 0;) {
      const ssize_t done = write(fd, at, bytes);
      SHOAL_CHECK(done > 0, "a pipe takes bytes");
      at += done;
      bytes -= static_cast<size_t>(done);
    }
  }
  static void Read(int fd, void* to, size_t bytes) {
    for (char* at = static_cast<char*>(to); bytes != 0;) {
      const ssize_t done = read(fd, at, bytes);
      SHOAL_CHECK(done > 0, "a pipe gives bytes");
      at += done;
      bytes -= static_cast<size_t>(done);
    }
  }

  const size_t bytes_;
  int fds_[2][2];
  int write_ = -1;
  int read_ = -1;
};

class SocketPair : KernelPipes {
 public:
  explicit SocketPair(size_t bytes) : KernelPipes(bytes) {
    SHOAL_CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends_) == 0, "a benchmark needs sockets");
  }
  ~SocketPair() {
    close(ends_[0]);
    close(ends_[1]);
  }
  void Open(int side) { write_ = read_ = ends_[side]; }
  using KernelPipes::Recv;
  using KernelPipes::Send;

 private:
  int ends_[2];
};

// Memory that children share.
inline void* SharedBytes(size_t bytes) {
  void* const memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  SHOAL_CHECK(memory != MAP_FAILED, "a benchmark needs memory");
  return memory;
}

// A ring for one writer and one reader, as bare as it gets: two positions, each remembered by the other side. Nobody notices a death,
// and who waits burns his processor; or, with `sleeps`, looks 2,000 times and then sleeps on a futex.
template <bool sleeps>
class BareRings {
 public:
  explicit BareRings(size_t bytes) : bytes_(bytes), stride_((bytes + 15) / 16 * 16), room_(ChannelCapacity(bytes)) {
    for (Ring*& ring : rings_) ring = new (SharedBytes(sizeof(Ring) + room_ * stride_)) Ring();
  }
  ~BareRings() {
    for (Ring* const ring : rings_) munmap(ring, sizeof(Ring) + room_ * stride_);
  }
  BareRings(const BareRings&) = delete;
  BareRings& operator=(const BareRings&) = delete;
  void Open(int side) {
    out_ = rings_[side];
    in_ = rings_[1 - side];
  }
  void Send(const void* message) {
    Ring& ring = *out_;
    const uint64_t tail = ring.tail.load(std::memory_order_relaxed);
    if (tail - seen_head_ == room_) {
      Await(ring.head_moved, [&] { return (seen_head_ = ring.head.load(std::memory_order_acquire)) + room_ != tail; });
    }
    std::memcpy(Cells(ring) + tail % room_ * stride_, message, bytes_);
    ring.tail.store(tail + 1, std::memory_order_release);
    Tell(ring.tail_moved);
  }
  void Recv(void* message) {
    Ring& ring = *in_;
    const uint64_t head = ring.head.load(std::memory_order_relaxed);
    if (seen_tail_ == head) {
      Await(ring.tail_moved, [&] { return (seen_tail_ = ring.tail.load(std::memory_order_acquire)) != head; });
    }
    std::memcpy(message, Cells(ring) + head % room_ * stride_, bytes_);
    ring.head.store(head + 1, std::memory_order_release);
    Tell(ring.head_moved);
  }

 private:
  struct Ring {
    alignas(128) std::atomic<uint64_t> tail{0};
    alignas(128) std::atomic<uint64_t> head{0};
    alignas(128) std::atomic<uint32_t> tail_moved{0};  // 1: somebody sleeps
    alignas(128) std::atomic<uint32_t> head_moved{0};
  };
  static char* Cells(Ring& ring) { return reinterpret_cast<char*>(&ring + 1); }

  template <class Condition>
  static void Await(std::atomic<uint32_t>& word, Condition condition) {
    for (int i = 0;; ++i) {
      if (condition()) return;
      __builtin_ia32_pause();
      if (!sleeps || i < 2000) continue;
      word.store(1, std::memory_order_seq_cst);
      if (condition()) return;
      syscall(SYS_futex, &word, FUTEX_WAIT, 1, nullptr, nullptr, 0);
    }
  }
  static void Tell(std::atomic<uint32_t>& word) {
    if (!sleeps) return;
    std::atomic_thread_fence(std::memory_order_seq_cst);
    if (word.load(std::memory_order_relaxed) == 0) return;
    word.store(0, std::memory_order_relaxed);
    syscall(SYS_futex, &word, FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
  }

  const size_t bytes_;
  const size_t stride_;
  const size_t room_;
  Ring* rings_[2];
  Ring* out_ = nullptr;
  Ring* in_ = nullptr;
  uint64_t seen_head_ = 0;
  uint64_t seen_tail_ = 0;
};
using SpinningRings = BareRings<false>;
using SleepingRings = BareRings<true>;

}  // namespace shoal::bench

#endif  // SHOAL_BENCH_COMPARE_CHANNEL_CONTESTANTS_H_
