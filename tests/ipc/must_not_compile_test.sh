#!/bin/bash
# What may not be sent, and what the compilers say of it. Each mistake must give exactly one error: our sentence, with few exceptions that
# the language has a clear one for.

set -euo pipefail
source tests/must_not_compile.sh

begin sync shm ipc << 'END'
#include <chrono>
#include <deque>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <variant>
#include <vector>

#include "shoal/ipc/client.h"
#include "shoal/ipc/joinable_queue.h"
#include "shoal/ipc/lifo_queue.h"
#include "shoal/ipc/listener.h"
#include "shoal/ipc/pipe.h"
#include "shoal/ipc/priority_queue.h"
#include "shoal/ipc/queue.h"
#include "shoal/ipc/simple_queue.h"
#include "shoal/shm/mutex.h"
#include "shoal/shm/vector.h"
using namespace shoal;
END

readonly queue='void Use(Queue<Order>& queue) { queue.Close(); }'
readonly made='void Use() { (void)Queue<Order>::Create(); }'
readonly used='absl::Status Use(Queue<Order>& queue) { auto got = queue.Get(); return queue.Put(*std::move(got)); }'
readonly pointer='a pointer means nothing in another process'
readonly travels='this type cannot travel between processes: use numbers, bool, enums, std::string'

# ---- what travels -------------------------------------------------------------------------------------------------------------------

right "values, strings, containers and structs of these" "
  struct Price { double amount; char currency[4]; };
  struct Item { std::string name; std::optional<std::vector<std::string>> notes; };
  struct Order { std::map<int, Item> items; std::tuple<int, bool> flags; std::array<Item, 2> both; };
  ${used} auto Ends() { return Pipe<Order, Price>(); }"
right "a value that is aligned to a cache line" "struct alignas(64) Order { int number; }; ${used} auto Ends() { return Pipe<Order>(); }"
right "handles, and a struct with those that only move" "
  struct Order { std::string name; std::vector<Connection<int>> ends; Queue<int> queue; Shared<Mutex<int>> count; };
  ${used} auto Ends() { return Pipe<Order>(); }"

right "variants, sets, times and paths" "
  struct Order { std::variant<std::monostate, int, std::string> what; std::set<int> numbers; std::deque<bool> flags; absl::Time when;
                 std::chrono::milliseconds patience; };
  ${used} auto Ends() { return Pipe<Order>(); }"
