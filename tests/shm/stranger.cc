// A program that knows none of the types in a segment: opens it by name, cleans up after the dead, and prints how many blocks are in use
// before and after, journals left out.

#include <cinttypes>
#include <cstdio>
#include <memory>

#include "shoal/shm/attachment.h"
#include "shoal/shm/heap.h"
#include "shoal/shm/layout.h"
#include "shoal/shm/segment.h"

namespace {

uint64_t Blocks(const shoal::shm_internal::Attachment& attachment) {
  uint64_t blocks = attachment.heap().Usage().allocated_blocks;
  for (const shoal::shm_internal::ThreadSlot& slot : attachment.threads()) blocks -= slot.journal.load() != 0;
  return blocks;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const auto segment = shoal::Segment::Open(argv[1]);
  if (!segment.ok()) return 3;
  const auto attachment = shoal::shm_internal::Attachment::Of(&segment->deaths());
  const uint64_t before = Blocks(*attachment);
  segment->Reap();
  printf("%" PRIu64 " %" PRIu64 "\n", before, Blocks(*attachment));
  return 0;
}
