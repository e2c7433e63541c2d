#include "shoal/shm/lingering.h"

#include "shoal/shm/dispose.h"
#include "shoal/shm/holds.h"
#include "shoal/shm/membership.h"

namespace shoal::shm_internal {
namespace {

constinit thread_local bool lets_nothing_go = false;

}  // namespace

LetsNothingGo::LetsNothingGo() { lets_nothing_go = true; }
LetsNothingGo::~LetsNothingGo() { lets_nothing_go = false; }

void LetGoOfLingering(const std::shared_ptr<Attachment>& attachment, const void* given_back) {
  if (lets_nothing_go) return;
  Holds* const holds = HoldsOrNull(*attachment);
  if (holds != nullptr && holds->DropUnused(*attachment, given_back)) DestroyDoomed(attachment);
}

}  // namespace shoal::shm_internal
