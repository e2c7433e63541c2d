#ifndef SHOAL_IPC_CONNECTION_TICKET_H_
#define SHOAL_IPC_CONNECTION_TICKET_H_

#include <cstdint>
#include <utility>

#include "shoal/ipc/pipe_end.h"
#include "shoal/shm/pipe_ends.h"

namespace shoal {

template <class Send, class Recv = Send>
class Connection;

// The right to an end of a pipe that one process gives to another, for example to a child that it is about to fork:
//
//   SHOAL_ASSIGN_OR_RETURN(ConnectionTicket ticket, there.HandOver());
//   if (fork() == 0) { auto end = Connection<int>::Take(segment, ticket.number()); ... }
//
// Thread safety:  as a value. Crash safety: an end whose ticket's owner dies before anybody has taken it has died with him.
// Ownership:      destroying it closes the end, unless somebody has taken it. In a child made by fork it has only its number.
class [[nodiscard]] ConnectionTicket final {
 public:
  ConnectionTicket(ConnectionTicket&& other) noexcept
      : end_(std::exchange(other.end_, nullptr)), number_(std::exchange(other.number_, 0)) {}
  ConnectionTicket& operator=(ConnectionTicket&& other) noexcept {
    if (this != &other) {
      Drop();
      end_ = std::exchange(other.end_, nullptr);
      number_ = std::exchange(other.number_, 0);
    }
    return *this;
  }
  ConnectionTicket(const ConnectionTicket&) = delete;
  ConnectionTicket& operator=(const ConnectionTicket&) = delete;
  ~ConnectionTicket() { Drop(); }

  // What to tell Connection::Take. 0: it has been moved away. Another handing over has another number, also of the same end.
  uint64_t number() const { return number_; }

 private:
  template <class S, class R>
  friend class Connection;
  explicit ConnectionTicket(ipc_internal::PipeEnd* end) : end_(end), number_(end->ticket_number()) {}

  void Drop() {
    if (end_ == nullptr) return;
    if (end_->TakeBack(shm_internal::EndState::kHandedOver)) end_->Close();
    std::exchange(end_, nullptr)->Leave();
  }

  ipc_internal::PipeEnd* end_;  // null: moved away
  uint64_t number_;
};

}  // namespace shoal

#endif  // SHOAL_IPC_CONNECTION_TICKET_H_
