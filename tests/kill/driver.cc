#include "shoal/tests/kill/driver.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "shoal/sync/check.h"
#include "shoal/tests/kill/deaths.h"
#include "shoal/tests/kill/events.h"

namespace shoal::tests {
namespace {

// What the process of an operation hands back.
struct Handed {
  bool finished;
  int64_t length, visible;
  bool long_body;
  int64_t points, hangs, lost, half_done, leaked;
  char first_failure[160];
};

// On one processor the parties take turns anyway; nobody spins then, and the same k means the same instruction each time.
void PinTo(int job) {
  cpu_set_t allowed;
  SHOAL_CHECK(sched_getaffinity(0, sizeof(allowed), &allowed) == 0, "the driver knows its processors");
  job %= CPU_COUNT(&allowed);
  int processor = 0;
  while (!CPU_ISSET(processor, &allowed) || job-- > 0) ++processor;
  CPU_ZERO(&allowed);
  CPU_SET(processor, &allowed);
  SHOAL_CHECK(sched_setaffinity(0, sizeof(allowed), &allowed) == 0, "the driver pins itself");
}

pid_t StartOperation(const Operation& operation, const Points& points, int job, Handed& handed) {
  const pid_t pid = fork();
  SHOAL_CHECK(pid >= 0, "the driver needs to fork");
  if (pid != 0) return pid;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  PinTo(job);
  const Tally tally = KillInThisProcess(operation, points);
  handed = {.finished = true,
            .length = tally.length,
            .visible = tally.visible,
            .long_body = tally.long_body,
            .points = tally.points,
            .hangs = tally.hangs,
            .lost = tally.lost,
            .half_done = tally.half_done,
            .leaked = tally.leaked,
            .first_failure = {}};
  snprintf(handed.first_failure, sizeof(handed.first_failure), "%s", tally.first_failure.c_str());
  _exit(0);
}

Tally TallyOf(const std::string& name, const Handed& handed) {
  Tally tally = {.name = name,
                 .length = handed.length,
                 .visible = handed.visible,
                 .long_body = handed.long_body,
                 .points = handed.points,
                 .hangs = handed.hangs,
                 .lost = handed.lost,
                 .half_done = handed.half_done,
                 .leaked = handed.leaked,
                 .first_failure = handed.first_failure};
  if (!handed.finished) {
    tally.hangs = 1;
    tally.first_failure = "the process that played it crashed";
  }
  return tally;
}

}  // namespace

void Gate::Hold() const {
  char byte;
  while (read(read_fd_, &byte, 1) < 0 && errno == EINTR) {
  }
}

void Gate::Open() const { SHOAL_CHECK(write(write_fd_, "g", 1) == 1, "the driver opens its gate"); }

void Tally::Add(const Tally& other) {
  points += other.points;
  hangs += other.hangs;
  lost += other.lost;
  half_done += other.half_done;
  leaked += other.leaked;
}

std::vector<Tally> KillSideBySide(const std::vector<Operation>& operations, const Points& points, int jobs,
                                  const std::function<void(const Tally&)>& done) {
  const size_t size_bytes = sizeof(Handed) * (operations.size() + 1);
  auto* const handed = static_cast<Handed*>(MakeOwnShared(size_bytes));
  struct Running {
    pid_t pid = 0;  // 0: nobody
    size_t operation = 0;
  };
  std::vector<Running> running(static_cast<size_t>(std::max(jobs, 1)));
  std::vector<Tally> tallies(operations.size());
  const auto finish = [&](Running& job) {
    if (job.pid == 0) return;
    while (waitpid(job.pid, nullptr, 0) < 0 && errno == EINTR) {
    }
    tallies[job.operation] = TallyOf(operations[job.operation].name, handed[job.operation]);
    if (done) done(tallies[job.operation]);
    job.pid = 0;
  };
  const auto wait_for_a_place = [&]() -> Running& {
    for (;;) {
      for (Running& job : running) {
        if (job.pid == 0) return job;
      }
      siginfo_t ended = {};
      SHOAL_CHECK(waitid(P_ALL, 0, &ended, WEXITED | WNOWAIT) == 0 || errno == EINTR, "the driver has children");
      for (Running& job : running) {
        if (job.pid == ended.si_pid) finish(job);
      }
    }
  };
  for (size_t i = 0; i < operations.size(); ++i) {
    Running& job = wait_for_a_place();
    job = {.pid = StartOperation(operations[i], points, static_cast<int>(&job - running.data()), handed[i]), .operation = i};
  }
  for (Running& job : running) finish(job);
  UnmapOwnShared(handed, size_bytes);
  return tallies;
}

Tally KillAtEveryInstruction(const Operation& operation, const Points& points) {
  return KillSideBySide({operation}, points, 1)[0];
}

std::string Table(const std::vector<Tally>& tallies) {
  std::string text;
  char line[200];
  snprintf(line, sizeof(line), "%-56s %8s  %8s %8s %6s %6s %6s %6s\n", "operation", "instr", "visible", "kills", "hangs", "lost",
           "half", "leaked");
  text += line;
  const auto row = [&](const Tally& tally) {
    snprintf(line, sizeof(line), "%-56s %8ld%c %8ld %8ld %6ld %6ld %6ld %6ld\n", tally.name.c_str(), tally.length,
             tally.long_body ? '*' : ' ', tally.visible, tally.points, tally.hangs, tally.lost, tally.half_done, tally.leaked);
    text += line;
    if (!tally.first_failure.empty()) text += "    first: " + tally.first_failure + "\n";
  };
  Tally sum{.name = "all"};
  for (const Tally& tally : tallies) {
    row(tally);
    sum.Add(tally);
  }
  row(sum);
  return text;
}

}  // namespace shoal::tests
