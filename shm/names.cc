// shm/names.cc: a table of 64 lists, in an object like any other: what a Mutex guards changes whole or not at all.
//
//  names (Ledger)   meaning                                    who may change it, to what
//   0               nothing has ever been published            the first publisher → the table, in one commit of the ledger
//   an offset       the table, which counts as stored once     nobody
//
//  If the process dies …                             the others see …
//   having made a table, before the ledger's commit   an object with a dead holder; no table
//   in a section of the table                         the section undone, or finished: counts, lists and blocks together

#include "shoal/shm/names.h"

#include <array>
#include <cstdint>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "shoal/shm/dispose.h"
#include "shoal/shm/ledger.h"
#include "shoal/shm/membership.h"
#include "shoal/shm/mutex.h"
#include "shoal/shm/object.h"
#include "shoal/shm/section.h"
#include "shoal/shm/stored_word.h"
#include "shoal/sync/status.h"

namespace shoal::shm_internal {
namespace {

using sync_internal::MakeStatus;

constexpr size_t kLongest = 255;
constexpr size_t kLists = 64;

// The table: offsets of the first entries.
struct Names {
  std::array<uint64_t, kLists> first;
};

// A block; the name lies behind it.
struct Entry {
  uint64_t next;
  uint64_t handle;  // as a stored handle's word
  uint64_t length;
};

// A name that was found, and the word that leads to it.
struct Found {
  uint64_t* link;
  Entry* entry;  // null: it is not there
};

absl::Status Damaged() { return MakeStatus(absl::StatusCode::kDataLoss, "the table of published names is damaged"); }

uint64_t* ListOf(Names& names, std::string_view name) {
  FingerprintSink hash;
  hash.Add(name);
  return &names.first[hash.hash() % kLists];
}

absl::StatusOr<Found> Search(const Section& section, Names& names, std::string_view name) {
  const Attachment& attachment = section.attachment();
  Found found = {ListOf(names, name), nullptr};
  for (size_t left = attachment.size_bytes() / sizeof(Entry);; --left) {
    const uint64_t offset = *found.link;
    if (offset == 0) return found;
    auto* const entry = reinterpret_cast<Entry*>(attachment.base() + offset);
    if (left == 0 || offset % 16 != 0 || offset > attachment.size_bytes() || !section.Covers(entry, sizeof(Entry))) {
      return Damaged();
    }
    const uint64_t length = entry->length;
    if (length > kLongest || !section.Covers(entry + 1, length)) return Damaged();
    if (name == std::string_view(reinterpret_cast<const char*>(entry + 1), length)) {
      found.entry = entry;
      return found;
    }
    found.link = &entry->next;
  }
}

// A handle to the table, which keeps it while it is used.
class Table final {
 public:
  explicit Table(Hold* hold) : handle_(hold) {}
  Table(Table&& other) noexcept : handle_(std::exchange(other.handle_, Handle())) {}
  Table& operator=(Table&&) = delete;
  ~Table() { handle_.Destroy(); }
  Mutex<Names>& operator*() const { return *reinterpret_cast<Mutex<Names>*>(handle_.hold_or_null()->object); }

