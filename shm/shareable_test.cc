#include "shoal/shm/shareable.h"

#include <any>
#include <array>
#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <ostream>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "gtest/gtest.h"
#include "shoal/shm/shareable_sync.h"
#include "shoal/shm/struct_fields.h"
#include "shoal/sync/lock.h"
#include "shoal/sync/semaphore.h"

namespace shoal {

// What the headers of other shared types look like.
template <class T>
class FakeVector {
  size_t offset_ = 0;
};
template <class T>
class FakeMutex {
  Lock lock_;
  T value_;
};
template <class T>
class FakeHandle {
  size_t offset_ = 0;
};
template <class T>
struct ShareableTraits<FakeVector<T>> : SharedType<SharedKind::kContainer, T> {
  static constexpr std::string_view kName = "FakeVector";
};
template <class T>
struct ShareableTraits<FakeMutex<T>> : SharedType<SharedKind::kConcurrent, T> {
  static constexpr std::string_view kName = "FakeMutex";
};
template <class T>
struct ShareableTraits<FakeHandle<T>> : SharedType<SharedKind::kHandle, T> {
  static constexpr std::string_view kName = "FakeHandle";
};

class Money {
 public:
  explicit Money(int64_t cents) : cents_(cents) {}
  int64_t cents() const { return cents_; }

 private:
  int64_t cents_;
};
template <>
struct ShareableTraits<Money> : SharedType<SharedKind::kValue> {
  static constexpr std::string_view kName = "Money";
};

struct ProcessLocal {
  int fd;
};
template <>
struct ShareableTraits<ProcessLocal> : SharedType<SharedKind::kRefused> {};

struct Misnamed {
  int value;
};
template <>
struct ShareableTraits<Misnamed> : SharedType<SharedKind::kValue> {
  static constexpr std::string_view kName = "<8@0:i8>";
};

namespace {

using shm_internal::FieldOffsets;
using shm_internal::FieldTypes;
using shm_internal::kStruct;
using shm_internal::StructProblem;
using shm_internal::TypeList;

template <class... T>
constexpr bool kAllShareable = (Shareable<T> && ...);
template <class... T>
constexpr bool kNoneShareable = (!Shareable<T> && ...);

// ---- What may be shared ----

enum class Side : uint8_t { kBuy, kSell };
struct Empty {};
struct Price {
  double amount;
  char currency[4];
};
struct Order {
  uint64_t number;
  Side side;
  char item[4096];  // one field, however long
  Price limits[2][3];
  std::array<Price, 3> offers;
  bool done = false;
};
static_assert(kAllShareable<bool, char, wchar_t, char8_t, char32_t, int8_t, uint64_t, long, float, double, Side, std::byte>);
static_assert(kAllShareable<Empty, Price, Order, int[3], Order[2][2], std::array<Order, 0>, std::array<Order, 7>, Money>);
static_assert(SharedValue<Order> && Guardable<Order> && !Concurrent<Order> && !Concurrent<int>);
static_assert(
    std::is_same_v<FieldTypes<Order>, TypeList<uint64_t, Side, char[4096], Price[2][3], std::array<Price, 3>, bool>>);

struct Hundred {
  int a[1], b[2], c, d, e, f, g, h, i, j, k0, k1, k2, k3, k4, k5, k6, k7, k8, k9, l0, l1, l2, l3, l4, l5, l6, l7, l8, l9;
  int m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, n0, n1, n2, n3, n4, n5, n6, n7, n8, n9, o0, o1, o2, o3, o4, o5, o6, o7, o8, o9;
  int p0, p1, p2, p3, p4, p5, p6, p7, p8, p9, q0, q1, q2, q3, q4, q5, q6, q7, q8, q9, r0, r1, r2, r3, r4, r5, r6, r7, r8, r9;
  int s0, s1, s2, s3, s4, s5, s6, s7, s8, s9;
};
struct HundredAndOne {
  int a[1], b[2], c, d, e, f, g, h, i, j, k0, k1, k2, k3, k4, k5, k6, k7, k8, k9, l0, l1, l2, l3, l4, l5, l6, l7, l8, l9;
  int m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, n0, n1, n2, n3, n4, n5, n6, n7, n8, n9, o0, o1, o2, o3, o4, o5, o6, o7, o8, o9;
  int p0, p1, p2, p3, p4, p5, p6, p7, p8, p9, q0, q1, q2, q3, q4, q5, q6, q7, q8, q9, r0, r1, r2, r3, r4, r5, r6, r7, r8, r9;
  int s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, t;
};
static_assert(Shareable<Hundred> && kStruct<Hundred>.count == 100);
static_assert(!Shareable<HundredAndOne> && kStruct<HundredAndOne>.problem == StructProblem::kTooMany);

// ---- What several processes may use at once ----

struct Node {
  int value;
  FakeVector<Node> children;           // contains itself
  FakeHandle<FakeMutex<Node>> parent;  // the same, behind a handle
};
static_assert(Shareable<Node> && Guardable<Node> && !Concurrent<Node> && !SharedValue<Node>);
static_assert(kContainsContainer<Node> && kContainsHandle<Node> && !kContainsConcurrent<Node>);
static_assert(Concurrent<FakeMutex<Node>> && !kContainsContainer<FakeMutex<Node>>);

struct Shop {
  Lock door;
  Semaphore carts{4};  // has no default constructor
  Semaphore baskets;   // nor an initial value
  FakeMutex<Node> stock;
  FakeMutex<Order> tills[3];
};
static_assert(Shareable<Shop> && Concurrent<Shop> && kStruct<Shop>.count == 5);
static_assert(kContainsConcurrent<Shop> && !Guardable<Shop> && !Guardable<FakeVector<Shop>> && !SharedValue<Shop>);
static_assert(Guardable<FakeHandle<Shop>>);
static_assert(Concurrent<Lock> && Concurrent<RLock> && Concurrent<Condition> && Concurrent<Event>);
static_assert(Concurrent<Semaphore> && Concurrent<BoundedSemaphore> && Concurrent<Barrier>);
static_assert(Concurrent<std::array<Lock, 4>> && Concurrent<Lock[4]>);

struct Mixed {
  Lock lock;
  int count;
};
static_assert(Shareable<Mixed> && !Concurrent<Mixed>);

// ---- What may not be shared, and never stops the compiler inside of us ----

struct Incomplete;
class Opaque {
 public:
  int value() const { return value_; }

