// A thread that is ended inside a section, by pthread_exit or pthread_cancel, leaves what the last commit left, and the lock free,
// whatever frames are around it and wherever its stack lies.

#include "shoal/shm/thread_end.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "gtest/gtest.h"
#include "shoal/shm/lock_all.h"
#include "shoal/shm/mutex.h"
#include "shoal/shm/rw_lock.h"
#include "shoal/shm/section.h"
#include "shoal/shm/segment.h"
#include "shoal/shm/vector.h"
#include "shoal/tests/shm/c_frame.h"

namespace shoal {
namespace {

struct Pair {
  int64_t left = 0;
  int64_t right = 0;
};

void Exit() { pthread_exit(nullptr); }
// A read is a cancellation point; nobody ever writes.
void CancelInRead() {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  pthread_cancel(pthread_self());
  char byte;
  [[maybe_unused]] const ssize_t ignored = read(ends[0], &byte, 1);
}
void InC(std::function<void()> body) {
  CallWithCleanup([](void* called) { (*static_cast<std::function<void()>*>(called))(); }, &body);
}

struct End {
  const char* name;
  void (*end)();
};
constexpr End kEnds[] = {
    {"Exit", Exit},
    {"Cancel", CancelInRead},
    {"ExitBelowAFrameOfC", [] { InC(Exit); }},
    {"CancelBelowAFrameOfC", [] { InC(CancelInRead); }},
};

// Runs `body` in a thread to its end, on `stack` if there is one.
void RunInThread(std::function<void()> body, void* stack = nullptr, size_t stack_bytes = 0) {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  if (stack != nullptr) {
    ASSERT_EQ(pthread_attr_setstack(&attributes, stack, stack_bytes), 0);
  }
  pthread_t thread;
  const auto run = [](void* called) -> void* {
    (*static_cast<std::function<void()>*>(called))();
    return nullptr;
  };
  ASSERT_EQ(pthread_create(&thread, &attributes, run, &body), 0);
  ASSERT_EQ(pthread_join(thread, nullptr), 0);
  pthread_attr_destroy(&attributes);
}

class AnyThreadEndTest : public ::testing::Test {
 public:
  void SetUp() override {
    auto segment = Segment::Create({.limit_bytes = size_t{64} << 20});
    ASSERT_TRUE(segment.ok());
    segment_.emplace(*std::move(segment));
    mutex_ = Make<Mutex<Pair>>();
    other_ = Make<Mutex<Pair>>();
    rw_lock_ = Make<RwLock<Pair>>();
  }
  template <class T>
  T* Make() {
    return new (segment_->At<T>(segment_->Allocate(sizeof(T), alignof(T)).value())) T;
  }

  void ExpectUntouched() {
    auto guard = mutex_->TryLock();
    ASSERT_TRUE(guard.has_value());
    EXPECT_EQ((*guard)->left, 0);
    EXPECT_FALSE(guard->recovered()) << "it was rolled back by its own thread";
  }
  void HalfASection(void (*end)()) {
    auto guard = mutex_->Lock();
    ASSERT_TRUE(guard.ok());
    (*guard)->left = 1;
    end();
    (*guard)->right = 1;
  }

