#ifndef SHOAL_SHOAL_H_
#define SHOAL_SHOAL_H_

// Everything that programs use. Plug-ins include "shoal/plugins/plugin.h".

#include "shoal/ipc/client.h"              // IWYU pragma: export
#include "shoal/ipc/connection.h"          // IWYU pragma: export
#include "shoal/ipc/joinable_queue.h"      // IWYU pragma: export
#include "shoal/ipc/lifo_queue.h"          // IWYU pragma: export
#include "shoal/ipc/listener.h"            // IWYU pragma: export
#include "shoal/ipc/pipe.h"                // IWYU pragma: export
#include "shoal/ipc/priority_queue.h"      // IWYU pragma: export
#include "shoal/ipc/queue.h"               // IWYU pragma: export
#include "shoal/ipc/simple_queue.h"        // IWYU pragma: export
#include "shoal/ipc/wait.h"                // IWYU pragma: export
#include "shoal/pool/pool.h"               // IWYU pragma: export
#include "shoal/process/cpu_count.h"       // IWYU pragma: export
#include "shoal/process/process.h"         // IWYU pragma: export
#include "shoal/shm/array.h"               // IWYU pragma: export
#include "shoal/shm/atomic.h"              // IWYU pragma: export
#include "shoal/shm/box.h"                 // IWYU pragma: export
#include "shoal/shm/deque.h"               // IWYU pragma: export
#include "shoal/shm/hash_map.h"            // IWYU pragma: export
#include "shoal/shm/hash_map_key.h"        // IWYU pragma: export
#include "shoal/shm/lock_all.h"            // IWYU pragma: export
#include "shoal/shm/mutex.h"               // IWYU pragma: export
#include "shoal/shm/permit_pool.h"         // IWYU pragma: export
#include "shoal/shm/rw_lock.h"             // IWYU pragma: export
#include "shoal/shm/segment.h"             // IWYU pragma: export
#include "shoal/shm/shareable.h"           // IWYU pragma: export
#include "shoal/shm/shareable_sync.h"      // IWYU pragma: export
#include "shoal/shm/shared.h"              // IWYU pragma: export
#include "shoal/shm/string.h"              // IWYU pragma: export
#include "shoal/shm/value.h"               // IWYU pragma: export
#include "shoal/shm/variant.h"             // IWYU pragma: export
#include "shoal/shm/vector.h"              // IWYU pragma: export
#include "shoal/sync/barrier.h"            // IWYU pragma: export
#include "shoal/sync/bounded_semaphore.h"  // IWYU pragma: export
#include "shoal/sync/condition.h"          // IWYU pragma: export
#include "shoal/sync/event.h"              // IWYU pragma: export
#include "shoal/sync/lock.h"               // IWYU pragma: export
#include "shoal/sync/rlock.h"              // IWYU pragma: export
#include "shoal/sync/semaphore.h"          // IWYU pragma: export
#include "shoal/sync/status.h"             // IWYU pragma: export

#endif  // SHOAL_SHOAL_H_
