#ifndef SHOAL_SYNC_NOTIFICATIONS_H_
#define SHOAL_SYNC_NOTIFICATIONS_H_

#include <algorithm>
#include <cstdint>

namespace shoal::sync_internal {

// Who of a Condition's waiters has been notified. Plain arithmetic in shared memory, guarded by the condition's lock; nothing
// here sleeps or wakes. Valid when zero-filled (nobody waits).
//
// A waiter has a ticket. A notification is a token that any of the waiters of that moment may take, and nobody who came later:
// waiters are kept in groups, closed by the notification that found them, and a group's tokens are for its members and for those
// of older groups. Tokens belong to nobody in particular, so one whose waiter was killed is taken by another.
//
// Exact while nobody is killed and no more than kGroups notifications, each of which found new waiters, have untaken tokens;
// beyond that the oldest group is notified as a whole. Never a notification too few. A killed waiter stays counted until everybody is
// notified, which can only make too many of them.
class Notifications final {
 public:
  // The ticket of a new waiter.
  uint64_t Register() {
    ++open_waiters_;
    return next_ticket_++;
  }

  // Notifies up to `n` of those registered. False: nobody is.
  bool Notify(uint32_t n) {
    Clamp();
    if (open_waiters_ != 0) {
      if (group_count_ == kGroups) DropOldest(1);
      groups_[group_count_++] = {.end = next_ticket_, .tokens = 0, .waiters = open_waiters_};
      open_waiters_ = 0;
      MergeTokenless();
    }
    if (group_count_ == 0) return false;
    uint32_t& tokens = groups_[group_count_ - 1].tokens;
    tokens += std::min(n, ~tokens);
    Settle();
    return true;
  }

  bool NotifyAll() {
    const bool any = open_waiters_ != 0 || group_count_ != 0;
    notified_below_ = next_ticket_;
    open_waiters_ = 0;
    group_count_ = 0;
    return any;
  }

  // Whether the waiter with `ticket` has been notified; if so it is registered no longer.
  bool Take(uint64_t ticket) {
    if (ticket < notified_below_) return true;
    Clamp();
    const uint32_t own = GroupOf(ticket);
    for (uint32_t i = own; i < group_count_; ++i) {
      if (groups_[i].tokens == 0) continue;
      --groups_[i].tokens;
      LeaveGroup(own);
      return true;
    }
    return false;
  }

  // The waiter with `ticket`, not notified, gives up.
  void Leave(uint64_t ticket) {
    if (ticket < notified_below_) return;
    Clamp();
    LeaveGroup(GroupOf(ticket));
  }

  // Registered and not notified, as far as is known: a killed waiter is still counted.
  uint32_t waiting() const {
    uint32_t sum = open_waiters_;
    for (uint32_t i = 0; i < std::min(group_count_, kGroups); ++i) sum += groups_[i].waiters - groups_[i].tokens;
    return sum;
  }

 private:
  static constexpr uint32_t kGroups = 4;

  struct Group {
    uint64_t end;      // the tickets below it, down to the end of the group before
    uint32_t tokens;   // for these and older groups
    uint32_t waiters;  // registered and without a token
  };

  // These are shared bytes: whatever they say, stay inside the array.
  void Clamp() { group_count_ = std::min(group_count_, kGroups); }

  // The index of the ticket's group; group_count_ for one that came after the last notification.
  uint32_t GroupOf(uint64_t ticket) const {
    uint32_t i = 0;
    while (i < group_count_ && ticket >= groups_[i].end) ++i;
    return i;
  }

  void LeaveGroup(uint32_t group) {
    uint32_t& waiters = group < group_count_ ? groups_[group].waiters : open_waiters_;
    if (waiters != 0) --waiters;
    Settle();
  }

  // Where the tokens of the oldest groups suffice for all their waiters, those are notified and the groups are done.
  void Settle() {
    uint64_t tokens = 0;
    uint64_t waiters = 0;
    uint32_t done = 0;
    for (uint32_t i = 0; i < group_count_; ++i) {
      tokens += groups_[i].tokens;
      waiters += groups_[i].waiters;
      if (tokens >= waiters) done = i + 1;
    }
    DropOldest(done);
    MergeTokenless();
  }

  // A group without tokens need not be told from the next one: its waiters may take that one's tokens anyway.
  void MergeTokenless() {
    uint32_t kept = 0;
    for (uint32_t i = 0; i < group_count_; ++i) {
      if (groups_[i].tokens == 0 && i + 1 < group_count_) {
        groups_[i + 1].waiters += groups_[i].waiters;
      } else {
        groups_[kept++] = groups_[i];
      }
    }
    group_count_ = kept;
  }

  void DropOldest(uint32_t count) {
    if (count == 0) return;
    notified_below_ = groups_[count - 1].end;
    std::copy(groups_ + count, groups_ + group_count_, groups_);
    group_count_ -= count;
  }

  uint64_t next_ticket_ = 0;
  uint64_t notified_below_ = 0;  // every waiter with a smaller ticket has been notified
  uint32_t open_waiters_ = 0;    // those who came after the last notification
  uint32_t group_count_ = 0;
  Group groups_[kGroups] = {};
};
static_assert(sizeof(Notifications) == 88, "part of the shared layout");

}  // namespace shoal::sync_internal

#endif  // SHOAL_SYNC_NOTIFICATIONS_H_