 private:
  int value_ = 0;
};
struct Base {
  int value;
};
struct Derived : Base {
  int more;
};
struct DerivedFromEmpty : Empty {};
struct DerivedWithSemaphore : Base {
  Semaphore semaphore;
};
struct Virtual {
  virtual ~Virtual() = default;
};
struct Bits {
  int first;
  int second : 3;
};
struct Reference {
  int& value;
};
struct ConstReference {
  const Order& value;
  int more;
};
struct RvalueReference {
  int&& value;
};
int global = 0;
struct ReferenceWithValue {
  int before;
  int& value = global;
  int after;
};
struct ReferenceAndSemaphore {
  Semaphore semaphore;
  int& value;
};
struct Const {
  const int value;
};
struct Volatile {
  volatile int value;
};
union Union {
  int integer;
  float number;
};
struct NamedUnion {
  int kind;
  Union value;
};
struct AnonymousUnion {
  int kind;
  union {
    int integer;
    float number;
  };
};
struct UnionAndSemaphore {
  Semaphore semaphore;
  union {
    int integer;
    float number;
  };
};
struct Pointer {
  int length;
  const char* text;
};
struct PointerDeepInside {
  FakeVector<std::array<Pointer, 3>> items;
};
struct Semaphores {
  Semaphore both[2];
};

static_assert(kNoneShareable<int*, void*, std::nullptr_t, int&, int&&, void, int(), int (*)(), int Price::*, const int,
                             volatile int, int[], long double, __int128>);
static_assert(kNoneShareable<std::string, std::string_view, std::vector<int>, std::map<int, int>, std::span<int>,
                             std::function<void()>, std::unique_ptr<int>, std::shared_ptr<int>, std::weak_ptr<int>, std::any,
                             std::ostream, std::mutex, std::condition_variable, std::thread, std::atomic<int>,
                             std::optional<int>, std::variant<int>, std::pair<int, int>, std::tuple<>, pthread_mutex_t>);
static_assert(kNoneShareable<Incomplete, Opaque, Derived, DerivedFromEmpty, DerivedWithSemaphore, Virtual, Bits, Reference,
                             ConstReference, RvalueReference, ReferenceWithValue, ReferenceAndSemaphore, Const, Volatile,
                             Union, NamedUnion, AnonymousUnion, UnionAndSemaphore, Pointer, PointerDeepInside, Semaphores>);
static_assert(kNoneShareable<FakeVector<int*>, FakeMutex<std::string>, std::array<int*, 2>, ProcessLocal, Misnamed>);

static_assert(kStruct<Derived>.problem == StructProblem::kBase);
static_assert(kStruct<DerivedFromEmpty>.problem == StructProblem::kBase);
static_assert(kStruct<DerivedWithSemaphore>.problem == StructProblem::kBase);
static_assert(kStruct<Bits>.problem == StructProblem::kBitField);
static_assert(kStruct<Reference>.problem == StructProblem::kReference);
static_assert(kStruct<ConstReference>.problem == StructProblem::kBitField);
static_assert(kStruct<RvalueReference>.problem == StructProblem::kReference);
static_assert(kStruct<ReferenceWithValue>.problem == StructProblem::kReference);
static_assert(kStruct<ReferenceAndSemaphore>.problem == StructProblem::kReference);
static_assert(kStruct<Const>.problem == StructProblem::kConstOrVolatile);
static_assert(kStruct<NamedUnion>.problem == StructProblem::kUnion);
static_assert(kStruct<AnonymousUnion>.problem == StructProblem::kUnion);
static_assert(kStruct<UnionAndSemaphore>.problem == StructProblem::kUnion);
static_assert(kStruct<Semaphores>.problem == StructProblem::kUncountable);

// Every kind of field of other libraries is counted as one, so that the message can name it.
struct Foreign {
  std::string string;
  std::optional<int> optional;
  std::any any;
  std::function<void()> function;
  std::thread thread;
  std::unique_ptr<int> pointer;
  std::mutex mutex;
  std::vector<int> vector;
  std::atomic<int> atomic;
  Semaphore semaphore;
};
static_assert(kStruct<Foreign>.problem == StructProblem::kNone && kStruct<Foreign>.count == 10);

TEST(ShareableTest, FieldsAreWhereTheCompilerPutsThem) {
  EXPECT_EQ((FieldOffsets<Order>()),
            (std::array<size_t, 6>{offsetof(Order, number), offsetof(Order, side), offsetof(Order, item),
                                   offsetof(Order, limits), offsetof(Order, offers), offsetof(Order, done)}));
  struct Aligned {
    char first;
    alignas(2) char second;
    alignas(64) char third;
  };
  EXPECT_EQ((FieldOffsets<Aligned>()), (std::array<size_t, 3>{0, 2, 64}));
  EXPECT_EQ((FieldOffsets<Empty>()), (std::array<size_t, 0>{}));
}

}  // namespace
}  // namespace shoal
