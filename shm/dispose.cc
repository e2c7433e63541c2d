// shm/dispose.cc: how an object that nobody holds is destroyed.
//
// Its type record says where its containers and handles lie. They are walked through with a list of places still to visit, not by
// recursion: what is deep in shared memory costs no stack. What a container owns goes before the container's own block; then its
// header becomes zero, which is an empty container, in the same section in which the block is given back. So at any moment the
// object is whole, only smaller, and the next one to destroy it finds nothing twice.
//
//  If the process dies …                          the others see …
//   in a step, before its commit                   the step undone: the object as it was before it
//   in the step's commit                           committed: whoever finishes the section gives back what the headers do not name
//   between two steps                              a smaller doomed object, and the lock `disposing` of a dead thread
//   in the last step: object out of the list,      committed: whoever finishes the section does the other half
//     its block given back
//
//  Who takes `disposing` after a death begins again with the first of the doomed. Keepers do, after each death.
//
//  Who dooms wants the doomed destroyed. If another is at it, that one learns it from `wanted`, and begins again when it is through.
//
//  EDGE dispose.wanted: {an object is doomed; `wanted` + 1; `disposing` is not free} against {`disposing` is given up; `wanted` is looked
//  at again}. If the first does not get it, the second sees the change.
//
//  Who uses an object outside of calls holds it (lingering.h), so nobody does here. But a thread that died with one of its locks may have
//  left a section open, which would be undone over whatever lies here next: it is undone before (in_use.h).

#include "shoal/shm/dispose.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "shoal/shm/dispose_parts.h"
#include "shoal/shm/in_use.h"
#include "shoal/shm/layout_tree.h"
#include "shoal/shm/ledger.h"
#include "shoal/shm/object.h"
#include "shoal/shm/type_table.h"
#include "shoal/sync/robust_lock.h"
#include "shoal/sync/status.h"

namespace shoal::shm_internal {
namespace {

// The one table of types that own something. A name that is not in it owns nothing.
constexpr ContainerRow kContainers[] = {
    {"Mutex", &InnerPart},      //
    {"RwLock", &InnerPart},     //
    {"Value", &InnerPart},      //
    {"Shared", &HandlePart},    //
    {"Vector", &VectorPart},    //
    {"String", &VectorPart},    //
    {"Box", &VectorPart},       //
    {"Deque", &DequePart},      //
    {"HashMap", &HashMapPart},  //
    {"Variant", &VariantPart},  //
    {"Array", &ArrayPart},      //
    {"Queue", &CellsPart},      //
    {"JoinableQueue", &CellsPart}, {"LifoQueue", &InnerPart},
    {"PriorityQueue", &InnerPart}, {"Cells", &CellsPart},  // of one direction of a pipe
    {"Pipe", &PipePart},           {"Connection", &EndPart},
};

const ContainerRow* RowOf(std::string_view name) {
  for (const ContainerRow& row : kContainers) {
    if (row.name == name) return &row;
  }
  return nullptr;
}

// An outer type leads back to the one that is looked at, which owns something if it gets as far as that.
bool MayOwn(const Layout& layout) { return layout.kind == Layout::Kind::kOuter || Owns(layout); }

// A class in `layout` that owns something, and is not in the table. Null: there is none.
const Layout* FindUnknownOwner(const Layout& layout) {
  if (layout.kind == Layout::Kind::kNamed) {
    const ContainerRow* const row = RowOf(layout.name);
    if (row == nullptr && std::any_of(layout.parts.begin(), layout.parts.end(), MayOwn)) return &layout;
    // What is in these does not lie there as what it is.
    constexpr std::array kOfOtherThings = {&HandlePart, &CellsPart, &PipePart, &EndPart};
    if (row != nullptr && std::count(kOfOtherThings.begin(), kOfOtherThings.end(), row->part) != 0) return nullptr;
  }
  for (const Layout& part : layout.parts) {
    if (const Layout* const found = FindUnknownOwner(part)) return found;
  }
  return nullptr;
}

class Walk {
 public:
  explicit Walk(SideSection& section) : section_(section) {}

  // Empties the object at `object`.
  absl::Status Empty(const Layout& layout, std::byte* object) {
    places_.Add(layout, object, 1);
    while (!places_.empty()) {
      SHOAL_RETURN_IF_ERROR(Visit(places_.Next()));
      if (section_->mark() > kEnough) section_.CommitAndGoOn();
    }
    return absl::OkStatus();
  }

 private:
  static constexpr size_t kEnough = size_t{12} << 10;  // so that the journal need not grow

  absl::Status Visit(const Place& place) {
    const Layout& type = Resolved(*place.layout);
    const size_t bytes = SizeOf(type);
    if (bytes == 0 || !section_->Covers(place.at, bytes)) return DamagedContainer();
    // Links that lead round in circles have more places than there are bytes.
    if (++visits_ > section_->attachment().size_bytes()) return DamagedContainer();
    switch (type.kind) {
      case Layout::Kind::kScalar:
      case Layout::Kind::kOuter:
        return absl::OkStatus();
      case Layout::Kind::kArray:
        if (MayOwn(type.parts[0])) places_.Add(type.parts[0], place.at, type.number);
        return absl::OkStatus();
      case Layout::Kind::kStruct:
        for (size_t i = 0; i < type.parts.size(); ++i) {
          const Layout& field = type.parts[i];
          if (MayOwn(field)) places_.Add(field, place.at + type.offsets[i], 1);
        }
        return absl::OkStatus();
      case Layout::Kind::kNamed:
        break;
    }
    const ContainerRow* const row = RowOf(type.name);
    return row == nullptr ? absl::OkStatus() : row->part(*section_, type, place, places_);
  }

