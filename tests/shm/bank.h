#ifndef SHOAL_TESTS_SHM_BANK_H_
#define SHOAL_TESTS_SHM_BANK_H_

#include <cstddef>
#include <cstdint>
#include <string>

namespace shoal::tests {

// 1,000 accounts in a HashMap in one Mutex. Processes move money between them, close accounts and open them again; a parent kills
// them at random and starts others in their place.

struct BankPlan {
  uint64_t seed = 0;
  double seconds = 0;  // of kills; 0: nobody is killed, and each process makes its sections and ends
  int sections_if_undisturbed = 2000;
};

struct BankReport {
  int64_t kills = 0;
  int64_t sections = 0;     // that committed, in all
  int64_t recoveries = 0;   // a process found that the one before it had died inside its section
  size_t owned_blocks = 0;  // of the heap, without journals
  size_t owned_bytes = 0;
  std::string wrong;  // empty: the sum is right, no account is lost, no process has complained
};

BankReport RunBank(const BankPlan& plan);

}  // namespace shoal::tests

#endif  // SHOAL_TESTS_SHM_BANK_H_
