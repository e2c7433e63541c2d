// A plug-in with a copy of the library of its own, which works on what its program has locked, and the other way round. What it is to
// work on it gets as an address.

#include <cstring>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "shoal/plugins/plugin.h"
#include "shoal/shm/mutex.h"
#include "shoal/shm/section.h"
#include "shoal/sync/guard.h"
#include "shoal/sync/lock.h"
#include "shoal/sync/status.h"
#include "shoal/tests/plugins/ledger.h"

namespace {

using shoal::Guard;
using shoal::Lock;
using shoal::Mutex;
using shoal::MutexGuard;
using shoal::shm_internal::Section;
using shoal::tests::Ledger;

template <class T>
T& At(uint64_t address) {
  return *reinterpret_cast<T*>(address);
}

// What a container does: finds the open section by the object's address, and replaces a block.
absl::Status ReplaceBlock(uint64_t address) {
  auto& ledger = At<Ledger>(address);
  Section* const section = shoal::shm_internal::OpenSectionOrNull(&ledger, sizeof(ledger));
  if (section == nullptr) return shoal::shm_internal::NoOpenSection(&ledger);
  SHOAL_RETURN_IF_ERROR(section->Save(&ledger, sizeof(ledger)));
  SHOAL_ASSIGN_OR_RETURN(const auto block, section->Allocate(64, 8));
  if (ledger.block != 0) SHOAL_RETURN_IF_ERROR(section->Free(ledger.block));
  ledger.block = block.offset;
  ++ledger.left;
  ++ledger.right;
  std::memcpy(section->attachment().base() + block.offset, &ledger.left, sizeof(ledger.left));
  return absl::OkStatus();
}

// One half of what a section must do whole; the program does the other.
void AddLeft(uint64_t address) { ++At<Ledger>(address).left; }

absl::Status LockAndReplace(uint64_t mutex_address) {
  SHOAL_ASSIGN_OR_RETURN(const MutexGuard<Ledger> guard, At<Mutex<Ledger>>(mutex_address).Lock());
  return ReplaceBlock(reinterpret_cast<uint64_t>(&*guard));
}

// The program's guard, released here.
absl::Status ReleaseGuard(uint64_t address) { return At<Guard>(address).Release(); }
void EndSection(uint64_t address) { At<std::optional<MutexGuard<Ledger>>>(address).reset(); }
void BeginSection(uint64_t mutex_address, uint64_t guard_address) {
  auto guard = At<Mutex<Ledger>>(mutex_address).Lock();
  if (guard.ok()) At<std::optional<MutexGuard<Ledger>>>(guard_address).emplace(*std::move(guard));
}

absl::Status Acquire(uint64_t address) { return At<Lock>(address).Acquire().status(); }

}  // namespace

SHOAL_PLUGIN(catalog) {
  catalog.Add("replace_block", ReplaceBlock);
  catalog.Add("add_left", AddLeft);
  catalog.Add("lock_and_replace", LockAndReplace);
  catalog.Add("release_guard", ReleaseGuard);
  catalog.Add("begin_section", BeginSection);
  catalog.Add("end_section", EndSection);
  catalog.Add("acquire", Acquire);
}
