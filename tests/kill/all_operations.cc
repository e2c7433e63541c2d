#include "shoal/tests/kill/all_operations.h"

#include "shoal/tests/kill/guard_operations.h"
#include "shoal/tests/kill/connection_operations.h"
#include "shoal/tests/kill/container_operations.h"
#include "shoal/tests/kill/heap_operations.h"
#include "shoal/tests/kill/holding_operations.h"
#include "shoal/tests/kill/last_use_operations.h"
#include "shoal/tests/kill/listener_operations.h"
#include "shoal/tests/kill/named_segment_operations.h"
#include "shoal/tests/kill/participant_operations.h"
#include "shoal/tests/kill/plugin_operations.h"
#include "shoal/tests/kill/object_operations.h"
#include "shoal/tests/kill/map_operations.h"
#include "shoal/tests/kill/queue_operations.h"
#include "shoal/tests/kill/section_operations.h"
#include "shoal/tests/kill/sync_operations.h"

namespace shoal::tests {
namespace {

constexpr OperationGroup kGroups[] = {
    {"sync", SyncOperations, SyncOperationsThatHang},
    {"heap", HeapOperations, HeapOperationsThatLeak},
    {"section", SectionOperations, SectionOperationsThatTear},
    {"object", ObjectOperations, ObjectOperationsThatLeak},
    {"last use", LastUseOperations, LastUseOperationsThatTear},
    {"guard", GuardOperations, GuardOperationsThatHang},
    {"container", ContainerOperations, ContainerOperationsThatTear},
    {"named segment", NamedSegmentOperations},
    {"plug-in", PluginOperations},
    {"holding", HoldingOperations, HoldingOperationsThatTear},
    {"map", MapOperations, MapOperationsThatTear},
    {"connection", ConnectionOperations, ConnectionOperationsThatHang},
    {"listener", ListenerOperations, ListenerOperationsThatHang},
    {"participant", ParticipantOperations, ParticipantOperationsThatLeak},
    {"queue", QueueOperations, QueueOperationsThatLose},
};

}  // namespace

std::span<const OperationGroup> AllOperations() { return kGroups; }

}  // namespace shoal::tests
