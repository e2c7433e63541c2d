#ifndef SHOAL_TESTS_SHM_C_FRAME_H_
#define SHOAL_TESTS_SHM_C_FRAME_H_

#ifdef __cplusplus
extern "C" {
#endif

/* Calls function(argument) from a C frame that has a pthread_cleanup_push of its own. */
void CallWithCleanup(void (*function)(void*), void* argument);

#ifdef __cplusplus
}
#endif

#endif  /* SHOAL_TESTS_SHM_C_FRAME_H_ */
