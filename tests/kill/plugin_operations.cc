#include "shoal/tests/kill/plugin_operations.h"

#include <atomic>
#include <filesystem>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

#include "shoal/shm/attachment.h"
#include "shoal/shm/journal.h"
#include "shoal/shm/mutex.h"
#include "shoal/shm/segment.h"
#include "shoal/sync/check.h"
#include "shoal/tests/kill/census.h"
#include "shoal/tests/plugins/ledger.h"
#include "shoal/tests/plugins/loaded_plugin.h"

namespace shoal::tests {
namespace {

using shm_internal::Attachment;

// What the parties share beside the segment, which all have mapped at one address.
struct Room {
  Mutex<Ledger>* mutex;
  uint64_t blocks_at_first;
  std::atomic<bool> torn;
};

Segment* segment = nullptr;

// Beside this program, or where bazel starts tests.
std::string PluginPath() {
  constexpr char kPath[] = "tests/plugins/state_plugin.so";
  std::error_code error;
  std::filesystem::path beside = std::filesystem::read_symlink("/proc/self/exe", error);
  beside += ".runfiles";
  beside = beside / "shoal" / kPath;
  return !error && std::filesystem::exists(beside, error) ? beside.string() : kPath;
}

// Loaded before the parties are forked: all have it.
const LoadedPlugin& Plugin() {
  static const LoadedPlugin* const plugin = new LoadedPlugin(PluginPath());
  return *plugin;
}

void SetUp(Room& room) {
  Plugin();
  delete segment;
  auto made = Segment::Create({.limit_bytes = size_t{1} << 20});
  SHOAL_CHECK(made.ok(), "a segment can be made");
  segment = new Segment(*std::move(made));
  room.mutex = new (segment->At<Mutex<Ledger>>(segment->Allocate(sizeof(Mutex<Ledger>), 64).value())) Mutex<Ledger>;
  room.blocks_at_first = Attachment::Of(room.mutex)->heap().Usage().allocated_blocks;
}

void Look(Room& room, const Ledger& ledger) {
  const uint64_t* const block = ledger.block == 0 ? nullptr : segment->At<uint64_t>(ledger.block);
  if (ledger.left != ledger.right || (block != nullptr && *block != ledger.left)) room.torn = true;
}

// The program's section: it writes, the plug-in writes and replaces the block, the program writes again.
void InTurns(Room& room) {
  auto guard = room.mutex->Lock();
  SHOAL_CHECK(guard.ok(), "a mutex can be locked");
  Ledger& ledger = **guard;
  Look(room, ledger);
  ++ledger.right;
  SHOAL_CHECK(Plugin().Call("add_left", &ledger).ok(), "the plug-in adds");
  SHOAL_CHECK(Plugin().Call("replace_block", &ledger).ok(), "there is memory");
}

// The plug-in's section, which the program's guard ends.
void BegunByThePlugin(Room& room) {
  std::optional<MutexGuard<Ledger>> guard;
  SHOAL_CHECK(Plugin().Call("begin_section", room.mutex, &guard).ok() && guard.has_value(), "the plug-in can lock");
  Look(room, **guard);
  ++(*guard)->left;
  SHOAL_CHECK(Plugin().Call("replace_block", &**guard).ok(), "there is memory");
  ++(*guard)->right;
}

void RolledBack(Room& room) {
  auto guard = room.mutex->Lock();
  SHOAL_CHECK(guard.ok(), "a mutex can be locked");
  Look(room, **guard);
  SHOAL_CHECK(Plugin().Call("replace_block", &**guard).ok(), "there is memory");
  ++(*guard)->left;
  guard->Rollback();
}

void Rescue(Room& room) {
  InTurns(room);
  BegunByThePlugin(room);
}

Verdict Judge(void* shared) {
  Room& room = *static_cast<Room*>(shared);
  if (room.torn) return Verdict::kHalfDone;
  const std::shared_ptr<Attachment> attachment = Attachment::Of(room.mutex);
  if (AnySectionIsOpen(*attachment)) return Verdict::kHalfDone;
  return OfBlocks(BlocksBesideJournals(*attachment), room.blocks_at_first + 1);
}

// A process of its own does once what every process does once.
void Warm() {
  static Room& own = *new Room{};
  Segment* const before = std::exchange(segment, nullptr);
  SetUp(own);
  Rescue(own);
  RolledBack(own);
  segment = before;
}

Operation Registered(std::string name, void (*prepare)(Room&), void (*body)(Room&)) {
  Operation operation = OperationOn<Room>(std::move(name));
  operation.setup = [](void* shared) { SetUp(*new (shared) Room{}); };
  operation.warm = Warm;
  if (prepare != nullptr) operation.prepare = On(prepare);
  operation.body = On(body);
  operation.rescuer = On(Rescue);
  operation.kill_rescuer_too = true;
  operation.may_sleep = [](const void* shared, int) { return static_cast<const Room*>(shared)->mutex->locked(); };
  operation.check = Judge;
  return operation;
}

}  // namespace

std::vector<Operation> PluginOperations() {
  return {
      Registered("program and plug-in in one section", InTurns, InTurns),
      Registered("section that a plug-in begins", InTurns, BegunByThePlugin),
      Registered("section with a plug-in, rolled back", InTurns, RolledBack),
  };
}

}  // namespace shoal::tests
