#!/bin/bash
# What may not be shared, and what the compilers say of it.

set -euo pipefail
source tests/must_not_compile.sh

begin sync shm << 'END'
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "shoal/shm/array.h"
#include "shoal/shm/atomic.h"
#include "shoal/shm/box.h"
#include "shoal/shm/deque.h"
#include "shoal/shm/hash_map.h"
#include "shoal/shm/lock_all.h"
#include "shoal/shm/mutex.h"
#include "shoal/shm/rw_lock.h"
#include "shoal/shm/segment.h"
#include "shoal/shm/shareable_sync.h"
#include "shoal/shm/shared.h"
#include "shoal/shm/string.h"
#include "shoal/shm/value.h"
#include "shoal/shm/variant.h"
#include "shoal/shm/vector.h"
#include "shoal/sync/condition.h"
END

readonly check='constexpr bool checked = shoal::CheckShareable<Order>();'

right "numbers, enums, arrays and structs of these" "
  enum class Side : char { kBuy, kSell };
  struct Price { double amount; char currency[4]; };
  struct Order { unsigned long number; Side side; Price limits[3]; std::array<bool, 7> flags; };
  ${check} static_assert(checked);"

wrong "a pointer" "struct Order { int number; const char* item; }; ${check}" \
  'a pointer means nothing in another process' 'CheckField<Order, 2'
wrong "a pointer to a member" "struct Order { int number; int Order::*member; }; ${check}" \
  'a pointer means nothing in another process' 'CheckField<Order, 2'
wrong "a pointer to a function" "struct Order { void (*function)(); }; ${check}" \
  'a pointer means nothing in another process' 'CheckField<Order, 1'
wrong "a pointer deep inside" "
  struct Price { double amount; char* currency; };
  struct Order { int number; std::array<Price, 2> prices; }; ${check}" \
  'a pointer means nothing in another process' 'CheckField<Order, 2' 'CheckField<Price, 2'
wrong "a reference" "struct Order { int number; int& count; }; ${check}" 'a struct with a reference member cannot be shared'
wrong "a reference to const" "struct Order { int number; const int& count; }; ${check}" 'const reference cannot be shared'
wrong "a function" "constexpr bool checked = shoal::CheckShareable<void()>();" 'a function lies at another address'
wrong "virtual functions" "struct Order { virtual int number(); }; ${check}" 'a type with virtual functions cannot be shared'
wrong "long double" "struct Order { int number; long double price; }; ${check}" \
  'long double, 128-bit integers and enums of these have no fixed form' 'CheckField<Order, 2'
wrong "a 128-bit integer" "struct Order { __int128 number; }; ${check}" 'long double, 128-bit integers'
wrong "an enum of 128 bits" "enum class Number : __int128 { kOne }; struct Order { int id; Number number; }; ${check}" \
  'long double, 128-bit integers and enums of these have no fixed form' 'CheckField<Order, 2'
wrong "a union" "union Order { int number; float price; }; ${check}" 'a union cannot be shared'
wrong "a union without a name" "struct Order { int kind; union { int number; float price; }; }; ${check}" \
  'a struct with a union member cannot be shared'
wrong "a mutex of pthread" "#include <pthread.h>
  constexpr bool checked = shoal::CheckShareable<pthread_mutex_t>();" "a union cannot be shared, pthread's objects included"
wrong "a base class" "struct Item { int id; }; struct Order : Item { int number; }; ${check}" \
  'a struct with a base class cannot be shared'
wrong "a bit-field" "struct Order { int number : 7; int count; }; ${check}" 'a struct with a bit-field'
wrong "a const member" "struct Order { const int number; }; ${check}" 'a struct with a const or volatile member'
wrong "packed fields" "struct __attribute__((packed)) Order { char side; int number; }; ${check}" \
  'a packed struct cannot be shared'
wrong "a destructor" "struct File { int fd; ~File() {} }; struct Order { int number; File file; }; ${check}" \
  'a struct with a destructor or an operator= of its own cannot be shared' 'CheckField<Order, 2'
wrong "an assignment of its own" "struct Order { int number; Order& operator=(const Order&) { return *this; } }; ${check}" \
  'a struct with a destructor or an operator= of its own cannot be shared'
wrong "private fields" "
  class Order { public: int number() const { return number_; } private: int number_ = 0; }; ${check}" \
  'only a plain struct can be shared'
