#ifndef SHOAL_IPC_LOANED_MESSAGE_H_
#define SHOAL_IPC_LOANED_MESSAGE_H_

#include <cstdint>
#include <utility>

#include "absl/status/status.h"
#include "shoal/ipc/payload.h"
#include "shoal/ipc/pipe_end.h"
#include "shoal/shm/message_cells.h"
#include "shoal/sync/status.h"

namespace shoal {

template <class Send, class Recv>
class Connection;

// A message that is written where it will be read. Nobody sees it before Publish; destroyed without, it is forgotten.
//
// Thread safety:  one thread at a time. Its connection sends nothing else meanwhile.
// Crash safety:   a process that dies with it has sent nothing.
// Ownership:      may outlive its Connection; Publish is refused then.
template <class T>
class [[nodiscard]] LoanedMessage final {
 public:
  LoanedMessage(LoanedMessage&& other) noexcept : end_(std::exchange(other.end_, nullptr)), cell_(other.cell_), value_(other.value_) {}
  LoanedMessage& operator=(LoanedMessage&& other) noexcept {
    if (this != &other) {
      Abandon();
      end_ = std::exchange(other.end_, nullptr);
      cell_ = other.cell_;
      value_ = other.value_;
    }
    return *this;
  }
  LoanedMessage(const LoanedMessage&) = delete;
  LoanedMessage& operator=(const LoanedMessage&) = delete;
  ~LoanedMessage() { Abandon(); }

  T& operator*() const { return *value_; }
  T* operator->() const { return value_; }

  // Errors as Connection::Send, which leave it as it is; FailedPrecondition also: it has been published.
  [[nodiscard]] absl::Status Publish() {
    if (end_ == nullptr || end_->closed()) {
      return sync_internal::MakeStatus(absl::StatusCode::kFailedPrecondition,
                                       "this message has been published, or its connection is closed");
    }
    SHOAL_RETURN_IF_ERROR(end_->StillSends());
    end_->Publish(*cell_);
    std::exchange(end_, nullptr)->Leave();
    return absl::OkStatus();
  }

 private:
  template <class S, class R>
  friend class Connection;
  // REQUIRES: the end's turn to send is the caller's.
  LoanedMessage(ipc_internal::PipeEnd& end, ipc_internal::PipeCell& cell) : end_(&end), cell_(&cell) { end.Use(); }
  void Abandon() {
    if (end_ == nullptr) return;
    if (!end_->Inherited()) {
      // A block that stays is found by the next who sends here.
      ipc_internal::DropMessage(end_->attachment(), reinterpret_cast<shm_internal::Cell&>(*cell_)).IgnoreError();
      end_->AbandonSend();
    }
    std::exchange(end_, nullptr)->Leave();
  }

  ipc_internal::PipeEnd* end_;  // null: nothing is lent
  ipc_internal::PipeCell* cell_;
  T* value_ = nullptr;
};

// A message that is read where it was written. Its place is the sender's again when this is destroyed; messages behind it may be
// received meanwhile.
//
// Thread safety:  one thread at a time. Ownership: may outlive its Connection.
template <class T>
class [[nodiscard]] ReceivedMessage final {
 public:
  ReceivedMessage(ReceivedMessage&& other) noexcept
      : end_(std::exchange(other.end_, nullptr)), cell_(other.cell_), lap_(other.lap_), value_(other.value_) {}
  ReceivedMessage& operator=(ReceivedMessage&& other) noexcept {
    if (this != &other) {
      GiveBack();
      end_ = std::exchange(other.end_, nullptr);
      cell_ = other.cell_;
      lap_ = other.lap_;
      value_ = other.value_;
    }
    return *this;
  }
  ReceivedMessage(const ReceivedMessage&) = delete;
  ReceivedMessage& operator=(const ReceivedMessage&) = delete;
  ~ReceivedMessage() { GiveBack(); }

  const T& operator*() const { return *value_; }
  const T* operator->() const { return value_; }

 private:
  template <class S, class R>
  friend class Connection;
  ReceivedMessage(ipc_internal::PipeEnd& end, ipc_internal::PipeCell& cell, uint64_t lap, const T& value)
      : end_(&end), cell_(&cell), lap_(lap), value_(&value) {
    end.Lend();
  }
  void GiveBack() {
    if (end_ == nullptr) return;
    if (!end_->Inherited()) {
      ipc_internal::DropMessage(end_->attachment(), reinterpret_cast<shm_internal::Cell&>(*cell_)).IgnoreError();
      end_->GiveBack(*cell_, lap_);
    }
    std::exchange(end_, nullptr)->LentIsBack();
  }

  ipc_internal::PipeEnd* end_;  // null: given back
  ipc_internal::PipeCell* cell_;
  uint64_t lap_;
  const T* value_;
};

}  // namespace shoal

#endif  // SHOAL_IPC_LOANED_MESSAGE_H_
