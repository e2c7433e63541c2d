#include "shoal/shm/failing_allocations.h"

#include <stdlib.h>

#include <cstddef>
#include <new>

namespace {

thread_local int64_t left = shoal::shm_internal::kAllAllocations;

void* Allocate(size_t bytes, size_t alignment) noexcept {
  if (left == 0) return nullptr;
  if (left > 0) --left;
  return aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
}
void* AllocateOrThrow(size_t bytes, size_t alignment) {
  void* const got = Allocate(bytes, alignment);
  if (got == nullptr) throw std::bad_alloc();
  return got;
}

}  // namespace

void shoal::shm_internal::AllowAllocations(int64_t count) { left = count; }

void* operator new(size_t bytes) { return AllocateOrThrow(bytes, __STDCPP_DEFAULT_NEW_ALIGNMENT__); }
void* operator new(size_t bytes, std::align_val_t alignment) {
  return AllocateOrThrow(bytes, static_cast<size_t>(alignment));
}
void* operator new(size_t bytes, const std::nothrow_t&) noexcept {
  return Allocate(bytes, __STDCPP_DEFAULT_NEW_ALIGNMENT__);
}
void* operator new(size_t bytes, std::align_val_t alignment, const std::nothrow_t&) noexcept {
  return Allocate(bytes, static_cast<size_t>(alignment));
}
void operator delete(void* at) noexcept { free(at); }
void operator delete(void* at, size_t) noexcept { free(at); }
void operator delete(void* at, std::align_val_t) noexcept { free(at); }
void operator delete(void* at, size_t, std::align_val_t) noexcept { free(at); }
