#ifndef SHOAL_PLUGINS_ABI_H_
#define SHOAL_PLUGINS_ABI_H_

/* What crosses the boundary between a program and a plug-in: C types only, so that both may be built by different compilers
 * and in different years.
 *
 * Rules: structs begin with their size and only ever grow at the end; a reader uses a field only if the writer's size covers
 * it. A change that these rules do not cover is another SHOAL_ABI_VERSION. All strings end in NUL and live as long as the
 * plug-in is loaded. No exception crosses. */

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SHOAL_ABI_VERSION 1u

/* The one symbol a plug-in exports: a function of type shoal_plugin_entry_function. */
#define SHOAL_PLUGIN_ENTRY_SYMBOL "shoal_plugin_entry"

/* Why a call gave no value. */
enum shoal_failure_kind {
  SHOAL_FAILURE_EXCEPTION = 1, /* it threw: `type` is the exception's type, `message` its what() */
  SHOAL_FAILURE_STATUS = 2,    /* it returned a status: `code` is the status code, `message` its message */
  SHOAL_FAILURE_ARGUMENTS = 3  /* the bytes of the arguments are not what the signature says; it was not called */
};

/* Where a call leaves its outcome: exactly one of the two functions is called, exactly once, before the call returns. The
 * host copies what the pointers show. */
typedef struct shoal_reply {
  size_t struct_size;
  void* context;
  void (*value)(void* context, const void* bytes, size_t size);
  void (*failure)(void* context, int kind, int code, const char* type, const char* message);
} shoal_reply;

typedef struct shoal_function {
  size_t struct_size;
  const char* name;
  const char* signature; /* a code: see ipc/wire_type.h */
  const char* help;
  const void* target; /* the plug-in's own */
  void (*call)(const struct shoal_function* self, const void* arguments, size_t size, const shoal_reply* reply);
} shoal_function;

typedef struct shoal_plugin {
  uint32_t abi_version; /* first for ever: it says whether the rest can be read */
  uint32_t function_count;
  size_t struct_size;
  const shoal_function* const* functions;
  const char* error; /* why the catalogue could not be made, or NULL */
} shoal_plugin;

typedef struct shoal_host {
  uint32_t abi_version;
  uint32_t reserved;
  size_t struct_size;
  /* What the program knows of its process and threads, for a plug-in that is linked with this library's locks and segments and
   * has the same build signature; one with another must not use its own. NULL: there is nothing to share. A plug-in without
   * this library's C++ has no use for it. See sync/process_table.h. */
  const void* process_table;
  uint64_t build_signature; /* see plugins/build_signature.h */
} shoal_host;

/* Called once, after loading. The plug-in answers for any host version: the host decides whether it understands the answer. */
typedef const shoal_plugin* (*shoal_plugin_entry_function)(const shoal_host* host);

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* SHOAL_PLUGINS_ABI_H_ */
