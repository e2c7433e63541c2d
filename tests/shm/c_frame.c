#include "shoal/tests/shm/c_frame.h"

#include <pthread.h>

static void Nothing(void* unused) { (void)unused; }

/* Compiled as C, it has no unwind tables of its own to be passed through: glibc jumps back into it, and unwinds on from here. */
void CallWithCleanup(void (*function)(void*), void* argument) {
  pthread_cleanup_push(Nothing, 0);
  function(argument);
  pthread_cleanup_pop(1);
}