right "handles to its own kind" "
  struct Order { std::string name; Queue<Order> reply; std::vector<Connection<Order>> ends; SimpleQueue<Order> lines; };
  ${used} auto Ends() { return Pipe<Order>(); } auto Find(const Segment& s) { return SimpleQueue<Order>::Find(s, \"x\"); }
  struct Task { int number; JoinableQueue<Task> next; };
  auto Tasks() { return JoinableQueue<Task>::Create(); } auto Next(JoinableQueue<Task>& tasks) { return tasks.Get(); }"
right "two kinds with handles to each other" "
  struct Answer; struct Question { std::string text; Queue<Answer> reply; };
  struct Answer { double value; std::optional<Connection<Question>> next; };
  auto Use() { return Queue<Question>::Create(); } auto Ends() { return Pipe<Answer>(); }"

# ---- queues -------------------------------------------------------------------------------------------------------------------------

wrong "a pointer" "void Use(Queue<char*>& queue) { queue.Close(); }" "${pointer}"
wrong "a pointer in a plain struct" "struct Order { int number; const char* item; }; ${made}" "${pointer}"
wrong "a pointer in a struct that is encoded" "struct Order { std::string name; const char* item; }; ${made}" "${pointer}"
wrong "a pointer deep inside" "
  struct Item { std::string name; int* count; };
  struct Order { std::map<int, std::vector<Item>> items; }; ${used}" "${pointer}"
wrong "a struct that contains itself" "struct Order { std::string name; std::vector<Order> parts; }; ${made}" \
  'a struct that contains itself, in a vector or a map, cannot be a message'
wrong "a pointer to a member" "struct Order { std::string name; int Order::*member; }; ${made}" "${pointer}"
wrong "a pointer in a tuple" "using Order = std::tuple<int, std::string, char*>; ${made}" "${pointer}"
wrong "a pointer in an optional" "using Order = std::optional<int*>; ${made}" "${pointer}"
wrong "a reference" "using Order = int&; ${queue}" 'a message is a value: take the plain type'
wrong "a const value" "using Order = const int; ${queue}" 'a message is a value: take the plain type'
wrong "a C array" "using Order = int[3]; ${queue}" 'a C array is no value: use std::array'
wrong "a C array in a struct that is encoded" "struct Order { std::string name; char code[4]; }; ${made}" \
  'a C array cannot travel: use std::array'
wrong "a reference in a struct" "struct Order { std::string name; int& count; }; ${queue}" 'a struct with a reference member cannot travel'
wrong "a const member" "struct Order { std::string name; const int count; }; ${queue}" 'no const or volatile members'
wrong "a base class" "struct Item { int id; }; struct Order : Item { std::string name; }; ${queue}" \
  'a struct with a base class cannot travel: make the base its first field'
wrong "a bit-field" "struct Order { std::string name; int count : 7; }; ${queue}" 'a struct with a bit-field'
wrong "private fields" "class Order { public: int number() const { return number_; } private: int number_ = 0; }; ${queue}" "${travels}"
wrong "a union" "union Order { int number; float price; }; ${queue}" 'a union cannot travel: nobody knows which member it holds'
wrong "a union in a struct" "struct Order { std::string name; union { int number; float price; }; }; ${queue}" \
  'a struct with a union member cannot travel'
wrong "virtual functions" "struct Order { virtual int number(); }; ${queue}" 'a type with virtual functions cannot travel'
wrong "virtual functions in a field" "struct Item { virtual int number(); };
  struct Order { std::string name; Item item; }; ${queue}" 'a type with virtual functions cannot travel'
wrong "std::mutex" "using Order = std::mutex; ${queue}" "${travels}"
wrong "std::mutex in a struct" "struct Order { std::string name; std::mutex lock; }; ${made}" "${travels}"
wrong "a file stream" "using Order = std::ofstream; ${queue}" 'a type with virtual functions cannot travel'
wrong "a file stream in a struct" "struct Order { std::string name; std::ifstream file; }; ${made}" \
  'a type with virtual functions cannot travel'
wrong "a FILE*" "struct Order { std::string name; FILE* file; }; ${made}" "${pointer}"
wrong "std::unique_ptr" "using Order = std::unique_ptr<int>; ${queue}" "${travels}"
wrong "std::shared_ptr in a struct" "struct Order { std::string name; std::shared_ptr<int> item; }; ${made}" "${travels}"
wrong "std::string_view" "struct Order { std::string name; std::string_view item; }; ${made}" "${travels}"
wrong "std::function" "struct Order { std::function<void()> done; }; ${made}" "${travels}"
wrong "long double" "struct Order { std::string name; long double price; }; ${made}" "${travels}"
for kind in Queue SimpleQueue JoinableQueue LifoQueue; do
  wrong "a value that is aligned to more than a cache line, in a ${kind}" "struct alignas(128) Order { int number; };
    void Use(${kind}<Order>& queue) { queue.Close(); }" 'aligned to 64 at most'
done
wrong "a Mutex" "using Order = Mutex<int>; ${queue}" 'stays where it is: send a Shared<...> of it'
wrong "a Vector of shared memory" "using Order = Vector<int>; ${queue}" 'stays where it is: send a Shared<...> of it'
wrong "what was lent" "using Order = Loaned<int>; ${queue}" "${travels}"
wrong "what was received" "using Order = Received<int>; ${queue}" "${travels}"
wrong "a SimpleQueue of pointers" "bool Use(SimpleQueue<char*>& queue) { return queue.empty(); }" "${pointer}"
wrong "a JoinableQueue of pointers" "void Use(JoinableQueue<char*>& queue) { queue.Close(); }" "${pointer}"
wrong "a LifoQueue of its own kind" "struct Order { std::string name; LifoQueue<Order> reply; };" \
  'takes no handles, and so none of its own kind: take a Queue'
wrong "a set of pointers" "using Order = std::set<char*>; ${made}" "${pointer}"
wrong "a variant with a pointer" "struct Order { std::variant<int, const char*> item; }; ${made}" "${pointer}"
wrong "a multimap" "using Order = std::multimap<int, int>; ${made}" "${travels}"
wrong "the time of a clock of one's own" "
  struct Ticks { using rep = int; using period = std::ratio<1>; using duration = std::chrono::duration<int>; };
  using Order = std::chrono::time_point<Ticks, Ticks::duration>; ${made}" "${travels}"
wrong "a LifoQueue of pointers" "void Use(LifoQueue<char*>& queue) { queue.Close(); }" "${pointer}"

# ---- connections --------------------------------------------------------------------------------------------------------------------

wrong "a pipe of pointers" "auto Use() { return Pipe<char*>(); }" "${pointer}"
wrong "a pipe of values that are aligned to more than a cache line" "struct alignas(128) Order { int number; };
  auto Use() { return Pipe<Order>(); }" 'aligned to 64 at most'
wrong "a pipe of structs with pointers" "struct Order { std::string name; const char* item; };
  auto Use() { return Pipe<Order, int>(); }" "${pointer}"
wrong "a pipe of structs with pointers, the other way" "struct Order { std::string name; const char* item; };
  auto Use() { return Pipe<int, Order>(); }" "${pointer}"
wrong "a connection of locks" "void Use(Connection<std::mutex>& end) { end.Close(); }" "${travels}"
wrong "a connection of containers of pointers" "void Use(Connection<std::vector<char*>, int>& end) { end.Close(); }" "${pointer}"
wrong "a listener for pointers" "auto Use() { return Listener<char*>::Create(\"@name\"); }" "${pointer}"
wrong "a client for pointers" "auto Use() { return Client<char*>(\"@name\"); }" "${pointer}"

# ---- what only moves, what is lent, what is ignored -----------------------------------------------------------------------------------

wrong "a copy of a connection" "void Use(Connection<int>& end) { Connection<int> copy = end; }" 'deleted'
wrong "a connection that is sent and kept" "
  absl::Status Use(Connection<Connection<int>>& through, Connection<int>& end) { return through.Send(end); }" \
  'a connection is moved, not copied: Send(std::move(message))'
wrong "a connection that is put and kept" "
  absl::Status Use(Queue<Connection<int>>& queue, Connection<int>& end) { return queue.Put(end); }" \
  'no matching function\|no matching member function'
wrong "tasks that only move" "void Use() { (void)JoinableQueue<Connection<int>>::Create(); }" \
  'a task stays in the queue until it is done, so it must be possible to copy it'
wrong "tasks with something that only moves" "struct Order { std::string name; std::vector<Connection<int>> ends; };
  void Use() { (void)JoinableQueue<Order>::Create(); }" \
  'a task stays in the queue until it is done, so it must be possible to copy it'
wrong "handles in a LifoQueue" "void Use() { (void)LifoQueue<Queue<int>>::Create(); }" \
  'handles travel in a Queue, a SimpleQueue or a JoinableQueue'
wrong "handles in a PriorityQueue" "void Use() { (void)PriorityQueue<std::vector<Queue<int>>>::Create(); }" \
  'handles travel in a Queue, a SimpleQueue or a JoinableQueue'
wrong "a PriorityQueue of what has no order" "struct Order { std::string name; };
  absl::Status Use(PriorityQueue<Order>& queue) { return queue.Put({}); }" 'operator<\|invalid operands'
wrong "a Loan of what is encoded" "auto Use(Queue<std::string>& queue) { return queue.Loan(); }" 'no matching function\|constraints not satisfied'
wrong "a Loan of what is encoded, of a connection" "auto Use(Connection<std::string>& end) { return end.Loan(); }" \
  'no matching function\|constraints not satisfied'
wrong "reading in place what is encoded" "auto Use(Connection<std::string>& end) { return end.RecvInPlace(); }" \
  'no matching function\|constraints not satisfied'
wrong "a copy of what was lent" "void Use(Loaned<int>& loan) { Loaned<int> copy = loan; }" 'deleted'
wrong "a copy of what was received" "void Use(Received<int>& message) { Received<int> copy = message; }" 'deleted'
wrong "a copy of a ticket" "void Use(ConnectionTicket& ticket) { ConnectionTicket copy = ticket; }" 'deleted'
wrong "a Put that is ignored" "void Use(Queue<int>& queue) { queue.Put(1); }" 'nodiscard'
wrong "a Get that is ignored" "void Use(Queue<int>& queue) { queue.Get(); }" 'nodiscard'
wrong "a TryPut that is ignored" "void Use(Queue<int>& queue) { queue.TryPut(1); }" 'nodiscard'
wrong "a Join that is ignored" "void Use(JoinableQueue<int>& queue) { queue.Join(); }" 'nodiscard'
wrong "a Send that is ignored" "void Use(Connection<int>& end) { end.Send(1); }" 'nodiscard'
wrong "a Recv that is ignored" "void Use(Connection<int>& end) { end.Recv(); }" 'nodiscard'

exit "${failures}"