 private:
  Handle handle_;
};

const TypeDescription& TableType() { return DescriptionOf<Mutex<Names>>(); }

absl::StatusOr<Table> TableAt(const std::shared_ptr<Attachment>& attachment, ParticipantId self, uint64_t offset) {
  SHOAL_ASSIGN_OR_RETURN(Hold* const hold, MembershipOf(*attachment).holds.Take(attachment, self, offset, TableType()));
  return Table(hold);
}

// What the ledger says; if it says nothing yet, `made` from now on.
absl::StatusOr<uint64_t> Enter(const Attachment& attachment, uint64_t made) {
  SHOAL_ASSIGN_OR_RETURN(OpenLedger ledger, OpenLedger::Of(attachment));
  std::atomic<uint64_t>& names = attachment.header().ledger.names;
  if (OpenLedger::Get(names) != 0 || made == 0) return OpenLedger::Get(names);
  ObjectHeader& object = *ObjectAtOrNull(attachment, made);
  ledger.Set(object.stored, 1);
  ledger.Set(names, made);
  ledger.Commit();
  return made;
}

absl::StatusOr<Table> OpenTable(const std::shared_ptr<Attachment>& attachment, bool make) {
  if (ThisThreadSections().open != nullptr && ThisThreadSections().serial == sync_internal::ThisThread().serial) {
    return MakeStatus(absl::StatusCode::kFailedPrecondition,
                      "this thread has a critical section open: objects are published and found outside of sections");
  }
  SHOAL_ASSIGN_OR_RETURN(const ParticipantId self, Participate(*attachment));
  SHOAL_ASSIGN_OR_RETURN(uint64_t offset, Enter(*attachment, 0));
  if (offset != 0) return TableAt(attachment, self, offset);
  if (!make) return MakeStatus(absl::StatusCode::kNotFound, "nothing is published in this segment");
  SHOAL_ASSIGN_OR_RETURN(Creation creation, Creation::Begin(attachment, TableType(), alignof(Mutex<Names>)));
  new (creation.where()) Mutex<Names>;
  SHOAL_ASSIGN_OR_RETURN(Hold* const hold, creation.Finish());
  Table made(hold);
  SHOAL_ASSIGN_OR_RETURN(offset, Enter(*attachment, hold->offset));
  if (offset == hold->offset) return made;
  return TableAt(attachment, self, offset);  // somebody was faster
}

absl::Status CheckName(std::string_view name) {
  if (!name.empty() && name.size() <= kLongest) return absl::OkStatus();
  return MakeStatus(absl::StatusCode::kInvalidArgument,
                    absl::StrCat("a name is 1 to ", kLongest, " bytes long, not ", name.size()));
}

absl::Status NotFound(std::string_view name) {
  return MakeStatus(absl::StatusCode::kNotFound, absl::StrCat("nothing is published as '", std::string(name), "'"));
}

absl::Status Insert(Section& section, uint64_t* link, std::string_view name, uint64_t offset) {
  SHOAL_ASSIGN_OR_RETURN(const Block block, section.Allocate(sizeof(Entry) + name.size(), 16));
  auto* const entry = reinterpret_cast<Entry*>(section.attachment().base() + block.offset);
  *entry = {.next = 0, .handle = StoredWord::Of(offset), .length = name.size()};
  std::memcpy(entry + 1, name.data(), name.size());
  SHOAL_RETURN_IF_ERROR(section.Retain(offset, &DestroyDoomedAfter));
  SHOAL_RETURN_IF_ERROR(section.Save(link, sizeof(*link)));
  *link = block.offset;
  return absl::OkStatus();
}

}  // namespace

absl::Status PublishName(const std::shared_ptr<Attachment>& attachment, std::string_view name, const Handle& handle,
                         const TypeDescription& type) {
  SHOAL_RETURN_IF_ERROR(CheckName(name));
  Hold* const hold = handle.hold_or_null();
  if (hold == nullptr || handle.Object(type) == nullptr || !hold->attachment->SameSegment(*attachment)) {
    return MakeStatus(absl::StatusCode::kFailedPrecondition,
                      absl::StrCat("what is published as '", std::string(name), "' is an object of this segment, of which one has a handle"));
  }
  SHOAL_ASSIGN_OR_RETURN(const Table table, OpenTable(attachment, /*make=*/true));
  return (*table).With([&](Names& names) -> absl::Status {
    Section& section = *ThisThreadSections().open;
    SHOAL_ASSIGN_OR_RETURN(const Found found, Search(section, names, name));
    if (found.entry != nullptr) {
      return MakeStatus(absl::StatusCode::kAlreadyExists,
                        absl::StrCat("something is published as '", std::string(name), "' already"));
    }
    return Insert(section, found.link, name, hold->offset);
  });
}

absl::StatusOr<Hold*> FindName(const std::shared_ptr<Attachment>& attachment, std::string_view name,
                               const TypeDescription& type) {
  SHOAL_RETURN_IF_ERROR(CheckName(name));
  absl::StatusOr<Table> table = OpenTable(attachment, /*make=*/false);
  if (absl::IsNotFound(table.status())) return NotFound(name);
  if (!table.ok()) return table.status();
  SHOAL_ASSIGN_OR_RETURN(const ParticipantId self, Participate(*attachment));
  Hold* found_hold = nullptr;  // this process's, which may leave the section
  SHOAL_RETURN_IF_ERROR((**table).With([&](Names& names) -> absl::Status {
    SHOAL_ASSIGN_OR_RETURN(const Found found, Search(*ThisThreadSections().open, names, name));
    if (found.entry == nullptr) return NotFound(name);
    auto hold = MembershipOf(*attachment).holds.Take(attachment, self, StoredWord::Offset(found.entry->handle), type);
    if (!hold.ok()) {
      return MakeStatus(hold.status().code(),
                        absl::StrCat("'", std::string(name), "' cannot be used here: ", hold.status().message()));
    }
    found_hold = *hold;
    return absl::OkStatus();
  }));
  return found_hold;
}

absl::Status UnpublishName(const std::shared_ptr<Attachment>& attachment, std::string_view name) {
  SHOAL_RETURN_IF_ERROR(CheckName(name));
  absl::StatusOr<Table> table = OpenTable(attachment, /*make=*/false);
  if (absl::IsNotFound(table.status())) return NotFound(name);
  if (!table.ok()) return table.status();
  return (**table).With([&](Names& names) -> absl::Status {
    Section& section = *ThisThreadSections().open;
    SHOAL_ASSIGN_OR_RETURN(const Found found, Search(section, names, name));
    if (found.entry == nullptr) return NotFound(name);
    SHOAL_RETURN_IF_ERROR(section.Save(found.link, sizeof(*found.link)));
    *found.link = found.entry->next;
    SHOAL_RETURN_IF_ERROR(section.Drop(StoredWord::Offset(found.entry->handle), &DestroyDoomedAfter));
    return section.Free(attachment->OffsetOf(found.entry));
  });
}

}  // namespace shoal::shm_internal
