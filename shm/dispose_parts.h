#ifndef SHOAL_SHM_DISPOSE_PARTS_H_
#define SHOAL_SHM_DISPOSE_PARTS_H_

#include <cstddef>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "shoal/shm/layout_tree.h"
#include "shoal/shm/section.h"

// How what a container owns is given up by somebody who knows its layout only: one function per container. A new container gets one
// here and a row in dispose.cc.

namespace shoal::shm_internal {

struct Place {
  const Layout* layout;
  std::byte* at;
  bool emptied;  // what it owns has been visited; now its own block
};

// Where to go next; the last to come is the first.
class Places {
 public:
  void Add(const Layout& layout, std::byte* first, size_t count) {
    if (count != 0) runs_.push_back({{&layout, first, false}, count});
  }
  // Comes back to a container when all that is added after this has been visited.
  void Return(const Place& place) { runs_.push_back({{place.layout, place.at, true}, 1}); }

  bool empty() const { return runs_.empty(); }
  Place Next() {
    Run& run = runs_.back();
    const Place next = run.first;
    if (--run.count == 0) {
      runs_.pop_back();
    } else {
      run.first.at += SizeOf(*next.layout);
    }
    return next;
  }

 private:
  struct Run {
    Place first;
    size_t count;
  };
  std::vector<Run> runs_;
};

// Empties the container at `place`, or adds what is to be emptied first. Reads what it finds there once, and follows it only inside
// the segment. DataLoss: it makes no sense. ResourceExhausted: no memory for the journal.
using PartFunction = absl::Status (*)(Section& section, const Layout& layout, const Place& place, Places& places);
struct ContainerRow {
  std::string_view name;
  PartFunction part;
};

// Whether anything in an object of this type owns something. A struct around it is known to, as it is asked about already.
bool Owns(const Layout& layout);

// Vector, String and Box; Deque.
absl::Status VectorPart(Section& section, const Layout& layout, const Place& place, Places& places);
absl::Status DequePart(Section& section, const Layout& layout, const Place& place, Places& places);
absl::Status HashMapPart(Section& section, const Layout& layout, const Place& place, Places& places);
absl::Status VariantPart(Section& section, const Layout& layout, const Place& place, Places& places);
// What is guarded lies at offset 0, and is all there is.
absl::Status InnerPart(Section& section, const Layout& layout, const Place& place, Places& places);
// A handle.
absl::Status HandlePart(Section& section, const Layout& layout, const Place& place, Places& places);
// An array's elements own nothing themselves.
absl::Status ArrayPart(Section& section, const Layout& layout, const Place& place, Places& places);

// A queue: the messages that nobody has taken.
absl::Status CellsPart(Section& section, const Layout& layout, const Place& place, Places& places);
// A pipe: the cells of both directions. An end of one, wherever it lies.
absl::Status PipePart(Section& section, const Layout& layout, const Place& place, Places& places);
absl::Status EndPart(Section& section, const Layout& layout, const Place& place, Places& places);

absl::Status DamagedContainer();

}  // namespace shoal::shm_internal

#endif  // SHOAL_SHM_DISPOSE_PARTS_H_
