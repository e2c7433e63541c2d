#ifndef SHOAL_SYNC_PROCESS_TABLE_H_
#define SHOAL_SYNC_PROCESS_TABLE_H_

#include <cstddef>
#include <cstdint>

namespace shoal::sync_internal {

// Where a process keeps what it knows of itself and of its threads: one table for all copies of this library in it.
//
// A program and each of its plug-ins are linked with a copy of their own. The first copy that needs it makes the table; a plug-in is
// given its program's when it is loaded (plugins/abi.h), before anything in it runs, and uses that. So there is one record of each
// thread, one open section of a thread, one attachment of a segment, whoever looks.
//
// C types only. The struct only ever grows at its end; what stands behind the pointers is looked at only by copies that were
// compiled from the same headers, which the plug-in's entry has compared.
struct ProcessTable {
  size_t struct_size;
  uint32_t version;
  uint32_t reserved;
  uint64_t thread_layout;      // of the record, as the one who made the table compiled it
  void* (*this_thread)(void);  // the calling thread's record (Thread of robust_list.h), filled in
  const void* epoch;           // std::atomic<uint32_t>: the word that the kernel wipes in a forked child
  void* above;                 // std::atomic<void*>: what the packages above keep for this process; null at first
};

inline constexpr uint32_t kProcessTableVersion = 1;

// Makes this copy use the table that it was given. Null: there is none, and this copy may make its own. False: too late, it uses
// another already.
[[nodiscard]] bool UseTable(const ProcessTable* given);

// Makes this copy refuse to be used: it cannot share with its program, and must not do without. False: as UseTable.
[[nodiscard]] bool RefuseTable();

// The table that this copy uses: what it was given, or else `own`, from now on. Null: it refuses.
const ProcessTable* ChooseTable(const ProcessTable& own);

}  // namespace shoal::sync_internal

#endif  // SHOAL_SYNC_PROCESS_TABLE_H_
