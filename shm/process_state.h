#ifndef SHOAL_SHM_PROCESS_STATE_H_
#define SHOAL_SHM_PROCESS_STATE_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "absl/status/status.h"

namespace shoal {
class Segment;
}  // namespace shoal

namespace shoal::shm_internal {

class Attachment;

// What this package keeps for a process: behind the process's table (sync/process_table.h), so that a program and its plug-ins,
// which have copies of this library of their own, have one. Made by whoever is first; never destroyed. A fork copies it while nobody
// changes it.
struct ProcessState {
  // An attachment, as long as it lives.
  struct Known {
    const Attachment* attachment;
    std::weak_ptr<Attachment> handle;
    uint64_t process_number;  // this process's in that segment; 0: not asked for yet
  };
  std::mutex mutex;
  std::vector<Known> attachments;                   // guarded by mutex
  std::atomic<uintptr_t> lowest{UINTPTR_MAX};       // the range of all mappings that there ever were; written under mutex
  std::atomic<uintptr_t> highest{0};
  std::mutex claiming;                              // held while a thread takes its place in a segment
  std::mutex reapers_mutex;                         // the last of these to be taken
  std::vector<uint32_t> reapers;                    // guarded by it: threads that may hold the life words of dead ones
  std::mutex joining;                               // held while the process does
  std::mutex default_mutex;                         // held while default_segment is made
  std::atomic<Segment*> default_segment{nullptr};
};

// Null: this copy of the library cannot share with its program, and must not attach to anything. NoProcessState says why.
ProcessState* ProcessStateOrNull();
absl::Status NoProcessState();

}  // namespace shoal::shm_internal

#endif  // SHOAL_SHM_PROCESS_STATE_H_
