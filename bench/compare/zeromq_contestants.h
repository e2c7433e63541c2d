#ifndef SHOAL_BENCH_COMPARE_ZEROMQ_CONTESTANTS_H_
#define SHOAL_BENCH_COMPARE_ZEROMQ_CONTESTANTS_H_

#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zmq.h>

#include <atomic>
#include <cstddef>
#include <new>
#include <string>

#include "shoal/bench/compare/channel_contestants.h"
#include "shoal/bench/compare/queue_contestants.h"
#include "shoal/sync/check.h"

// ZeroMQ between processes of one machine: its ipc transport, a Unix socket and a thread on either side. A context does not outlive fork:
// each child makes its own. They are connected before the time begins.

namespace shoal::bench {

class ZeroMqSocket {
 public:
  ZeroMqSocket(size_t bytes, int most)
      : bytes_(bytes), most_(most), stage_(*new (SharedBytes(sizeof(std::atomic<Stage>))) std::atomic<Stage>(Stage::kMade)) {
    static int made = 0;
    address_ = "ipc://@shoal_bench_" + std::to_string(getpid()) + "_" + std::to_string(++made);
  }
  ~ZeroMqSocket() { munmap(&stage_, sizeof(stage_)); }
  ZeroMqSocket(const ZeroMqSocket&) = delete;
  ZeroMqSocket& operator=(const ZeroMqSocket&) = delete;

  // Who connects before somebody has bound would try again only a tenth of a second later.
  void Open(int type, bool binds, bool sends) {
    context_ = zmq_ctx_new();
    socket_ = zmq_socket(context_, type);
    SHOAL_CHECK(socket_ != nullptr, "a benchmark needs sockets");
    const int immediate = 1;  // there is no way to send on until the other side is there
    SHOAL_CHECK(zmq_setsockopt(socket_, ZMQ_IMMEDIATE, &immediate, sizeof(immediate)) == 0 &&
                    zmq_setsockopt(socket_, ZMQ_SNDHWM, &most_, sizeof(most_)) == 0 &&
                    zmq_setsockopt(socket_, ZMQ_RCVHWM, &most_, sizeof(most_)) == 0,
                "a socket takes options");
    if (binds) {
      SHOAL_CHECK(zmq_bind(socket_, address_.c_str()) == 0, "an address is free");
      stage_ = Stage::kBound;
    } else {
      while (stage_ == Stage::kMade) sched_yield();
      SHOAL_CHECK(zmq_connect(socket_, address_.c_str()) == 0, "an address can be reached");
    }
    zmq_pollitem_t item = {.socket = socket_, .fd = 0, .events = ZMQ_POLLOUT, .revents = 0};
    if (sends) SHOAL_CHECK(zmq_poll(&item, 1, -1) == 1, "a socket gets connected");
  }
  // Waits until all has been received: a receiver that has `most` and finds that the sender has gone loses what is under way.
  void Close(bool receives) {
    if (receives) stage_ = Stage::kReceived;
    while (stage_ != Stage::kReceived) sched_yield();
    zmq_close(socket_);
    zmq_ctx_term(context_);
  }
  void Send(const void* message) {
    SHOAL_CHECK(zmq_send(socket_, message, bytes_, 0) == static_cast<int>(bytes_), "a socket takes messages");
  }
  void Recv(void* message) {
    SHOAL_CHECK(zmq_recv(socket_, message, bytes_, 0) == static_cast<int>(bytes_), "a socket gives messages");
  }

 private:
  enum class Stage { kMade, kBound, kReceived };

  const size_t bytes_;
  const int most_;
  std::atomic<Stage>& stage_;
  std::string address_;
  void* context_ = nullptr;
  void* socket_ = nullptr;
};

// PUSH and PULL: for one producer and one consumer. (Of several, each has a queue of its own, unless a process stands between them.)
class ZeroMqQueue final {
 public:
  explicit ZeroMqQueue(size_t message_bytes) : socket_(message_bytes, static_cast<int>(QueueCapacity(message_bytes))) {}
  void Open(QueueUse use) {
    puts_ = use == QueueUse::kPut;
    socket_.Open(puts_ ? ZMQ_PUSH : ZMQ_PULL, /*binds=*/puts_, /*sends=*/puts_);
  }
  void Put(const void* message) { socket_.Send(message); }
  void Get(void* message) { socket_.Recv(message); }
  void Close() { socket_.Close(/*receives=*/!puts_); }

 private:
  bool puts_ = false;
  ZeroMqSocket socket_;
};

class ZeroMqPair final {
 public:
  explicit ZeroMqPair(size_t bytes) : socket_(bytes, static_cast<int>(ChannelCapacity(bytes))) {}
  void Open(int side) { socket_.Open(ZMQ_PAIR, /*binds=*/side == 0, /*sends=*/true); }
  void Send(const void* message) { socket_.Send(message); }
  void Recv(void* message) { socket_.Recv(message); }

 private:
  ZeroMqSocket socket_;
};

}  // namespace shoal::bench

#endif  // SHOAL_BENCH_COMPARE_ZEROMQ_CONTESTANTS_H_