wrong "a type that is only declared" "struct Order; ${check}" 'only a complete type can be shared'
wrong "too many fields" "struct Order { int $(printf 'f%d, ' {1..100})last; }; ${check}" 'more than 100 fields cannot be shared'

wrong "std::string" "struct Order { int number; std::string item; }; ${check}" \
  'its elements lie in memory of this process only: use shoal::String' 'CheckField<Order, 2'
wrong "std::string_view" "struct Order { std::string_view item; }; ${check}" 'a view is a pointer in disguise' 'CheckField<Order, 1'
wrong "std::span" "struct Order { std::span<int> items; }; ${check}" 'a view is a pointer in disguise'
wrong "std::vector" "struct Order { std::vector<int> items; }; ${check}" 'its elements lie in memory of this process only'
wrong "std::map" "struct Order { std::map<int, int> items; }; ${check}" 'its elements lie in memory of this process only'
wrong "std::unique_ptr" "struct Order { int number; std::unique_ptr<int> item; }; ${check}" \
  'a smart pointer means nothing in another process' 'CheckField<Order, 2'
wrong "std::shared_ptr" "struct Order { std::shared_ptr<int> item; }; ${check}" 'a smart pointer means nothing in another process'
wrong "std::function" "struct Order { std::function<void()> done; }; ${check}" 'a function lies at another address in another process'
wrong "a lambda with a capture" "constexpr bool checked = [](int n) {
  auto add = [n](int m) { return n + m; }; return shoal::CheckShareable<decltype(add)>() && add(1); }(1);" \
  'a function lies at another address in another process'
wrong "std::mutex" "struct Order { int number; std::mutex lock; }; ${check}" 'cannot be shared: use shoal::Lock' 'CheckField<Order, 2'
wrong "std::thread" "struct Order { std::thread worker; }; ${check}" 'cannot be shared: use shoal::Lock'
wrong "a stream" "#include <ostream>
  constexpr bool checked = shoal::CheckShareable<std::ostream>();" 'a type with virtual functions cannot be shared'
wrong "std::atomic" "struct Order { std::atomic<int> count; }; ${check}" 'use shoal::Atomic' 'CheckField<Order, 1'
wrong "std::optional" "struct Order { std::optional<int> count; }; ${check}" 'std::optional, pair, tuple and variant have no fixed layout'
wrong "std::pair" "struct Order { std::pair<int, int> counts; }; ${check}" 'std::optional, pair, tuple and variant have no fixed layout'

wrong "a type that refuses" "
  struct Order { int fd; };
  template <> struct shoal::ShareableTraits<Order> : shoal::SharedType<shoal::SharedKind::kRefused> {};
  ${check}" 'this type refuses to be shared'
wrong "a bad name" "
  class Order {};
  template <> struct shoal::ShareableTraits<Order> : shoal::SharedType<shoal::SharedKind::kValue> {
    static constexpr std::string_view kName = \"my order\";
  };
  ${check}" 'the kName in ShareableTraits begins with a letter'

# As it is met: by who makes an object, finds or publishes it, and goes on to use it. The first line says why, and the lines behind it
# which field.
readonly text='struct Order { int number; std::string item; double price; }; using namespace shoal;'
readonly item=('its elements lie in memory of this process only: use shoal::String' 'CheckField<Order, 2')
wrong "New of a Mutex of std::string" "${text}
  absl::Status Use(Segment& s) { auto order = s.New<Mutex<Order>>(); return (*order)->With([](Order& o) { ++o.number; }); }" "${item[@]}"
wrong "New of a Mutex, and a guard of it" "${text}
  void Use(Segment& s) { auto order = s.New<Mutex<Order>>(); auto guard = (*order)->Lock(); (*guard)->number = 1; }" "${item[@]}"
wrong "New of an RwLock of std::string" "${text}
  absl::Status Use(Segment& s) { auto order = s.New<RwLock<Order>>(); auto other = *order;
    return other->WithRead([](const Order& o) { return o.number; }).status(); }" "${item[@]}"
wrong "New of a Value of std::string" "${text}
  absl::Status Use(Segment& s) { auto order = s.New<Value<Order>>(); return (*order)->Get().status(); }" "${item[@]}"
