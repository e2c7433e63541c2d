#include "shoal/tests/kill/named_segment_operations.h"

#include <unistd.h>

#include <atomic>
#include <cstring>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "shoal/shm/segment.h"

namespace shoal::tests {
namespace {

constexpr size_t kLimit = size_t{1} << 16;

struct Room {
  char name[64];
  std::atomic<bool> half_done;
};

Room& Make(void* shared) {
  Room& room = *new (shared) Room{};
  const std::string name = "killed-" + std::to_string(getpid());
  std::memcpy(room.name, name.c_str(), name.size() + 1);
  Segment::Remove(room.name).IgnoreError();
  return room;
}

void Create(Room& room) { Segment::Create(room.name, {.limit_bytes = kLimit}).IgnoreError(); }
void Remove(Room& room) { Segment::Remove(room.name).IgnoreError(); }

// There is a complete segment of that name, or none and it can be made.
void Rescue(Room& room) {
  const absl::Status created = Segment::Create(room.name, {.limit_bytes = kLimit}).status();
  if (!created.ok() && !absl::IsAlreadyExists(created)) room.half_done = true;
  auto opened = Segment::Open(room.name);
  if (!opened.ok() || !opened->Allocate(64, 8).ok()) room.half_done = true;
}

Verdict Judge(void* shared) {
  const Room& room = *static_cast<const Room*>(shared);
  if (room.half_done) return Verdict::kHalfDone;
  if (!Segment::Open(room.name).ok()) return Verdict::kLost;
  return Segment::Remove(room.name).ok() ? Verdict::kFine : Verdict::kLeaked;
}

Operation Registered(std::string name, bool there_at_first, void (*body)(Room&)) {
  Operation operation = OperationOn<Room>(std::move(name));
  operation.setup = [there_at_first](void* shared) {
    Room& room = Make(shared);
    if (there_at_first) Create(room);
  };
  // A process of its own does once what every process does once.
  operation.warm = [] { Segment::Create({.limit_bytes = kLimit}).IgnoreError(); };
  operation.body = On(body);
  operation.rescuer = On(Rescue);
  operation.check = Judge;
  operation.clean = On(Remove);
  return operation;
}

}  // namespace

std::vector<Operation> NamedSegmentOperations() {
  return {
      Registered("named segment, created", false, Create),
      Registered("named segment, created though it is there", true, Create),
      Registered("named segment, removed", true, Remove),
  };
}

}  // namespace shoal::tests
