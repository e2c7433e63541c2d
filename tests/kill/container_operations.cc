#include "shoal/tests/kill/container_operations.h"

#include <array>
#include <atomic>
#include <cstring>
#include <memory>
#include <new>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "shoal/shm/attachment.h"
#include "shoal/shm/box.h"
#include "shoal/shm/deque.h"
#include "shoal/shm/heap.h"
#include "shoal/shm/journal.h"
#include "shoal/shm/mutex.h"
#include "shoal/shm/section.h"
#include "shoal/shm/segment.h"
#include "shoal/shm/string.h"
#include "shoal/shm/variant.h"
#include "shoal/shm/vector.h"
#include "shoal/sync/check.h"
#include "shoal/tests/kill/census.h"

namespace shoal::tests {
namespace {

using shm_internal::Attachment;

struct Entry {
  int64_t id = 0;
  String name;
};

struct Link {
  int64_t value = 0;
  Box<Link> next;
};

struct Root {
  uint64_t rescues = 0;
  uint64_t rescued_digest = 0;  // of what the last rescuer left
  Vector<int> numbers;
  Vector<Entry> entries;
  String text;
  Box<Entry> box;
  Deque<int> queue;
  Variant variant;
  Vector<Variant> variants;
  // What the others are swapped with.
  Vector<int> more_numbers;
  String more_text;
  Box<Entry> more_box;
  Deque<int> more_queue;
  Box<Link> list;
};

using Change = void (*)(Root&);

// What the parties share beside the segment, which all have mapped at one address.
struct Room {
  Mutex<Root>* mutex;
  uint64_t before;  // the root's digest without the victim's section
  uint64_t after;   // and with it
  uint64_t blocks_at_first;
  std::atomic<bool> committed;  // the victim's section was over
  std::atomic<bool> torn;
  std::atomic<bool> lost;
  std::byte* stolen;  // a thief's block
  size_t stolen_bytes;
};

Segment* segment = nullptr;

// Whether anything has failed in this process. There is memory for what the containers do here.
bool failed = false;
void Ok(const absl::Status& status) { failed = failed || !status.ok(); }

// ---- the state, in a number ------------------------------------------------------------------------------------------------------

class Digest {
 public:
  void Add(uint64_t number) { value_ = (value_ ^ number) * 0x100000001b3; }
  void Add(std::string_view text) {
    Add(text.size());
    for (const char c : text) Add(static_cast<unsigned char>(c));
  }
  void Add(const Entry& entry) {
    Add(static_cast<uint64_t>(entry.id));
    Add(entry.name);
  }
  void Add(const Variant& variant) {
    Add(static_cast<uint64_t>(variant.kind()));
    if (const auto number = variant.AsInt(); number.ok()) Add(static_cast<uint64_t>(*number));
    if (const auto text = variant.AsString(); text.ok()) Add(*text);
    if (const auto bytes = variant.AsBytes(); bytes.ok()) {
      Add(std::string_view(reinterpret_cast<const char*>(bytes->data()), bytes->size()));
    }
  }
  void Add(const Vector<int>& numbers) {
    const auto all = numbers.Checked();
    Add(all.ok() ? all->size() : ~uint64_t{0});
    if (!all.ok()) return;
    for (const int number : *all) Add(static_cast<uint64_t>(number));
  }
  void Add(const String& text) {
    const auto all = text.Checked();
    Add(all.ok() ? *all : "damaged");
  }
  void Add(const Box<Entry>& box) {
    const auto entry = box.Checked();
    Add(entry.ok() && *entry != nullptr);
    if (entry.ok() && *entry != nullptr) Add(**entry);
  }
  void Add(const Deque<int>& queue) {
    Add(queue.size());
    for (size_t i = 0; i < queue.size(); ++i) {
      const auto number = queue.Checked(i);
      Add(number.ok() ? static_cast<uint64_t>(**number) : ~uint64_t{0});
    }
  }
  void Add(const Box<Link>& list) {
    for (auto link = list.Checked(); link.ok() && *link != nullptr; link = (*link)->next.Checked()) {
      Add(static_cast<uint64_t>((*link)->value));
    }
  }
  uint64_t value() const { return value_; }

