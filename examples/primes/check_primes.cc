// Which of six numbers are prime, checked by two worker processes:
//
//   bazel run -c opt //examples/primes:check_primes

#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "shoal/pool/pool.h"
#include "shoal/sync/status.h"

namespace {

absl::Status CheckPrimes(const std::string& plugin) {
  SHOAL_ASSIGN_OR_RETURN(shoal::Pool pool, shoal::Pool::Create({.workers = 2, .plugins = {plugin}}));
  SHOAL_ASSIGN_OR_RETURN(const auto is_prime, pool.Get<bool(uint64_t)>("is_prime"));

  const std::vector<uint64_t> numbers = {1112272535095293, 1112582705942171, 1112272535095291,
                                         1115280095190773, 1115797848077099, 11099726899285419};
  SHOAL_ASSIGN_OR_RETURN(const std::vector<bool> answers, is_prime.Map(numbers));
  for (size_t i = 0; i < numbers.size(); ++i) {
    std::printf("%lu is prime: %s\n", numbers[i], answers[i] ? "True" : "False");
  }
  return absl::OkStatus();
}

}  // namespace

int main(int argc, char** argv) {
  const absl::Status status = CheckPrimes(argc > 1 ? argv[1] : "examples/primes/primes.so");
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}
