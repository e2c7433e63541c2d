#include "shoal/tests/shm/bank.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdio>
#include <memory>
#include <new>
#include <random>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "shoal/shm/atomic.h"
#include "shoal/shm/attachment.h"
#include "shoal/shm/hash_map.h"
#include "shoal/shm/heap.h"
#include "shoal/shm/journal.h"
#include "shoal/shm/layout.h"
#include "shoal/shm/mutex.h"
#include "shoal/shm/segment.h"
#include "shoal/shm/string.h"
#include "shoal/shm/vector.h"
#include "shoal/sync/check.h"
#include "shoal/sync/deadline.h"
#include "shoal/sync/status.h"

namespace shoal::tests {
namespace {

constexpr uint32_t kAccounts = 1000;
constexpr int64_t kEach = 1'000'000;
constexpr int kClerks = 4;
constexpr size_t kHistory = 8;

struct Account {
  int64_t balance = 0;
  String owner;
  Vector<int64_t> history;
};
struct Bank {
  int64_t sections = 0;
  int64_t recoveries = 0;
  HashMap<uint32_t, Account> accounts;
};

std::string OwnerOf(uint32_t number) { return absl::StrCat("the owner of account ", number); }

absl::Status Open(Bank& bank, uint32_t number, int64_t balance) {
  return bank.accounts.Insert(number, balance, OwnerOf(number), std::array<int64_t, kHistory>()).status();
}

// What is wrong with the bank; empty: nothing.
std::string Audit(const Bank& bank) {
  if (bank.accounts.size() != kAccounts) return absl::StrCat(bank.accounts.size(), " accounts instead of ", kAccounts);
  int64_t sum = 0;
  for (uint32_t number = 0; number < kAccounts; ++number) {
    const Account* const account = bank.accounts.Find(number);
    if (account == nullptr) return absl::StrCat("account ", number, " is lost");
    if (account->owner != OwnerOf(number)) return absl::StrCat("account ", number, " belongs to another");
    if (account->history.size() != kHistory) return absl::StrCat("account ", number, " has lost its history");
    sum += account->balance;
  }
  return sum == kAccounts * kEach ? "" : absl::StrCat("the sum is ", sum, " instead of ", kAccounts * kEach);
}

class Clerk {
 public:
  Clerk(Mutex<Bank>& bank, uint64_t seed) : bank_(bank), random_(seed) {}

  void OneSection() {
    auto guard = bank_.Lock();
    if (!guard.ok()) Complain(guard.status().ToString());
    Bank& bank = **guard;
    if (guard->recovered()) {
      ++bank.recoveries;
      Check(bank);
    }
    ++bank.sections;
    const absl::Status status = Work(bank);
    if (!status.ok()) Complain(status.ToString());
    switch (Below(64)) {
      case 0:
        guard->Rollback();
        ++bank.sections;  // the rest is as it was
        return;
      case 1:
        return Check(bank);
      default:
        return;
    }
  }

 private:
  uint32_t Below(uint32_t limit) { return std::uniform_int_distribution<uint32_t>(0, limit - 1)(random_); }

  absl::Status Work(Bank& bank) {
    for (uint32_t transfers = Below(3) + 1; transfers != 0; --transfers) {
      const uint32_t from = Below(kAccounts);
      const uint32_t to = Below(kAccounts);
      const int64_t amount = Below(1000);
      SHOAL_RETURN_IF_ERROR(Move(bank, from, -amount));
      SHOAL_RETURN_IF_ERROR(Move(bank, to, amount));
    }
    return Below(4) == 0 ? CloseAndOpen(bank, Below(kAccounts)) : absl::OkStatus();
  }

  absl::Status Move(Bank& bank, uint32_t number, int64_t amount) {
    SHOAL_ASSIGN_OR_RETURN(Account* const account, bank.accounts.FindMut(number));
    account->balance += amount;
    return account->history.Set(Below(kHistory), amount);
  }

  absl::Status CloseAndOpen(Bank& bank, uint32_t number) {
    const Account* const account = bank.accounts.Find(number);
    if (account == nullptr) return absl::NotFoundError(absl::StrCat("account ", number));
    const int64_t balance = account->balance;
    SHOAL_RETURN_IF_ERROR(bank.accounts.Erase(number).status());
    return Open(bank, number, balance);
  }

  void Check(const Bank& bank) {
    if (const std::string wrong = Audit(bank); !wrong.empty()) Complain(wrong);
  }
  [[noreturn]] static void Complain(const std::string& what) {
    fprintf(stderr, "a clerk says: %s\n", what.c_str());
    _exit(1);
  }