wrong "New of an Array of std::string" "${text}
  absl::Status Use(Segment& s) { auto orders = s.New<Array<Order>>(5); return (*orders)->Get(3).status(); }" "${item[@]}"
wrong "New of a Vector of std::string in a Mutex" "${text}
  absl::Status Use(Segment& s) { auto orders = s.New<Mutex<Vector<Order>>>();
    return (*orders)->With([](auto& all) { return all.PushBack(); }); }" "${item[@]}"
wrong "New of a Vector of std::string in a struct in an RwLock" "${text}
  struct Orders { int count; Vector<Order> all; };
  absl::Status Use(Segment& s) { auto orders = s.New<RwLock<Orders>>();
    return (*orders)->WithWrite([](Orders& orders) { return orders.all.PushBack(); }); }" "${item[@]}"
wrong "New of a HashMap of std::string in a Mutex" "${text}
  absl::Status Use(Segment& s) { auto orders = s.New<Mutex<HashMap<int, Order>>>();
    return (*orders)->With([](auto& all) { return all.Clear(); }); }" "${item[@]}"
wrong "New of a struct with a Mutex of std::string" "${text}
  struct Shop { Lock door; Mutex<Order> order; };
  auto Use(Segment& s) { return s.New<Shop>(); }" "${item[@]}"
wrong "New of a Mutex of a pointer" "auto Use(shoal::Segment& s) { return s.New<shoal::Mutex<int*>>(); }" \
  'a pointer means nothing in another process'
wrong "New of a Mutex of a reference" "auto Use(shoal::Segment& s) { return s.New<shoal::Mutex<int&>>(); }" \
  'a reference means nothing in another process'
wrong "New of a Mutex of what is only declared" "struct Order;
  auto Use(shoal::Segment& s) { return s.New<shoal::Mutex<Order>>(); }" 'only a complete type can be shared'
wrong "New of a Mutex in a Mutex" "using namespace shoal;
  auto Use(Segment& s) { return s.New<Mutex<Mutex<int>>>(); }" 'a Mutex must not guard another lock, Mutex or Atomic by value'
wrong "New of a large object in a Mutex" "struct Order { char text[4097]; };
  auto Use(shoal::Segment& s) { return s.New<shoal::Mutex<Order>>(); }" 'every section would copy all of this, more than 4096 bytes'
wrong "New of a struct that nobody locks" "struct Order { int number; };
  int Use(shoal::Segment& s) { auto order = s.New<Order>(); return (*order)->number; }" 'use Shared<Mutex<T>>'
wrong "New of a Vector that nobody locks" "auto Use(shoal::Segment& s) { return s.New<shoal::Vector<int>>(); }" \
  'a container would be changed by several processes without a lock'
