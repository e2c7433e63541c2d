#ifndef SHOAL_IPC_MODEL_CASTS_H_
#define SHOAL_IPC_MODEL_CASTS_H_

#include <stdio.h>

#include <cstddef>

#include "gtest/gtest.h"
#include "shoal/shm/model/participants_model.h"
#include "shoal/sync/model/explorer.h"

namespace shoal::ipc_model {

// Who does what in one exploration of a machine, and what that is called.
template <class Cast>
struct NamedCast {
  const char* what;
  Cast cast;
};

// `explore(bug, cast)` finds nothing in any cast.
template <class Bug, class Cast, size_t kCount>
void ExpectSoundInAll(const NamedCast<Cast> (&casts)[kCount], sync_model::Result (*explore)(Bug, const Cast&)) {
  for (const NamedCast<Cast>& each : casts) {
    shm_model::ExpectSound(each.what, explore(Bug::kNone, each.cast));
    fflush(stdout);
  }
}

// Each bug behind kNone, up to `last`, is found in one of the casts.
template <class Bug, class Cast, size_t kCount>
void ExpectFoundInAny(Bug last, const char* (*name)(Bug), const NamedCast<Cast> (&casts)[kCount],
                      sync_model::Result (*explore)(Bug, const Cast&)) {
  for (int i = 1; i <= static_cast<int>(last); ++i) {
    const Bug bug = static_cast<Bug>(i);
    sync_model::Result result;
    for (const NamedCast<Cast>& each : casts) {
      result = explore(bug, each.cast);
      if (result.found()) break;
    }
    printf("%-40s %s after %ld states\n", name(bug), result.found() ? "found" : "NOT FOUND", result.states);
    fflush(stdout);
    EXPECT_TRUE(result.found()) << name(bug);
  }
}

}  // namespace shoal::ipc_model

#endif  // SHOAL_IPC_MODEL_CASTS_H_
