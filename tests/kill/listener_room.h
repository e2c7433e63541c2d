#ifndef SHOAL_TESTS_KILL_LISTENER_ROOM_H_
#define SHOAL_TESTS_KILL_LISTENER_ROOM_H_

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "shoal/ipc/connection.h"
#include "shoal/ipc/listener.h"
#include "shoal/shm/segment.h"
#include "shoal/sync/event.h"
#include "shoal/tests/kill/driver.h"

// What the operations on listeners and clients have in common: an address, a named segment, who talks there, and who judges.

namespace shoal::tests::listeners {

// More than one store.
struct Pair {
  int64_t left = 0;
  int64_t right = 0;
};
using Pairs = Connection<Pair>;
using PairListener = Listener<Pair>;

struct Room {
  char segment_name[32];
  char directory[32];  // the socket's, and nothing else is in it
  char address[64];
  uint64_t blocks_at_first;
  std::atomic<int> answers_sent;  // by the victim: Send has returned
  std::atomic<int> answers_got;   // by those who come while it lives
  std::atomic<bool> listening;    // the victim has a listener
  pid_t victim;
  std::atomic<bool> served_last;
  std::atomic<bool> half_done;
  std::atomic<bool> leaked;
  uint64_t ticket;  // of an end that somebody else answers for
  Event go;         // a cue
};

enum class Address { kFile, kAbstract };
enum class AtFirst { kFree, kLeftByADeadOne };
enum class Parties { kStrangers, kKnowTheSegment };

// Makes the segment and the address. All is done by children: the operation's process has neither, so its parties are strangers; unless
// they are to inherit the segment, and need not open it first.
void SetUp(Room& room, Address address, AtFirst at_first, Parties parties);
// Takes away what nobody has: the segment's name and the directory. A hang leaves both, and a directory is made before all.
void CleanUp(Room& room);

// The room's segment, which this process opens when it first asks.
const Segment& TheSegment(Room& room);
// Becomes a participant of it. Whoever is stepped has no keeper, so that it does only what it is told to; the keepers of others watch it.
void ComeIn(Room& room);
// The same, as programs do.
void Participate(Room& room);

absl::StatusOr<PairListener> Listen(Room& room);

// Whatever went wrong: the room is half done, and the test's log says why.
void Complain(Room& room, const char* what, const absl::Status& status);

constexpr int64_t kUsual = 1;
constexpr int64_t kLast = 2;  // the server, having answered it, ends

// A client that asks one thing. Not OK: it was not answered; what the server's death may not look like, the room is told.
absl::Status Ask(Room& room, int64_t what, bool may_find_nobody);
// A server's turn: accepts one client, and answers it. Returns what it has answered; 0: the client died, or hung up.
int64_t Answer(Room& room, PairListener& listener);

// Parties. `Serve` answers all who come, until it has answered the last; nothing is left of them in its process.
void AskOnce(Room& room);            // a server is there, and may die
void AskWhoeverIsThere(Room& room);  // perhaps nobody
void AskWithoutKeeper(Room& room);   // the same; and a watch is there
void KeepWatch(Room& room);          // has a keeper, until its cue
void Serve(Room& room);
void ListenAndServeOnCue(Room& room);

// Rescuers. They are killed at their events, too, and so have no other thread, whose system calls would meet what is read-only between
// these.
void AskLast(Room& room);  // a server is there, and lives
void ListenNext(Room& room);

// A new server and a new client meet there. Then the address is free again, the segment as it was before anybody came.
Verdict Judge(void* shared);

}  // namespace shoal::tests::listeners

#endif  // SHOAL_TESTS_KILL_LISTENER_ROOM_H_
