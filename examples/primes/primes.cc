// A plug-in: ordinary functions, and a block that offers them.

#include <cmath>
#include <cstdint>

#include "shoal/plugins/plugin.h"

namespace {

bool IsPrime(uint64_t n) {
  if (n < 2) return false;
  if (n % 2 == 0) return n == 2;
  const auto root = static_cast<uint64_t>(std::sqrt(static_cast<double>(n)));
  for (uint64_t divisor = 3; divisor <= root; divisor += 2) {
    if (n % divisor == 0) return false;
  }
  return true;
}

}  // namespace

SHOAL_PLUGIN(catalog) { catalog.Add("is_prime", IsPrime, "Whether n is prime."); }