 private:
  uint64_t value_ = 0xcbf29ce484222325;
};

uint64_t DigestOf(const Root& root) {
  Digest digest;
  const auto entries = root.entries.Checked();
  const auto variants = root.variants.Checked();
  if (!entries.ok() || !variants.ok()) return 0;
  digest.Add(root.numbers);
  digest.Add(entries->size());
  for (const Entry& entry : *entries) digest.Add(entry);
  digest.Add(root.text);
  digest.Add(root.box);
  digest.Add(root.variant);
  digest.Add(variants->size());
  for (const Variant& variant : *variants) digest.Add(variant);
  digest.Add(root.queue);
  digest.Add(root.more_numbers);
  digest.Add(root.more_text);
  digest.Add(root.more_box);
  digest.Add(root.more_queue);
  digest.Add(root.list);
  return digest.value();
}

uint64_t BlocksOf(const Variant& variant) {
  return variant.kind() == VariantKind::kString || variant.kind() == VariantKind::kBytes ? 1 : 0;  // none here is empty
}

uint64_t BlocksOf(const Box<Entry>& box) { return box.empty() ? 0 : 1 + (box->name.capacity() != 0); }
uint64_t BlocksOf(const Box<Link>& list) {
  uint64_t blocks = 0;
  for (const Box<Link>* at = &list; !at->empty(); at = &(*at)->next) ++blocks;
  return blocks;
}

uint64_t BlocksOf(const Root& root) {
  uint64_t blocks = (root.numbers.capacity() != 0) + (root.entries.capacity() != 0) + (root.text.capacity() != 0) +
                    (root.queue.capacity() != 0) + (root.variants.capacity() != 0) + BlocksOf(root.variant);
  for (const Variant& variant : root.variants) blocks += BlocksOf(variant);
  for (const Entry& entry : root.entries) blocks += entry.name.capacity() != 0;
  blocks += (root.more_numbers.capacity() != 0) + (root.more_text.capacity() != 0) + (root.more_queue.capacity() != 0);
  return blocks + BlocksOf(root.box) + BlocksOf(root.more_box) + BlocksOf(root.list);
}

// ---- the changes -----------------------------------------------------------------------------------------------------------------

// All of them are full: what comes next must grow.
void Fill(Root& root) {
  Ok(root.numbers.Assign({1, 2, 3, 4}));
  Ok(root.entries.Clear());
  Ok(root.entries.PushBack(10, "ten"));
  Ok(root.entries.PushBack(11, "eleven"));
  Ok(root.text.Assign("sixteen letters!"));
  Ok(root.box.Set(20, "twenty"));
  Ok(root.queue.Clear());
  for (int i = 0; i < 4; ++i) Ok(root.queue.PushBack(i));
  Ok(root.queue.PopFront());
  Ok(root.queue.PushBack(4));
  Ok(root.variant.SetString("a text"));
  Ok(root.variants.Clear());
  Ok(root.variants.PushBack(40));
  Ok(root.variants.PushBack("forty-one"));
  Ok(root.more_numbers.Assign({60, 61}));
  Ok(root.more_text.Assign("text"));
  Ok(root.more_box.Set(70, "seventy"));
  Ok(root.more_queue.Clear());
  Ok(root.more_queue.PushFront(80));
  Ok(root.list.Clear());
  Ok(root.list.Set(90));
  Ok(root.list.Edit().value()->next.Set(91));
  Ok(root.list.Edit().value()->next.Edit().value()->next.Set(92));
}

void PushWithGrowth(Root& root) {
  Ok(root.numbers.PushBack(5));
  Ok(root.entries.PushBack(12, "twelve"));
}
void InsertAndErase(Root& root) {
  Ok(root.numbers.Erase(0));
  Ok(root.numbers.Insert(1, 9));
  Ok(root.entries.Insert(0, 13, "thirteen"));
  Ok(root.entries.Erase(1));
  Ok(root.entries.PopBack());
}
void SetAndEdit(Root& root) {
  Ok(root.numbers.Set(0, 8));
  const std::span<int> all = root.numbers.EditAll().value();
  all[3] = 9;
  Ok(root.entries.Set(1, 14, "fourteen"));
  root.entries.Edit(0).value()->id = 15;
}
void AssignText(Root& root) {
  Ok(root.text.Assign("another text"));
  Ok(root.text.Append(", longer than there is room for"));
  Ok(root.entries.Edit(1).value()->name.Append(" and more than fits there"));
}
void ReplaceBox(Root& root) {
  root.box.Edit().value()->id = 21;
  Ok(root.box.Set(22, "twenty-two"));
}
void BothEnds(Root& root) {
  Ok(root.queue.PopBack());
  Ok(root.queue.PushFront(30));
  Ok(root.queue.Set(1, 31));
  Ok(root.queue.PushBack(32));
  Ok(root.queue.PopFront());
}
// From each kind to another, in place and as elements.
void ChangeVariants(Root& root) {
  constexpr std::byte kBytes[] = {std::byte{1}, std::byte{2}, std::byte{3}};
  Ok(root.variant.SetInt(50));
  Ok(root.variant.SetBytes(kBytes));
  Ok(root.variants.PushBack(2.5));
  Ok(root.variants.PushBack(root.variant));
  Ok(root.variants.Edit(0).value()->SetString("fifty-one"));
  Ok(root.variants.Edit(1).value()->SetString("a longer text than there was"));
  Ok(root.variants.Edit(2).value()->SetNull());
  Ok(root.variants.Erase(0));
}
// What was swapped is changed after it and before it: what has to be saved goes with the elements.
void SwapVectors(Root& root) {
  Ok(root.numbers.Swap(root.more_numbers));
  Ok(root.numbers.Set(0, 62));
  Ok(root.more_numbers.PushBack(5));
  Ok(root.numbers.PushBack(63));
  Ok(root.numbers.Swap(root.more_numbers));
  Ok(root.numbers.Set(1, 64));
}
void SwapStrings(Root& root) {
  Ok(root.text.Append("!"));
  Ok(root.text.Swap(root.more_text));
  root.text.EditAll().value()[0] = 'T';
  Ok(root.more_text.Append("?"));
  Ok(root.entries.Edit(0).value()->name.Swap(root.entries.Edit(1).value()->name));
}
void SwapBoxes(Root& root) {
  Ok(root.box.Swap(root.more_box));
  root.box.Edit().value()->id = 71;
  Ok(root.more_box.Edit().value()->name.Append("!"));
}
void SwapDeques(Root& root) {
  Ok(root.queue.PopFront());
  Ok(root.queue.Swap(root.more_queue));
  Ok(root.queue.PushFront(81));
  *root.queue.Edit(1).value() = 82;
  Ok(root.more_queue.Set(0, 83));
}
// The first link goes, and a box gets what another one held.
void TakeFromBoxes(Root& root) {
  Ok(root.list.Take(root.list.Edit().value()->next));
  root.list.Edit().value()->value = 93;
  Ok(root.box.Take(root.more_box));
  root.box.Edit().value()->id = 72;
}
// Shorter and longer, where there is room and where there is none.
void ResizeAll(Root& root) {
  Ok(root.numbers.Resize(2));
  Ok(root.numbers.Resize(3));
  Ok(root.numbers.Resize(9));
  Ok(root.entries.Resize(1));
  Ok(root.entries.Resize(3));
  Ok(root.text.Resize(3));
  Ok(root.text.Resize(5, '+'));
  Ok(root.text.Resize(30, '-'));
  Ok(root.more_text.Clear());
}
void ReserveAll(Root& root) {
  Ok(root.numbers.Reserve(20));
  Ok(root.entries.Reserve(8));
  Ok(root.text.Reserve(100));
  Ok(root.queue.Reserve(20));
  Ok(root.numbers.PushBack(5));
  Ok(root.queue.PushFront(84));
  Ok(root.text.Append("!"));
}
void EmplaceAll(Root& root) {
  *root.numbers.EmplaceBack(5).value() = 6;
  Ok(root.entries.EmplaceBack(12, "twelve").value()->name.Append("!"));
  *root.queue.EmplaceBack(85).value() = 86;
  *root.queue.EmplaceFront(87).value() = 88;
  Ok(root.variants.EmplaceBack("fifty").value()->SetInt(50));
}
// With growth, and where there is room.
void AppendRanges(Root& root) {
  Ok(root.numbers.Append(std::array{5, 6}));
  Ok(root.numbers.PopBack());
  Ok(root.numbers.Append(std::array{7}));
  Ok(root.variants.Append(std::array<std::string_view, 2>{"sixty", "sixty-one"}));
  Ok(root.variants.Assign(std::array{62, 63}));
}
void ChangeAVariant(Root& root) {
  Ok(root.variant.SetBool(true));
  Ok(root.variant.Set(root.variants[1]));
  Ok(root.variant.SetDouble(2.5));
  Ok(root.variant.Set(root.variants[0]));
}
void SwapAll(Root& root) {
  SwapVectors(root);
  SwapStrings(root);
  SwapBoxes(root);
  SwapDeques(root);
  TakeFromBoxes(root);
}
void Several(Root& root) {
  PushWithGrowth(root);
  SetAndEdit(root);
  AssignText(root);
  ReplaceBox(root);
  BothEnds(root);
  InsertAndErase(root);
}
void GiveUp(Root& root) {
  Ok(root.entries.Clear());
  Ok(root.numbers.Clear());
  Ok(root.numbers.ShrinkToFit());
  Ok(root.box.Clear());
  Ok(root.queue.Clear());
  Ok(root.variant.SetNull());
  Ok(root.variants.Clear());
}

// ---- mistakes --------------------------------------------------------------------------------------------------------------------

shm_internal::Section& Open() { return *shm_internal::ThisThreadSections().open; }

// Words of a container's header: docs/memory_format.md.
uint64_t& WordOf(Vector<int>& vector, size_t word) { return reinterpret_cast<uint64_t*>(&vector)[word]; }

// The header says that its elements need no saving.
void UnsavedElement(Root& root) {
  Ok(root.numbers.Edit(1).status());
  WordOf(root.numbers, 4) = 0;
  Ok(root.numbers.Set(0, 8));
}

// The header of an element's name says that it was saved.
void UnsavedHeader(Root& root) {
  String& name = const_cast<String&>(root.entries[0].name);
  reinterpret_cast<uint64_t*>(&name)[3] = Open().number();
  Ok(name.Append("!"));
}

// The old block is not kept until the commit.
void FreedAtOnce(Root& root) {
  const shm_internal::Attachment& attachment = Open().attachment();
  const auto block = attachment.heap().BlockAt(attachment.OffsetOf(root.numbers.data()));
  Ok(root.numbers.PushBack(5));
  attachment.heap().Free(&Open().cache(), *block);
}

constexpr size_t kLargeBytes = 600'000;  // more than half of the segment: there is one such block

// A block of pages that the section has taken, saved, and given back at once: somebody else's by the time the bytes are put back.
void SavedAndFreedAtOnce(Root& root) {
  Ok(root.numbers.PushBack(5));
  const auto block = Open().Allocate(kLargeBytes, 16);
  Ok(block.status());
  std::byte* const bytes = segment->BytesAt(block->offset, kLargeBytes).data();
  Ok(Open().Save(bytes, 64));
  std::memset(bytes, 1, 64);
  Open().attachment().heap().Free(&Open().cache(), *block);
  for (int i = 0; i < 20; ++i) Ok(root.numbers.Set(0, i));  // time for the thief
}

// ---- parties ---------------------------------------------------------------------------------------------------------------------

void SetUp(Room& room, Change change) {
  delete segment;
  auto made = Segment::Create({.limit_bytes = size_t{1} << 20});
  SHOAL_CHECK(made.ok(), "a segment can be made");
  segment = new Segment(*std::move(made));
  room.mutex = new (segment->At<Mutex<Root>>(segment->Allocate(sizeof(Mutex<Root>), 64).value())) Mutex<Root>;
  room.blocks_at_first = Attachment::Of(room.mutex)->heap().Usage().allocated_blocks;
  auto guard = room.mutex->Lock();
  Fill(**guard);
  guard->Release();
  guard = room.mutex->Lock();
  room.before = room.after = DigestOf(**guard);
  if (change != nullptr) {
    change(**guard);
    room.after = DigestOf(**guard);
    guard->Rollback();
  }
  SHOAL_CHECK(!failed, "the setup can do what the victim does");
}

template <Change change>
void Act(Room& room) {
  auto guard = room.mutex->Lock();
  SHOAL_CHECK(guard.ok(), "a mutex can be locked");
  change(**guard);
  SHOAL_CHECK(!failed, "what the setup could do, the victim can");
  guard->Release();
  room.committed = true;
}
template <Change change>
void Rehearse(Room& room) {
  auto guard = room.mutex->Lock();
  SHOAL_CHECK(guard.ok(), "a mutex can be locked");
  change(**guard);
  guard->Rollback();
}

void Rescue(Room& room) {
  auto guard = room.mutex->Lock();
  SHOAL_CHECK(guard.ok(), "a mutex can be locked");
  Root& root = **guard;
  const uint64_t digest = DigestOf(root);
  if (root.rescues != 0) {
    if (digest != root.rescued_digest) room.torn = true;
  } else {
    if (digest != room.before && digest != room.after) room.torn = true;
    if (room.committed && digest != room.after) room.lost = true;
  }
  // Uses whatever memory there is, so that what is somebody's shows. Of a torn state nothing can be expected.
  if (!room.torn && !room.lost) {
    Fill(root);
    Several(root);
    if (failed) room.torn = true;
  }
  root.rescued_digest = DigestOf(root);
  ++root.rescues;
}

// Takes pages in a section of its own, under a lock of its own, and keeps them.
void Steal(Room& room) {
  auto offset = segment->Allocate(kLargeBytes, 16);
  if (!offset.ok()) return;  // the victim has it
  std::byte* const bytes = segment->BytesAt(*offset, kLargeBytes).data();
  std::memset(bytes, 7, kLargeBytes);
  room.stolen_bytes = kLargeBytes;
  room.stolen = bytes;
}

Verdict Judge(void* shared) {
  Room& room = *static_cast<Room*>(shared);
  if (room.torn) return Verdict::kHalfDone;
  if (room.lost) return Verdict::kLost;
  for (size_t i = 0; i < room.stolen_bytes; ++i) {
    if (room.stolen[i] != std::byte{7}) return Verdict::kHalfDone;
  }
  const std::shared_ptr<Attachment> attachment = Attachment::Of(room.mutex);
  if (AnySectionIsOpen(*attachment)) return Verdict::kHalfDone;
  auto guard = room.mutex->Lock();
  if (!guard.ok() || DigestOf(**guard) != (*guard)->rescued_digest) return Verdict::kHalfDone;
  guard->Release();
  guard = room.mutex->Lock();
  return OfBlocks(BlocksBesideJournals(*attachment), room.blocks_at_first + (room.stolen != nullptr) + BlocksOf(**guard));
}

// A process of its own does once what every process does once.
void Warm() {
  static Room& own = *new Room{};
  Segment* const before = std::exchange(segment, nullptr);
  SetUp(own, Several);
  Act<Several>(own);
  segment = before;
}

template <Change change>
Operation Registered(std::string name) {
  Operation operation = OperationOn<Room>(std::move(name));
  operation.setup = [](void* shared) { SetUp(*new (shared) Room{}, change); };
  operation.warm = Warm;
  operation.prepare = On(Rehearse<change>);
  operation.body = On(Act<change>);
  operation.rescuer = On(Rescue);
  operation.kill_rescuer_too = true;
  operation.may_sleep = [](const void* shared, int) { return static_cast<const Room*>(shared)->mutex->locked(); };
  operation.check = Judge;
  return operation;
}

// With nothing prepared: the thread takes its slot, makes its journal and gets its slabs first.
template <Change change>
Operation FirstOfAThread(std::string name) {
  Operation operation = Registered<change>(std::move(name));
  operation.prepare = nullptr;
  return operation;
}

template <Change change>
Operation RolledBack(std::string name) {
  Operation operation = Registered<change>(std::move(name));
  operation.setup = [](void* shared) { SetUp(*new (shared) Room{}, nullptr); };
  operation.body = On(Rehearse<change>);
  return operation;
}

// A mistake cannot be rehearsed.
template <Change change>
Operation Mistaken(std::string name) {
  Operation operation = Registered<change>(std::move(name));
  operation.setup = [](void* shared) { SetUp(*new (shared) Room{}, nullptr); };
  operation.prepare = On(Rehearse<PushWithGrowth>);
  operation.body = [](void* shared) {
    Room& room = *static_cast<Room*>(shared);
    auto guard = room.mutex->Lock();
    change(**guard);  // never commits: whatever is left of it is a mistake
    guard->Rollback();
  };
  return operation;
}

}  // namespace

std::vector<Operation> ContainerOperations() {
  return {
      Registered<PushWithGrowth>("Vector, push with growth"),
      FirstOfAThread<PushWithGrowth>("Vector, push with growth, the first section of a thread"),
      Registered<InsertAndErase>("Vector, insert and erase"),
      Registered<SetAndEdit>("Vector, set and edit"),
      Registered<AssignText>("String, assign and append"),
      Registered<ReplaceBox>("Box, edit and replace"),
      Registered<BothEnds>("Deque, at both ends"),
      Registered<ChangeVariants>("Variant, from kind to kind"),
      Registered<SwapVectors>("Vector, swapped with another"),
      Registered<SwapStrings>("String, swapped with another"),
      Registered<SwapBoxes>("Box, swapped with another"),
      Registered<SwapDeques>("Deque, swapped with another"),
      Registered<TakeFromBoxes>("Box, taken from its own part and from another"),
      Registered<ResizeAll>("Vector and String, resized"),
      Registered<ReserveAll>("Vector, String and Deque, reserved"),
      Registered<EmplaceAll>("Vector and Deque, emplaced"),
      Registered<AppendRanges>("Vector, ranges"),
      Registered<ChangeAVariant>("Variant, a copy, a bool and a double"),
      Registered<GiveUp>("containers, given up"),
      Registered<Several>("containers, several in a section"),
      RolledBack<Several>("containers, several in a section, rolled back"),
      RolledBack<SwapAll>("containers, swapped and taken, rolled back"),
  };
}

std::vector<Operation> ContainerOperationsThatTear() {
  std::vector<Operation> broken = {
      Mistaken<UnsavedElement>("Vector, an element is changed that was not saved"),
      Mistaken<UnsavedHeader>("String, a header is changed that was not saved"),
      Mistaken<FreedAtOnce>("Vector, the old block is freed before the commit"),
      Mistaken<SavedAndFreedAtOnce>("a block of the same section is saved, and freed before the end"),
  };
  broken.back().thief = [](void* shared, const Gate& gate) {
    Steal(*static_cast<Room*>(shared));
    gate.Hold();
  };
  return broken;
}

}  // namespace shoal::tests
