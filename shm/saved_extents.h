#ifndef SHOAL_SHM_SAVED_EXTENTS_H_
#define SHOAL_SHM_SAVED_EXTENTS_H_

#include <array>
#include <cstddef>
#include <cstdint>

namespace shoal::shm_internal {

// Which extents a section has saved lately, so that what is changed over and over is saved once. It forgets: two extents that fall into
// one place drive each other out, and are saved again, which costs room in the journal and nothing else.
//
// Thread safety: belongs to one thread.
class SavedExtents final {
 public:
  bool Knows(uint64_t section, const void* address, size_t bytes) const {
    const Extent& extent = extents_[PlaceOf(address)];
    return extent.section == section && extent.address == reinterpret_cast<uintptr_t>(address) && extent.bytes >= bytes;
  }
  void Remember(uint64_t section, const void* address, size_t bytes) {
    extents_[PlaceOf(address)] = {section, reinterpret_cast<uintptr_t>(address), bytes};
  }

 private:
  static constexpr size_t kPlaces = 64;
  struct Extent {
    uint64_t section = 0;
    uintptr_t address = 0;
    size_t bytes = 0;
  };

  static size_t PlaceOf(const void* address) {
    const uint64_t spread = reinterpret_cast<uintptr_t>(address) * 0x9e37'79b9'7f4a'7c15;  // 2^64 / golden ratio
    return spread >> 58;
  }

  std::array<Extent, kPlaces> extents_;
};

}  // namespace shoal::shm_internal

#endif  // SHOAL_SHM_SAVED_EXTENTS_H_
