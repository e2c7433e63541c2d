#include "shoal/tests/kill/object_operations.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <new>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "shoal/shm/attachment.h"
#include "shoal/shm/hash_map.h"
#include "shoal/shm/heap.h"
#include "shoal/shm/journal.h"
#include "shoal/shm/layout.h"
#include "shoal/shm/membership.h"
#include "shoal/shm/mutex.h"
#include "shoal/shm/rw_lock.h"
#include "shoal/shm/section.h"
#include "shoal/shm/segment.h"
#include "shoal/shm/shared.h"
#include "shoal/shm/vector.h"
#include "shoal/sync/check.h"
#include "shoal/tests/kill/census.h"
#include "shoal/tests/kill/member_without_keeper.h"

// Every party is a participant without a keeper (member_without_keeper.h); the dead are reaped by who is told to. What is right in the
// end is one sentence: when everything is dropped, and the dead are reaped, the heap is as it was.

namespace shoal::tests {
namespace {

using shm_internal::Attachment;

struct Leaf {
  uint64_t number = 0;
};
using SharedLeaf = Shared<Mutex<Leaf>>;

struct Branch {
  SharedLeaf left;
  SharedLeaf right;
};
using SharedBranch = Shared<Mutex<Branch>>;

// Is full when it is made.
struct Bush {
  uint32_t count = 0;
  Vector<SharedLeaf> leaves;
  SharedLeaf top;
};

struct Root {
  uint64_t before = 0;
  SharedLeaf leaf;
  SharedBranch branch;
  Vector<SharedLeaf> leaves;
  HashMap<uint32_t, SharedLeaf> numbered;
  uint64_t after = 0;
};

struct Room {
  Mutex<Root>* root;
  uint64_t blocks_at_first;
  std::atomic<bool> torn;
};

Segment* segment = nullptr;
Shared<Mutex<Root>>* root_handle = nullptr;  // the driver's
// What a party holds; of its own memory.
std::optional<SharedLeaf> held_leaf;
std::optional<SharedBranch> held_branch;
std::optional<Shared<Mutex<Bush>>> held_bush;
std::optional<Shared<RwLock<Bush>>> held_read_bush;

void Join(Room& room) { JoinWithoutKeeper(*Attachment::Of(room.root)); }

template <class T>
T Made(absl::StatusOr<T> made) {
  SHOAL_CHECK(made.ok(), "there is memory for an object");
  return *std::move(made);
}

SharedBranch NewBranch() {
  SharedBranch branch = Made(segment->New<Mutex<Branch>>());
  SharedLeaf leaf = Made(segment->New<Mutex<Leaf>>());
  auto guard = branch->Lock();
  SHOAL_CHECK(guard.ok(), "a mutex can be locked");
  (*guard)->left = leaf;
  (*guard)->right = leaf;
  return branch;
}

void SetUp(Room& room) {
  if (root_handle != nullptr) {
    const std::shared_ptr<Attachment> attachment = Attachment::Of(room.root == nullptr ? root_handle->get() : room.root);
    delete root_handle;
    root_handle = nullptr;
    LeaveWithoutKeeper(*attachment);
  }
  delete segment;
  auto made = Segment::Create({.limit_bytes = size_t{1} << 20});
  SHOAL_CHECK(made.ok(), "a segment can be made");
  segment = new Segment(*std::move(made));
  const auto attachment = Attachment::Of(segment->BytesAt(segment->Allocate(1, 1).value(), 1).data());
  JoinWithoutKeeper(*attachment);
  root_handle = new Shared<Mutex<Root>>(Made(segment->New<Mutex<Root>>()));
  room.root = root_handle->get();
  NewBranch();  // so that all types are known
  Made(segment->New<Mutex<Bush>>());
  Made(segment->New<RwLock<Bush>>());
  // And the table of names with its type, which there will be in the end.
  room.blocks_at_first = BlocksBesideJournals(*attachment) + 2;
}

// One party's section. Whatever the one before left, it is whole.
template <class Change>
void ChangeIn(Room& room, Change change, bool commit = true) {
  auto guard = room.root->Lock();
  SHOAL_CHECK(guard.ok(), "a mutex can be locked");
  Root& root = **guard;
  if (root.before != root.after || (root.before % 2 == 1) != static_cast<bool>(root.leaf)) room.torn = true;
  ++root.before;
  change(root);
  ++root.after;
  if (!commit) guard->Rollback();
}

void Ok(const absl::Status& status) { SHOAL_CHECK(status.ok(), "there is memory for what containers do here"); }

void DropAll(Room& room) {
  held_leaf.reset();
  held_branch.reset();
  held_bush.reset();
  held_read_bush.reset();
  ChangeIn(room, [](Root& root) {
    root.leaf.Reset();
    root.branch.Reset();
    Ok(root.leaves.Clear());
    Ok(root.leaves.ShrinkToFit());
    Ok(root.numbered.Clear());
    root.before += root.before % 2;  // even again
    root.after = root.before - 1;
  });
}

// What the victim has before it begins.
void Hold(Room& room) {
  Join(room);
  held_leaf = Made(segment->New<Mutex<Leaf>>());
  held_branch = NewBranch();
}
void HoldAndStore(Room& room) {
  Hold(room);
  ChangeIn(room, [](Root& root) {
    root.leaf = *held_leaf;
    root.branch = *held_branch;
  });
}
void Store(Room& room) {
  HoldAndStore(room);
  held_leaf.reset();
  held_branch.reset();
}

void Makes(Room&) { held_leaf = Made(segment->New<Mutex<Leaf>>()); }
// With a container and handles inside, built in the same section.
void MakesFull(Room&) { held_bush = Made(segment->New<Mutex<Bush>>(2, std::vector<SharedLeaf>(2, *held_leaf), *held_leaf)); }
void MakesFullToRead(Room&) { held_read_bush = Made(segment->New<RwLock<Bush>>(1, std::vector<SharedLeaf>(1, *held_leaf))); }
void Stores(Room& room) {
  ChangeIn(room, [](Root& root) { root.leaf = *held_leaf; });
}
void StoresInVain(Room& room) {
  ChangeIn(
      room,
      [](Root& root) {
        root.leaf = *held_leaf;
        root.branch = *held_branch;
        root.leaf.Reset();
      },
      /*commit=*/false);
}
// An odd number of sections has stored the leaf, another takes it out again.
void DropsStored(Room& room) {
  ChangeIn(room, [](Root& root) {
    root.leaf.Reset();
    root.branch.Reset();
  });
}
void DropsHeldBranch(Room&) { held_branch.reset(); }
void TakesStored(Room& room) {
  auto guard = room.root->Lock();
  SHOAL_CHECK(guard.ok(), "a mutex can be locked");
  held_branch = (*guard)->branch;
}
// Inside a section, beside it.
void MakesInside(Room& room) {
  ChangeIn(room, [](Root& root) { root.leaf = Made(segment->New<Mutex<Leaf>>()); });
}

// Handles as elements.
void FillContainers(Room& room) {
  HoldAndStore(room);
  ChangeIn(room, [](Root& root) {
    root.leaf.Reset();
    for (uint32_t i = 0; i < 3; ++i) {
      Ok(root.leaves.PushBack(*held_leaf));
      Ok(root.numbered.Set(i, *held_leaf));
    }
  });
}
void StoresInContainers(Room& room) {
  ChangeIn(room, [](Root& root) {
    root.leaf = *held_leaf;  // before and after say so
    Ok(root.leaves.PushBack(*held_leaf));
    Ok(root.leaves.PushBack(*held_leaf));
    Ok(root.leaves.Insert(0, *held_leaf));
    Ok(root.numbered.Set(7, *held_leaf));
  });
}
void ReplacesInContainers(Room& room) {
  const SharedLeaf other = Made(segment->New<Mutex<Leaf>>());
  ChangeIn(room, [&](Root& root) {
    root.leaf = other;
    Ok(root.leaves.Set(1, other));
    Ok(root.leaves.Erase(0));
    Ok(root.numbered.Set(1, other));
    Ok(root.numbered.Erase(2).status());
  });
}
void ReplacesInContainersInVain(Room& room) {
  const SharedLeaf other = Made(segment->New<Mutex<Leaf>>());
  ChangeIn(
      room,
      [&](Root& root) {
        Ok(root.leaves.Set(1, other));
        Ok(root.leaves.Erase(0));
        Ok(root.numbered.Set(1, other));
        Ok(root.numbered.Clear());
      },
      /*commit=*/false);
}
// The last handles of the leaf: it goes with them.
void FillContainersOnly(Room& room) {
  FillContainers(room);
  held_leaf.reset();
}
void ClearsContainers(Room& room) {
  ChangeIn(room, [](Root& root) {
    root.leaf = Made(segment->New<Mutex<Leaf>>());
    Ok(root.leaves.Clear());
    Ok(root.leaves.ShrinkToFit());
    Ok(root.numbered.Clear());
  });
}

// Another process has died, holding things.
void Bereave(Room& room) {
  Join(room);
  const pid_t pid = fork();
  if (pid == 0) {
    Hold(room);
    static auto guard = room.root->Lock();
    (*guard)->branch = *held_branch;
    raise(SIGKILL);
  }
  waitpid(pid, nullptr, 0);
}
void Reaps(Room&) { segment->Reap(); }

// A handle that nobody has counted.
void StoresUncounted(Room& room) {
  ChangeIn(room, [](Root& root) {
    root.leaf = *held_leaf;
    auto attachment = Attachment::Of(&root);
    auto* const header = reinterpret_cast<std::atomic<uint64_t>*>(reinterpret_cast<std::byte*>(held_leaf->get()) - 64);
    header[4] = header[4] + 1;  // `stored`, without a record
  });
}

void Publishes(Room&) { SHOAL_CHECK(segment->Publish("victim", *held_leaf).ok(), "nobody else publishes it"); }
void Publish(Room& room) {
  Hold(room);
  Publishes(room);
  held_leaf.reset();
}
void Finds(Room&) { held_leaf = Made(segment->Find<Mutex<Leaf>>("victim")); }
void Unpublishes(Room&) { SHOAL_CHECK(segment->Unpublish("victim").ok(), "it is published"); }

// Whatever a rescuer before has left of it.
bool PublishAnew(std::string_view name) {
  const absl::Status published = segment->Publish(name, Made(segment->New<Mutex<Leaf>>()));
  return (published.ok() || absl::IsAlreadyExists(published)) && segment->Unpublish(name).ok();
}

// With the table of names in the end, in any case.
void Rescue(Room& room) {
  Join(room);
  segment->Reap();
  const absl::Status unpublished = segment->Unpublish("victim");
  SHOAL_CHECK(unpublished.ok() || absl::IsNotFound(unpublished), "a name is there or not");
  SHOAL_CHECK(PublishAnew("rescuer"), "names can be had");
  DropAll(room);
}

Verdict Judge(void* shared) {
  Room& room = *static_cast<Room*>(shared);
  Join(room);
  const std::shared_ptr<Attachment> attachment = Attachment::Of(room.root);
  segment->Reap();
  if (room.torn) return Verdict::kHalfDone;
  if (AnySectionIsOpen(*attachment)) return Verdict::kHalfDone;
  if (attachment->header().ledger.changes_count.load() != 0) return Verdict::kHalfDone;
  return OfBlocks(BlocksBesideJournals(*attachment), room.blocks_at_first);
}

// A process of its own does once what every process does once.
void Warm() {
  static Room& own = *new Room{};
  Segment* const segment_before = std::exchange(segment, nullptr);
  auto* const root_before = std::exchange(root_handle, nullptr);
  SetUp(own);
  held_leaf = Made(segment->New<Mutex<Leaf>>());
  ChangeIn(own, [](Root& root) { root.leaf = *held_leaf; });
  DropAll(own);
  segment->Reap();
  segment = segment_before;
  root_handle = root_before;
}

Operation Registered(std::string name, void (*prepare)(Room&), void (*body)(Room&)) {
  Operation operation = OperationOn<Room>(std::move(name));
  operation.setup = [](void* shared) { SetUp(*new (shared) Room{}); };
  operation.warm = Warm;
  operation.prepare = On(prepare);
  operation.body = On(body);
  operation.rescuer = On(Rescue);
  operation.kill_rescuer_too = true;
  operation.may_sleep = [](const void* shared, int) { return static_cast<const Room*>(shared)->root->locked(); };
  operation.check = Judge;
  return operation;
}

}  // namespace

std::vector<Operation> ObjectOperations() {
  return {
      Registered("object, made", Hold, Makes),
      Registered("object, made inside a section", Hold, MakesInside),
      Registered("object, made full", Hold, MakesFull),
      Registered("object, made full, in an RwLock", Hold, MakesFullToRead),
      Registered("handle, stored", Hold, Stores),
      Registered("handles, stored, dropped, rolled back", Hold, StoresInVain),
      Registered("handles, the last stored ones dropped", Store, DropsStored),
      Registered("handles, stored ones of held objects dropped", HoldAndStore, DropsStored),
      Registered("handle, the last one of a tree dropped", Hold, DropsHeldBranch),
      Registered("handle, copied out of a section", Store, TakesStored),
      Registered("object, the first one published", Hold, Publishes),
      Registered("object, found by its name", Publish, Finds),
      Registered("object, unpublished", Publish, Unpublishes),
      Registered("handles, stored in containers", Hold, StoresInContainers),
      Registered("handles, replaced and erased in containers", FillContainers, ReplacesInContainers),
      Registered("handles, replaced and erased in containers, rolled back", FillContainers, ReplacesInContainersInVain),
      Registered("handles, the last ones in containers dropped", FillContainersOnly, ClearsContainers),
      Registered("the dead are reaped", Bereave, Reaps),
  };
}

std::vector<Operation> ObjectOperationsThatLeak() {
  return {Registered("a count is changed without a record", Hold, StoresUncounted)};
}

}  // namespace shoal::tests
