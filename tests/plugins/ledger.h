#ifndef SHOAL_TESTS_PLUGINS_LEDGER_H_
#define SHOAL_TESTS_PLUGINS_LEDGER_H_

#include <cstdint>

namespace shoal::tests {

// What a Mutex of the program's owns and a plug-in changes. Every section leaves left == right, and a block with that number in it.
struct Ledger {
  uint64_t left = 0;
  uint64_t right = 0;
  uint64_t block = 0;  // offset in the segment
};

}  // namespace shoal::tests

#endif  // SHOAL_TESTS_PLUGINS_LEDGER_H_
