// sync/process_table.cc: which table this copy of the library uses. Chosen once:
//
//  chosen     meaning                                        who may change it, to what
//   null       nothing has needed a table yet                 a plug-in's entry → given, refused; the first use → own
//   own        this copy is the first in its process          nobody
//   given      its program's                                  nobody
//   refused    its program's, which it does not understand    nobody
//
//  EDGE table.choice: whoever chooses, release → whoever looks, acquire. Publishes the table.

#include "shoal/sync/process_table.h"

#include <atomic>
#include <type_traits>

namespace shoal::sync_internal {
namespace {

static_assert(std::is_standard_layout_v<ProcessTable> && offsetof(ProcessTable, struct_size) == 0, "a C struct, size first");

constexpr ProcessTable kRefused = {.struct_size = sizeof(ProcessTable)};

constinit std::atomic<const ProcessTable*> chosen{nullptr};

bool Choose(const ProcessTable* table) {
  const ProcessTable* none = nullptr;
  // table.choice (acq_rel); table.choice (acquire) on failure: somebody has chosen
  return chosen.compare_exchange_strong(none, table, std::memory_order_acq_rel, std::memory_order_acquire) || none == table;
}

}  // namespace

bool UseTable(const ProcessTable* given) {
  if (given == nullptr) return true;
  const bool readable = given->struct_size >= sizeof(ProcessTable) && given->version == kProcessTableVersion;
  return Choose(readable ? given : &kRefused);
}

bool RefuseTable() { return Choose(&kRefused); }

const ProcessTable* ChooseTable(const ProcessTable& own) {
  const ProcessTable* table = chosen.load(std::memory_order_acquire);  // table.choice (acquire)
  if (table == nullptr) {
    Choose(&own);
    table = chosen.load(std::memory_order_acquire);  // table.choice (acquire)
  }
  return table == &kRefused ? nullptr : table;
}

}  // namespace shoal::sync_internal