  Mutex<Bank>& bank_;
  std::mt19937_64 random_;
};

struct Orders {
  Atomic<uint32_t> go_home{0};
};

pid_t StartClerk(Mutex<Bank>& bank, const Orders& orders, uint64_t seed, int sections) {
  const pid_t pid = fork();
  SHOAL_CHECK(pid >= 0, "a process can be started");
  if (pid != 0) return pid;
  Clerk clerk(bank, seed);
  for (int done = 0; sections == 0 || done < sections; ++done) {
    // relaxed: nothing is ordered by it
    if (orders.go_home.load(std::memory_order_relaxed) != 0) break;
    clerk.OneSection();
  }
  _exit(0);
}

// Waits for it; whether it was killed, or ended well.
bool EndedWell(pid_t pid) {
  int status = 0;
  while (waitpid(pid, &status, 0) < 0) SHOAL_CHECK(errno == EINTR, "a child can be waited for");
  return (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) || (WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

void Pause(std::mt19937_64& random) {
  const timespec pause = {.tv_sec = 0, .tv_nsec = std::uniform_int_distribution<long>(100'000, 8'000'000)(random)};
  nanosleep(&pause, nullptr);
}

// What the heap has given out, without the journals, of which each thread has one.
void CountOwned(const shm_internal::Attachment& attachment, BankReport& report) {
  const shm_internal::HeapUsage usage = attachment.heap().Usage();
  report.owned_blocks = usage.allocated_blocks;
  report.owned_bytes = usage.allocated_bytes;
  for (const shm_internal::ThreadSlot& slot : attachment.threads()) {
    const uint64_t place = slot.journal.load(std::memory_order_relaxed);  // relaxed: nobody is there any more
    if (place == 0) continue;
    --report.owned_blocks;
    report.owned_bytes -= shm_internal::JournalPlace::Bytes(place);
  }
}

template <class T>
T& Place(const Segment& segment) {
  return *new (segment.At<T>(segment.Allocate(sizeof(T), 64).value())) T;
}

}  // namespace

BankReport RunBank(const BankPlan& plan) {
  BankReport report;
  std::mt19937_64 random(plan.seed);
  auto segment = Segment::Create({.limit_bytes = size_t{16} << 20});
  SHOAL_CHECK(segment.ok(), "a segment can be made");
  Mutex<Bank>& bank = Place<Mutex<Bank>>(*segment);
  Orders& orders = Place<Orders>(*segment);
  const absl::Status opened = bank.With([](Bank& all) {
    for (uint32_t number = 0; number < kAccounts; ++number) SHOAL_RETURN_IF_ERROR(Open(all, number, kEach));
    return absl::OkStatus();
  });
  if (!opened.ok()) report.wrong = opened.ToString();

  const bool kills = plan.seconds > 0;
  const auto start = [&] { return StartClerk(bank, orders, random(), kills ? 0 : plan.sections_if_undisturbed); };
  std::array<pid_t, kClerks> clerks;
  for (pid_t& clerk : clerks) clerk = start();
  const int64_t end = sync_internal::Deadline::Now() + static_cast<int64_t>(plan.seconds * 1e9);
  while (kills && report.wrong.empty() && sync_internal::Deadline::Now() < end) {
    Pause(random);
    // Sometimes two at once.
    const size_t first = random() % kClerks;
    const size_t count = random() % 4 == 0 ? 2 : 1;
    for (size_t i = 0; i < count; ++i) kill(clerks[(first + i) % kClerks], SIGKILL);
    for (size_t i = 0; i < count; ++i) {
      pid_t& clerk = clerks[(first + i) % kClerks];
      if (!EndedWell(clerk)) report.wrong = "a clerk has complained";
      clerk = start();
      ++report.kills;
    }
  }
  if (kills) orders.go_home.store(1);
  for (const pid_t clerk : clerks) {
    if (!EndedWell(clerk)) report.wrong = "a clerk has complained";
  }
  auto guard = bank.Lock();
  if (!guard.ok()) {
    report.wrong = guard.status().ToString();
    return report;
  }
  if (report.wrong.empty()) report.wrong = Audit(**guard);
  report.sections = (*guard)->sections;
  report.recoveries = (*guard)->recoveries;
  guard->Release();
  CountOwned(*shm_internal::Attachment::Of(&bank), report);
  return report;
}

}  // namespace shoal::tests