  SideSection& section_;
  Places places_;
  size_t visits_ = 0;
};

// The object is out of its list, and its block given back.
absl::Status Remove(Section& section, uint64_t offset) {
  SHOAL_RETURN_IF_ERROR(section.Free(offset));
  return section.Defer(Reference::kDestroyed, offset, 0);
}

// False: it has to stay for now.
absl::StatusOr<bool> DestroyOne(const std::shared_ptr<Attachment>& attachment, uint64_t offset) {
  ObjectHeader* const object = ObjectAtOrNull(*attachment, offset, ObjectHeader::kDoomed);
  if (object == nullptr) return DamagedContainer();
  const auto code = CodeOf(*attachment, OpenLedger::Get(object->type));
  const auto layout = code.ok() ? ParseLayout(*code) : nullptr;
  if (layout != nullptr && !FinishDeadSections(*attachment, *layout, ObjectOf(*object))) return false;
  SHOAL_ASSIGN_OR_RETURN(SideSection section, SideSection::Open(attachment));
  if (layout != nullptr && Owns(*layout)) {
    const absl::Status emptied = Walk(section).Empty(*layout, ObjectOf(*object));
    // What is damaged is left where it is; the object goes all the same.
    if (!emptied.ok() && !absl::IsDataLoss(emptied)) return emptied;
    section.CommitAndGoOn();
  }
  SHOAL_RETURN_IF_ERROR(Remove(*section, offset));
  section.Commit();
  return true;
}

// The first of the doomed that is not one of these; 0: there is none.
absl::StatusOr<uint64_t> FirstDoomed(const Attachment& attachment, const std::vector<uint64_t>& kept) {
  SHOAL_ASSIGN_OR_RETURN(const OpenLedger ledger, OpenLedger::Of(attachment));
  uint64_t offset = OpenLedger::Get(attachment.header().ledger.doomed);
  for (size_t passed = 0; std::find(kept.begin(), kept.end(), offset) != kept.end(); ++passed) {
    const ObjectHeader* const object = ObjectAtOrNull(attachment, offset, ObjectHeader::kDoomed);
    if (object == nullptr || passed == kept.size()) return DamagedContainer();
    offset = OpenLedger::Get(object->next);
  }
  return offset;
}

// All that are doomed now, but for those that have to stay. False: whoever comes next goes on; this process's own memory may have run out,
// too.
bool DestroyAll(const std::shared_ptr<Attachment>& attachment) {
  // One at the same place may be another, made and dropped meanwhile; but not over and over.
  constexpr int kMostAtOnePlace = 100;
  uint64_t last = 0;
  int times = 0;
  try {
    std::vector<uint64_t> kept;
    for (;;) {
      const absl::StatusOr<uint64_t> first = FirstDoomed(*attachment, kept);
      if (!first.ok()) return false;
      if (*first == 0) return true;
      times = *first == last ? times + 1 : 0;
      if (times == kMostAtOnePlace) return false;  // it does not go: the words of the journal that say so are damaged
      last = *first;
      const absl::StatusOr<bool> destroyed = DestroyOne(attachment, *first);
      if (!destroyed.ok()) return false;
      if (!*destroyed) kept.push_back(*first);
    }
  } catch (const std::bad_alloc&) {
    return false;
  }
}

}  // namespace

bool Owns(const Layout& layout) {
  if (layout.kind == Layout::Kind::kNamed) {
    const ContainerRow* const row = RowOf(layout.name);
    if (row == nullptr) return false;
    if (row->part != &InnerPart) return true;
  }
  if (layout.kind == Layout::Kind::kArray && layout.number == 0) return false;
  return std::any_of(layout.parts.begin(), layout.parts.end(), MayOwn);
}

absl::Status CheckCanBeDestroyed(std::string_view code) {
  const auto layout = ParseLayout(code);
  if (layout == nullptr) {
    return sync_internal::MakeStatus(
        absl::StatusCode::kInvalidArgument,
        absl::StrCat("a type is described in ", code.size(), " bytes, or nested more deeply than the ", kMaxLayoutDepth,
                     " levels that are followed when it is destroyed"));
  }
  const Layout* const unknown = FindUnknownOwner(*layout);
  if (unknown == nullptr) return absl::OkStatus();
  return sync_internal::MakeStatus(
      absl::StatusCode::kInvalidArgument,
      absl::StrCat("class ", std::string(unknown->name),
                   " owns shared memory, and who destroys it could not find that: only plain structs and the "
                   "library's own containers may own some"));
}

void DestroyDoomed(const std::shared_ptr<Attachment>& attachment) {
  sync_internal::Thread& self = sync_internal::ThisThread();
  Ledger& ledger = attachment->header().ledger;
  if (OpenLedger::Get(ledger.doomed) == 0) return;
  ledger.wanted.fetch_add(1, std::memory_order_seq_cst);  // seq_cst: store→load; see EDGE dispose.wanted
  for (;;) {
    const uint64_t wanted = ledger.wanted.load(std::memory_order_seq_cst);  // seq_cst: as above
    bool owner_died = false;                                                // the list says what is left
    if (!sync_internal::Acquire(self, ledger.disposing, sync_internal::Deadline::Passed(), &owner_died,
                                sync_internal::Whose::kOurs)
             .ok()) {
      return;
    }
    const bool all = DestroyAll(attachment);
    sync_internal::Release(self, ledger.disposing);
    // seq_cst: as above. Who came while we were at it leaves it to us.
    if (!all || ledger.wanted.load(std::memory_order_seq_cst) == wanted) return;
  }
}

void DestroyDoomedAfter(Section& closed) {
  // A copy: what follows may be the segment's end.
  const std::shared_ptr<Attachment> attachment = closed.shared_attachment();
  DestroyDoomed(attachment);
}

}  // namespace shoal::shm_internal