right "objects of numbers of other types, and full containers" "using namespace shoal;
  struct Point { double x, y; };
  struct Entry { unsigned char number; String name; Vector<int> counts; };
  void Use(Segment& s, int n, const std::vector<int>& counts) {
    (void)s.New<Value<unsigned long>>(0); (void)s.New<Value<float>>(n); (void)s.New<Mutex<Point>>(n, 2); (void)s.New<RwLock<Point>>(n, n);
    (void)s.New<Mutex<String>>(\"abc\"); (void)s.New<RwLock<Vector<int>>>(counts); (void)s.New<Mutex<Entry>>(n, \"abc\", counts);
  }"
wrong "New of a Mutex of what it cannot be made of" "struct Point { double x, y; };
  auto Use(shoal::Segment& s) { return s.New<shoal::Mutex<Point>>(1, \"b\"); }" 'it is not made of these arguments'
wrong "New of a Value of what it cannot be made of" "auto Use(shoal::Segment& s) { return s.New<shoal::Value<int>>(\"one\"); }" \
  'it is not made of these arguments'
wrong "New of a container of what it cannot be built of" "using namespace shoal;
  auto Use(Segment& s) { return s.New<Mutex<String>>(5); }" 'the container or handle is not built of these arguments'
wrong "New of a struct with containers of too much" "using namespace shoal; struct Entry { int number; String name; };
  auto Use(Segment& s) { return s.New<Mutex<Entry>>(5, \"abc\", 6); }" 'more arguments than the struct has fields'
wrong "a full container outside of a segment" "shoal::Mutex<shoal::String> text(\"abc\");" 'it is not made of these arguments'
wrong "the address of a std::string in a segment" "auto Use(const shoal::Segment& s) { return s.At<std::string>(64); }" \
  'its elements lie in memory of this process only'
wrong "the address of a pointer in a segment" "auto Use(const shoal::Segment& s) { return s.At<int*>(64); }" \
  'a pointer means nothing in another process'
wrong "Find of a Mutex of std::string" "${text}
  absl::Status Use(Segment& s) { auto order = s.Find<Mutex<Order>>(\"order\"); return (*order)->Lock().status(); }" "${item[@]}"
wrong "Publish of a Mutex of std::string" "${text}
  absl::Status Use(Segment& s, const Shared<Mutex<Order>>& order) { return s.Publish(\"order\", order); }" "${item[@]}"
wrong "a handle to a Mutex of std::string" "${text}
  void Use(Shared<Mutex<Order>>& order) { Shared<Mutex<Order>> other = order; order = other; order.Reset(); }" "${item[@]}"
wrong "a handle to a struct that nobody locks" "struct Order { int number; };
  int Use(const shoal::Shared<Order>& order) { return order->number; }" 'use Shared<Mutex<T>>'
wrong "a Mutex of std::string outside of a segment" "${text}
  Mutex<Order> order;" "${item[@]}"
right "types that contain themselves behind handles" "using namespace shoal;
  struct Link { long value; Shared<Mutex<Link>> next; };
  struct Tree { Vector<Shared<RwLock<Tree>>> children; long value; };
  static_assert(Concurrent<Mutex<Link>> && Concurrent<RwLock<Tree>>);
  auto Links(Segment& s) { return s.New<Mutex<Link>>(); }
  auto Trees(Segment& s) { return s.New<RwLock<Tree>>(); }"

wrong "a struct that nobody locks" "struct Order { int number; };
  constexpr bool checked = shoal::CheckConcurrent<Order>();" 'use Shared<Mutex<T>>' 'CheckConcurrent<Order>\|T = Order'
wrong "a container that nobody locks" "
  template <class T> class Row {};
  template <class T> struct shoal::ShareableTraits<Row<T>> : shoal::SharedType<shoal::SharedKind::kContainer, T> {
    static constexpr std::string_view kName = \"Row\";
  };
  constexpr bool checked = shoal::CheckConcurrent<Row<int>>();" 'a container would be changed by several processes without a lock'
wrong "a container of pointers" "
  template <class T> class Row {};
  template <class T> struct shoal::ShareableTraits<Row<T>> : shoal::SharedType<shoal::SharedKind::kContainer, T> {
    static constexpr std::string_view kName = \"Row\";
  };
  struct Order { int number; Row<char*> items; }; ${check}" \
  'a pointer means nothing in another process' 'CheckField<Order, 2' 'CheckPart<Row<char'
wrong "an Atomic inside a Mutex" "struct Order { shoal::Atomic<int> count; };
  constexpr bool checked = shoal::CheckGuardable<Order>();" 'a Mutex must not guard another lock, Mutex or Atomic by value'
wrong "a Lock inside a Mutex" "struct Order { int number; shoal::Lock lock; };
  constexpr bool checked = shoal::CheckGuardable<Order>();" 'a Mutex must not guard another lock, Mutex or Atomic by value'
wrong "a large object inside a Mutex" "struct Order { char text[4097]; };
  constexpr bool checked = shoal::CheckRoot<Order>();" 'every section would copy all of this, more than 4096 bytes'
right "a large object inside a Mutex that says so" "struct Order { char text[4097]; };
  template <> inline constexpr bool shoal::kMayBeLargeRoot<Order> = true;
  static_assert(shoal::CheckRoot<Order>());"
wrong "an Atomic of a struct" "struct Order { int number; };
  using Wrong = decltype(shoal::Atomic<Order>::kDefaultOrder);" 'an Atomic holds a number, a bool or an enum'

readonly containers='struct Order { int number; shoal::String item; shoal::Vector<shoal::Box<Order>> parts; };'
right "containers in containers" "${containers}
  absl::Status Use(shoal::Deque<Order>& orders) { return orders.PushBack(5, \"herring\"); }
  static_assert(shoal::Guardable<shoal::Vector<Order>>);"
wrong "moving a container out of a guard" "${containers}
  size_t Use(shoal::Vector<int>& items) { shoal::Vector<int> mine = std::move(items); return mine.size(); }" 'deleted'
wrong "copying a container" "${containers}
  size_t Use(shoal::Deque<int>& items) { shoal::Deque<int> mine = items; return mine.size(); }" 'deleted'
wrong "assigning a container" "${containers}
  void Use(shoal::String& left, shoal::String& right) { left = right; }" 'deleted'
wrong "writing without saving" "${containers}
  void Use(shoal::Vector<int>& items) { items[0] = 5; }" 'read-only\|const'
wrong "a Vector that nobody locks" "${containers}
  constexpr bool checked = shoal::CheckConcurrent<shoal::Vector<int>>();" \
  'a container would be changed by several processes without a lock'
wrong "a Vector of pointers" "${containers}
  void Use() { shoal::Vector<char*> items; }" 'a pointer means nothing in another process'
wrong "a Vector of locks" "${containers}
  void Use() { shoal::Vector<shoal::Atomic<int>> items; }" 'a Mutex must not guard another lock, Mutex or Atomic by value'
wrong "copying a struct with containers into a Vector" "${containers}
  absl::Status Use(shoal::Vector<Order>& orders, const Order& order) { return orders.PushBack(order); }" \
  'a struct with containers or handles is not copied'
readonly use_guards='struct Order { int number; };
  using namespace shoal;'
wrong "a Concurrent inside an RwLock" "${use_guards}
  struct Stock { Mutex<Order> order; };
  RwLock<Stock> stock;" 'a Mutex must not guard another lock, Mutex or Atomic by value'
wrong "a copied guard of a section" "${use_guards}
  void Use(MutexGuard<Order>& guard) { MutexGuard<Order> copy(guard); }" 'use of deleted function\|call to deleted constructor\|call to implicitly-deleted'
wrong "a copied guard of a reader" "${use_guards}
  void Use(ReadGuard<Order>& guard) { ReadGuard<Order> copy(guard); }" 'use of deleted function\|call to deleted constructor\|call to implicitly-deleted'
wrong "a guard that is ignored" "${use_guards}
  void Use(Mutex<Order>& mutex) { mutex.Lock(); }" 'nodiscard'
wrong "a reader's guard that is ignored" "${use_guards}
  void Use(RwLock<Order>& lock) { lock.Read(); }" 'nodiscard'
wrong "a guard of several that is ignored" "${use_guards}
  void Use(RwLock<Order>& a, Mutex<Order>& b) { LockAll(a, b); }" 'nodiscard'
wrong "a change through a reader's guard" "${use_guards}
  void Use(ReadGuard<Order>& guard) { guard->number = 1; }" 'read-only\|returns a const value'
readonly leaves='would be used when the section is over, without its lock and its journal'
wrong "a pointer that leaves a section" "${use_guards}
  void Use(Mutex<Vector<Order>>& m) { auto order = m.With([](auto& all) { return all.Edit(0); }); (*order)->number = 5; }" "${leaves}"
wrong "a pointer that leaves a reader's section" "${use_guards}
  int Use(RwLock<Order>& lock) { return **lock.WithRead([](const Order& order) { return &order.number; }); }" "${leaves}"
wrong "a reference that leaves a section" "${use_guards}
  void Use(RwLock<Order>& lock) { auto number = lock.WithWrite([](Order& o) -> int& { return o.number; }); *number = 5; }" "${leaves}"
wrong "a reference to a container that leaves a section" "${use_guards}
  void Use(Mutex<String>& m) { (void)m.With([](String& text) -> String& { return text; }); }" "${leaves}"
wrong "a view that leaves a section" "${use_guards}
  char Use(Mutex<String>& m) { return m.With([](String& text) { return text.view(); })->front(); }" "${leaves}"
wrong "a span that leaves a section" "${use_guards}
  void Use(Mutex<String>& m) { m.With([](String& text) { return text.EditAll(); }).value()[0] = 'a'; }" "${leaves}"
wrong "a pointer in a pair in an optional that leaves a section" "${use_guards}
  void Use(Mutex<Order>& m) { (void)m.With([](Order& o) { return std::optional(std::pair(1, &o)); }); }" "${leaves}"
wrong "views in a vector that leave a section" "${use_guards}
  void Use(Mutex<String>& m) { (void)m.With([](String& text) { return std::vector{text.view()}; }); }" "${leaves}"
wrong "a pointer that leaves a Value" "${use_guards}
  void Use(Value<Order>& value) { **value.Update([](Order& order) { return &order; }) = {}; }" "${leaves}"
wrong "a pointer that leaves a section of several" "${use_guards}
  void Use(Mutex<Order>& a, RwLock<int>& b) { (void)WithAll([](Order& order, int&) { return &order; }, a, b); }" "${leaves}"
right "values that leave a section" "${use_guards}
  void Use(Mutex<Order>& m, Mutex<Vector<Order>>& all) {
    (void)m.With([](Order& order) { return std::pair(order, std::optional(std::string(\"a\"))); });
    (void)m.With([](const Order&) { return &Use; });
    (void)m.With([](const Order&) { return std::map<int, std::array<int, 3>>(); });
    (void)all.With([](auto& orders) { return std::vector<Order>(orders.begin(), orders.end()); });
    (void)all.With([](auto&) { return absl::StatusOr<std::unique_ptr<int>>(std::make_unique<int>(1)); });
  }"
wrong "a reader that waits for a condition" "${use_guards}
  absl::Status Use(Condition& changed, ReadGuard<Order>& guard) { return changed.Wait(guard); }" 'no matching \(member \)\?function'
wrong "LockAll of what is no Mutex" "${use_guards}
  void Use(Mutex<Order>& a, Order& b) { auto guard = LockAll(a, b); }" 'no matching function'
wrong "a Value of an Atomic" "shoal::Value<shoal::Atomic<int>> value;" 'a Mutex must not guard another lock, Mutex or Atomic by value'
wrong "a Value of a container" "
  template <class T> class Row {};
  template <class T> struct shoal::ShareableTraits<Row<T>> : shoal::SharedType<shoal::SharedKind::kContainer, T> {
    static constexpr std::string_view kName = \"Row\";
  };
  constexpr bool checked = shoal::shm_internal::CheckValue<Row<int>>();" 'a Value is copied out and in'

readonly maps='struct Seat { char row; int number; };
  struct Price { double amount; };
  using Map = shoal::HashMap<shoal::String, int>;'
right "maps of what may be shared" "${maps}
  void Use() {
    shoal::HashMap<Seat, shoal::Variant> a; shoal::HashMap<shoal::String, shoal::Vector<Map>> b; shoal::HashMap<bool, Seat[3]> c;
  }
  const int* Find(const Map& map) { return map.Find(\"herring\"); }"
wrong "a map with std::string for a key" "${maps}
  void Use() { shoal::HashMap<std::string, int> map; }" 'its elements lie in memory of this process only: use shoal::String'
wrong "a map with a pointer for a key" "${maps}
  void Use() { shoal::HashMap<const char*, int> map; }" 'a pointer means nothing in another process'
wrong "a map with std::string for a value" "${maps}
  void Use() { shoal::HashMap<int, std::string> map; }" 'its elements lie in memory of this process only: use shoal::String'
wrong "a map with a container for a key" "${maps}
  void Use() { shoal::HashMap<shoal::Vector<int>, int> map; }" 'a key of a HashMap is a number, an enum'
wrong "a map with floating point for a key" "${maps}
  void Use() { shoal::HashMap<Price, int> map; }" 'a key of a HashMap must have one meaning in every process'
wrong "a map with a Mutex for a value" "${maps}
  void Use() { shoal::HashMap<int, shoal::Mutex<int>> map; }" 'a Mutex must not guard another lock, Mutex or Atomic by value'
wrong "a map that nobody locks" "${maps}
  constexpr bool checked = shoal::CheckConcurrent<Map>();" 'a container would be changed by several processes without a lock'
wrong "writing to a map without saving" "${maps}
  void Use(Map& map) { *map.Find(\"herring\") = 5; }" 'read-only\|const'
wrong "copying a map" "${maps}
  size_t Use(Map& map) { Map mine = map; return mine.size(); }" 'deleted'
wrong "a Variant of an unsigned 64-bit number" "${maps}
  absl::Status Use(shoal::Vector<shoal::Variant>& row) { return row.PushBack(5ul); }" 'a Variant holds an int64_t'

exit "${failures}"
