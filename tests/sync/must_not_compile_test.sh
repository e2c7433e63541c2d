#!/bin/bash
# What misuse of sync the compilers refuse. Each case is compiled twice by each of them: as it should be, and with the mistake.

set -euo pipefail

readonly include="${TEST_TMPDIR}/include"
mkdir -p "${include}/shoal"
ln -s "${PWD}/sync" "${include}/shoal/sync"

compiles() {
  { printf '#include "shoal/sync/condition.h"\n#include "shoal/sync/lock.h"\n'; cat; } |
    "${compiler}" -std=c++20 -Wall -Werror -fsyntax-only -I"${include}" -x c++ - 2> "${TEST_TMPDIR}/errors"
}

compilers=(g++)
# Optional: the build needs g++ only.
for clang in clang++ clang++-14; do
  if command -v "${clang}" > /dev/null; then compilers+=("${clang}"); break; fi
done
readonly compilers

failures=0
expect() {  # name, right code, wrong code, what the compiler must say
  local compiler
  for compiler in "${compilers[@]}"; do expect_of "${compiler}" "$@"; done
}
expect_of() {
  local compiler="$1"
  shift
  if ! compiles <<< "$2"; then
    echo "FAILED: ${compiler}: $1: the right form does not compile"; cat "${TEST_TMPDIR}/errors"; failures=1
  elif compiles <<< "$3"; then
    echo "FAILED: ${compiler}: $1: compiles"; failures=1
  elif ! grep -q "$4" "${TEST_TMPDIR}/errors"; then
    echo "FAILED: ${compiler}: $1: refused for another reason"; cat "${TEST_TMPDIR}/errors"; failures=1
  else
    echo "ok: ${compiler}: $1"
  fi
}

expect "a guard is not copied" \
  'shoal::Guard Pass(shoal::Guard guard) { return guard; }' \
  'shoal::Guard Copy(const shoal::Guard& guard) { return guard; }' \
  'use of deleted function\|call to deleted constructor\|copy constructor.*deleted\|implicitly-deleted copy'

expect "a guard is not ignored" \
  'void Use(shoal::Lock& lock) { auto guard = lock.TryAcquire(); }' \
  'void Use(shoal::Lock& lock) { lock.TryAcquire(); }' \
  'nodiscard'

expect "an acquisition is not ignored" \
  'void Use(shoal::Lock& lock) { auto guard = lock.Acquire(); }' \
  'void Use(shoal::Lock& lock) { lock.Acquire(); }' \
  'nodiscard'

expect "a condition is not waited on without a guard" \
  'absl::Status Use(shoal::Condition& changed, shoal::Guard& guard) { return changed.Wait(guard); }' \
  'absl::Status Use(shoal::Condition& changed) { return changed.Wait(); }' \
  'no matching function\|no matching member function'

expect "a condition is not notified without a guard" \
  'absl::Status Use(shoal::Condition& changed, shoal::Guard& guard) { return changed.Notify(guard); }' \
  'absl::Status Use(shoal::Condition& changed) { return changed.Notify(1); }' \
  'no matching member function\|no matching function for call\|no viable conversion\|cannot bind\|cannot convert\|could not convert\|invalid initialization'

expect "a lock is neither copied nor moved" \
  'shoal::Lock& Same(shoal::Lock& lock) { return lock; }' \
  'shoal::Lock Other(shoal::Lock& lock) { return std::move(lock); }' \
  'use of deleted function\|call to deleted constructor\|copy constructor.*deleted\|implicitly-deleted copy'

exit "${failures}"