  std::optional<Segment> segment_;
  Mutex<Pair>* mutex_ = nullptr;
  Mutex<Pair>* other_ = nullptr;
  RwLock<Pair>* rw_lock_ = nullptr;
};
class ThreadEndTest : public AnyThreadEndTest, public ::testing::WithParamInterface<End> {};
INSTANTIATE_TEST_SUITE_P(Ends, ThreadEndTest, ::testing::ValuesIn(kEnds),
                         [](const auto& info) { return std::string(info.param.name); });

TEST_P(ThreadEndTest, RollsBackASection) {
  RunInThread([&] { HalfASection(GetParam().end); });
  ExpectUntouched();
}

TEST_P(ThreadEndTest, RollsBackASectionBelowFramesOfC) {
  RunInThread([&] {
    // The thread has had a section before, outside and inside of them.
    ASSERT_TRUE(mutex_->With([](Pair&) {}).ok());
    InC([&] {
      ASSERT_TRUE(mutex_->With([](Pair&) {}).ok());
      InC([&] { HalfASection(GetParam().end); });
    });
  });
  ExpectUntouched();
}

TEST_P(ThreadEndTest, RollsBackWith) {
  RunInThread([&] {
    mutex_
        ->With([&](Pair& pair) {
          pair.left = 1;
          GetParam().end();
        })
        .IgnoreError();
  });
  ExpectUntouched();
}

TEST_P(ThreadEndTest, RollsBackAWriter) {
  RunInThread([&] {
    auto guard = rw_lock_->Write();
    ASSERT_TRUE(guard.ok());
    (*guard)->left = 1;
    GetParam().end();
  });
  auto guard = rw_lock_->TryRead();
  ASSERT_TRUE(guard.has_value());
  EXPECT_EQ((*guard)->left, 0);
}

TEST_P(ThreadEndTest, RollsBackASectionOfSeveralLocks) {
  RunInThread([&] {
    auto guard = LockAll(*mutex_, *other_);
    ASSERT_TRUE(guard.ok());
    guard->get<0>().left = 1;
    GetParam().end();
  });
  ExpectUntouched();
  EXPECT_EQ(other_->With([](Pair& pair) { return pair.left; }).value(), 0);
}

// A guard that was made in a frame that has returned, and lies on the heap.
TEST_P(ThreadEndTest, RollsBackWhereverTheGuardIs) {
  RunInThread([&] {
    std::unique_ptr<MutexGuard<Pair>> kept;
    const auto open = [&] { kept = std::make_unique<MutexGuard<Pair>>(mutex_->Lock().value()); };
    InC(open);
    (*kept)->left = 1;
    GetParam().end();
  });
  ExpectUntouched();
}

// What a destructor does while the thread is being ended is a section like any other.
TEST_P(ThreadEndTest, ADestructorsOwnSectionCommits) {
  struct Last {
    ~Last() {
      auto guard = test->other_->Lock();
      (*guard)->left = 2;
    }
    AnyThreadEndTest* test;
  };
  RunInThread([&] {
    const Last last{this};
    HalfASection(GetParam().end);
  });
  ExpectUntouched();
  EXPECT_EQ(other_->With([](Pair& pair) { return pair.left; }).value(), 2);
}

TEST_P(ThreadEndTest, SectionsThatAreOverStayCommitted) {
  RunInThread([&] {
    {
      auto guard = other_->Lock();
      (*guard)->left = 3;
    }
    GetParam().end();
  });
  EXPECT_EQ(other_->With([](Pair& pair) { return pair.left; }).value(), 3);
}

// The stack of a thread may lie below the heap or above it.
TEST_P(ThreadEndTest, RollsBackOnAStackOfTheUsers) {
  constexpr size_t kBytes = size_t{1} << 20;
  alignas(4096) static std::byte below[kBytes];
  void* const above = mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(above, MAP_FAILED);
  for (void* const stack : {static_cast<void*>(below), above}) {
    RunInThread([&] { HalfASection(GetParam().end); }, stack, kBytes);
    ExpectUntouched();
  }
  munmap(above, kBytes);
}

// Leaves a forked child while it is being unwound, before gtest's frames are.
struct LeaveChild {
  ~LeaveChild() { _exit(0); }
};
void ExpectChildEnds(pid_t pid) {
  int status = 0;
  ASSERT_EQ(waitpid(pid, &status, 0), pid);
  EXPECT_EQ(status, 0);
}

// The first thread of a process has another kind of stack.
TEST_P(ThreadEndTest, RollsBackInTheFirstThreadOfAProcess) {
  const pid_t pid = fork();
  ASSERT_GE(pid, 0);
  if (pid == 0) {
    alarm(60);
    const LeaveChild leave;
    HalfASection(GetParam().end);
  }
  ExpectChildEnds(pid);
  ExpectUntouched();
}

// In a child the section is the parent's.
TEST_P(ThreadEndTest, AForkedChildsEndLeavesTheParentsSectionAlone) {
  {
    auto guard = mutex_->Lock();
    ASSERT_TRUE(guard.ok());
    (*guard)->left = 5;
    const pid_t pid = fork();
    ASSERT_GE(pid, 0);
    if (pid == 0) {
      alarm(60);
      const LeaveChild leave;
      auto copied = *std::move(guard);
      if (!other_->With([](Pair& pair) { pair.left = 6; }).ok()) abort();  // begins a record of its own
      GetParam().end();
    }
    ExpectChildEnds(pid);
    EXPECT_EQ((*guard)->left, 5);
    EXPECT_TRUE(mutex_->locked());
  }
  EXPECT_EQ(mutex_->With([](Pair& pair) { return pair.left; }).value(), 5);
  EXPECT_EQ(other_->With([](Pair& pair) { return pair.left; }).value(), 6);
}

// Nor can it go on with it.
TEST_F(AnyThreadEndTest, AForkedChildCannotChangeWhatTheParentsSectionHolds) {
  auto* const vector = Make<Mutex<Vector<int64_t>>>();
  auto guard = vector->Lock();
  ASSERT_TRUE(guard.ok());
  ASSERT_TRUE((*guard)->Reserve(8).ok());
  ASSERT_TRUE((*guard)->PushBack(1).ok());
  const pid_t pid = fork();
  ASSERT_GE(pid, 0);
  if (pid == 0) {
    alarm(60);
    const bool refused = (*guard)->PushBack(2).code() == absl::StatusCode::kFailedPrecondition &&
                         (*guard)->Set(0, 2).code() == absl::StatusCode::kFailedPrecondition;
    _exit(refused ? 0 : 1);
  }
  ExpectChildEnds(pid);
  ASSERT_TRUE((*guard)->PushBack(3).ok());
  EXPECT_EQ((*guard)->size(), 2u);
  EXPECT_EQ((**guard)[0], 1);
}

// Not in the middle of what the library does itself: growing the heap makes system calls that are cancellation points.
TEST_F(AnyThreadEndTest, IsNotCancelledInsideACallOfOurs) {
  auto* const vector = Make<Mutex<Vector<int64_t>>>();
  bool grown = false;
  bool ended = true;
  RunInThread([&] {
    auto guard = vector->Lock();
    ASSERT_TRUE(guard.ok());
    pthread_cancel(pthread_self());
    grown = (*guard)->Resize(size_t{4} << 20).ok();
    pthread_testcancel();
    ended = false;
  });
  EXPECT_TRUE(grown);
  EXPECT_TRUE(ended);
  EXPECT_EQ(vector->With([](Vector<int64_t>& all) { return all.size(); }).value(), 0u);
}

// A longjmp, as libraries of C make them, is not the end of the thread, nor hides it.
TEST_P(ThreadEndTest, RollsBackAfterALongjmp) {
  const auto section = [&](void (*end)()) {
    auto guard = mutex_->Lock();
    ASSERT_TRUE(guard.ok());
    (*guard)->left = 7;
    jmp_buf place;
    if (setjmp(place) == 0) longjmp(place, 1);
    (*guard)->right = 7;
    end();
  };
  RunInThread([&] { section(GetParam().end); });
  ExpectUntouched();
  RunInThread([&] { section([] {}); });
  EXPECT_EQ(mutex_->With([](Pair& pair) { return pair.right; }).value(), 7);
}

// Where glibc's word is not known, cancellation is kept off instead.
TEST_F(AnyThreadEndTest, WhereItCannotBeToldItIsNotCancelled) {
  bool whole = false;
  bool ended = true;
  RunInThread([&] {
    ASSERT_TRUE(mutex_->With([](Pair&) {}).ok());
    shm_internal::ThisThreadSections().ending = &shm_internal::thread_may_end;
    HalfASection([] {
      pthread_cancel(pthread_self());
      pthread_testcancel();
    });
    whole = true;
    pthread_testcancel();
    ended = false;
  });
  EXPECT_TRUE(whole);
  EXPECT_TRUE(ended) << "afterwards it is as it was";
  EXPECT_EQ(mutex_->With([](Pair& pair) { return pair.right; }).value(), 1);
}

// On a stack that is not the thread's own.
TEST_P(ThreadEndTest, RollsBackInAFibre) {
  struct Fibre {
    ThreadEndTest* test;
    ucontext_t thread;
    ucontext_t fibre;
    std::byte stack[size_t{256} << 10];
  };
  static Fibre* current;
  const auto fibre = std::make_unique<Fibre>();
  fibre->test = this;
  current = fibre.get();
  RunInThread([&] {
    getcontext(&fibre->fibre);
    fibre->fibre.uc_stack.ss_sp = fibre->stack;
    fibre->fibre.uc_stack.ss_size = sizeof(fibre->stack);
    fibre->fibre.uc_link = &fibre->thread;
    makecontext(
        &fibre->fibre, +[] { current->test->HalfASection(GetParam().end); }, 0);
    swapcontext(&fibre->thread, &fibre->fibre);
  });
  ExpectUntouched();
}

}  // namespace
}  // namespace shoal
