#ifndef SHOAL_SHM_LINGERING_H_
#define SHOAL_SHM_LINGERING_H_

#include <atomic>
#include <memory>

#include "shoal/shm/attachment.h"

// What this process uses of an object without a handle to it: a guard, a reader, a Borrowed or a Permit keeps it, and whoever gives such a
// thing back looks whether the object can go. The states are in holds.cc.

namespace shoal::shm_internal {

// Lets go of what this process uses no more, if there is anything to which it has no handle, and destroys what nobody holds then.
// REQUIRES: before it, the caller has given something back, in a locked instruction; it touches the object no more, and keeps `attachment`.
// `given_back`: an address in the object; null: whatever object it was.
__attribute__((noinline, cold)) void LetGoOfLingering(const std::shared_ptr<Attachment>& attachment, const void* given_back);
inline bool AnyLingers(Attachment& attachment) {
  return attachment.lingers().load(std::memory_order_seq_cst) != 0;  // holds.lingering (seq_cst)
}
inline void LetGoOfUnused(const std::shared_ptr<Attachment>& attachment, const void* given_back) {
  if (__builtin_expect(AnyLingers(*attachment), 0)) LetGoOfLingering(attachment, given_back);
}

// For a thread that the end of a hold's companion waits for, which then has the mutex: it lets nothing go. What it uses, that hold keeps.
class LetsNothingGo final {
 public:
  LetsNothingGo();
  LetsNothingGo(const LetsNothingGo&) = delete;
  LetsNothingGo& operator=(const LetsNothingGo&) = delete;
  ~LetsNothingGo();
};

// Around giving something back to an object that is touched after that.
class GivingBack final {
 public:
  GivingBack(const std::shared_ptr<Attachment>& attachment, const void* object) : attachment_(attachment), object_(object) {
    // relaxed: whoever sees that it is given back sees this
    attachment_->giving_back().fetch_add(1, std::memory_order_relaxed);
  }
  GivingBack(const GivingBack&) = delete;
  GivingBack& operator=(const GivingBack&) = delete;
  ~GivingBack() {
    attachment_->giving_back().fetch_sub(1, std::memory_order_seq_cst);  // holds.lingering (seq_cst)
    LetGoOfUnused(attachment_, object_);
  }

 private:
  const std::shared_ptr<Attachment>& attachment_;
  const void* const object_;
};

}  // namespace shoal::shm_internal

#endif  // SHOAL_SHM_LINGERING_H_
