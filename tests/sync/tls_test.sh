#!/bin/bash
# In a shared object too, a thread's record lies at a fixed distance from the thread pointer (initial-exec): no acquisition and no
# release calls __tls_get_addr. Those who do run once for a thread: when it meets us, when it needs more room, when it ends.

set -euo pipefail

readonly object="$1"
code="$(objdump --disassemble --demangle --no-show-raw-insn "${object}")"
readonly code
callers="$(awk '/^[0-9a-f]+ <.*>:$/ { function_name = $0 } /call.*__tls_get_addr/ { print function_name }' <<< "${code}" | sort -u)"
readonly callers

failures=0
for wanted in 'AcquireAndRelease' 'shoal::Guard::Drop' 'shoal::sync_internal::MeetThread'; do
  if ! grep -q "<${wanted}.*>:" <<< "${code}"; then
    echo "FAILED: ${object} has no function ${wanted}: does this test look at the right thing?"; failures=1
  fi
done
if grep 'shoal::\|AcquireAndRelease' <<< "${callers}" | grep -v 'MeetThread\|MeetOwnThread\|MakeRoom\|EntriesOwner\|entries_owner'; then
  echo "FAILED: these call __tls_get_addr"; failures=1
fi
if ! grep -q '%fs:' <<< "$(objdump --disassemble=AcquireAndRelease "${object}")"; then
  echo "FAILED: AcquireAndRelease does not reach its thread's record through %fs"; failures=1
fi
exit "${failures}"
