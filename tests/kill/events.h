#ifndef SHOAL_TESTS_KILL_EVENTS_H_
#define SHOAL_TESTS_KILL_EVENTS_H_

#include <signal.h>

#include <cstddef>
#include <cstdint>
#include <functional>

#include "shoal/tests/kill/stepping.h"

namespace shoal::tests {

// The half of stepping.h that stops at events.
void RunToEvent(const std::function<void()>& body, int64_t event, AtTarget action);

// Dies or parks. Without a library function: a breakpoint may be in any of them.
void Act(AtTarget action);

// A blocked SIGTRAP would end the process. So whoever blocks signals, as a thread does that makes another one, blocks all but those
// that stop it: if this system call is rt_sigprocmask it is done to `mask`, the interrupted one's, instead.
bool StandInForMask(long long* registers, sigset_t& mask);

// Zeroed memory that parties share with the driver and that no body knows of; what happens there is no event.
void* MakeOwnShared(size_t size_bytes);
void UnmapOwnShared(void* memory, size_t size_bytes);

}  // namespace shoal::tests

#endif  // SHOAL_TESTS_KILL_EVENTS_H_
