#ifndef SHOAL_TESTS_CLI_PROGRAM_H_
#define SHOAL_TESTS_CLI_PROGRAM_H_

#include <sys/types.h>

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "gtest/gtest.h"
#include "shoal/shm/unique_fd.h"

namespace shoal::cli_tests {

inline constexpr char kShoal[] = "cli/shoal";
inline constexpr char kPrimes[] = "examples/primes/primes.so";
inline constexpr char kWords[] = "examples/words/words.so";
inline constexpr char kHazards[] = "tests/plugins/hazards.so";
inline constexpr char kOtherAbi[] = "tests/plugins/other_abi.so";

// What a program that has ended left.
struct Ended {
  int code = 0;  // exit code, or -signal
  std::string out;
  std::string err;
};

// A program under test, in a process group of its own. Its standard streams are pipes (in, out) and a file (err), or what the
// test gives. Descendants that outlive it become children of the test and are noticed.
class Program {
 public:
  struct Options {
    int in = -1;  // a descriptor to use instead of a pipe
    int out = -1;
    int err = -1;
    bool ignores_interrupt = false;
    std::vector<std::string> environment;  // additions: "NAME=value"
  };

  explicit Program(const std::vector<std::string>& arguments);
  Program(const std::vector<std::string>& arguments, const Options& options);
  ~Program();  // kills the group if it still runs
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  pid_t pid() const { return pid_; }
  std::vector<pid_t> Workers() const;  // those that have begun to be workers
  void Signal(int signal) const;       // to the process group, as a terminal does
  void Kill() const;                   // -9, the program alone

  void Write(std::string_view text) const;
  void CloseInput() { in_.reset(); }
  std::string ReadLine();  // of the output, without its newline; "" at the end
  void CloseOutput() { out_.reset(); }
  int output() const { return out_.get(); }
  int input() const { return in_.get(); }

  // Waits until it has ended; its output is what was not read before.
  Ended Wait();

 private:
  pid_t pid_ = 0;
  bool ended_ = false;
  shm_internal::UniqueFd in_;
  shm_internal::UniqueFd out_;
  shm_internal::UniqueFd err_;
  std::string read_ahead_;
};

// Runs a program to its end with this input, which is a file to it.
Ended RunProgram(const std::vector<std::string>& arguments, std::string_view input = "");
Ended RunProgram(const std::vector<std::string>& arguments, std::string_view input,
                 const std::vector<std::string>& environment);

// A file in memory with this content, at its beginning.
shm_internal::UniqueFd FileWith(std::string_view content);
std::string ContentOf(int fd);

// Looks until it is so. (The test runner's timeout is the watchdog.)
void WaitUntil(const std::function<bool()>& it_is_so);

// Waits until the file has a line, as `hang_once` leaves it, and returns the pid in it.
pid_t WaitForPid(const std::string& path);

// A fixture with a folder of its own, which is also that of temporary files. After each test nothing may be left: no process of
// a program, no shared memory with a name, no temporary file.
class ProgramTest : public testing::Test {
 protected:
  ProgramTest();
  ~ProgramTest() override;

  std::string Path(const std::string& name) const { return folder_ + "/" + name; }

  // After a program was killed its workers have no parent; they notice that by themselves.
  static void WaitForOrphans();

 private:
  std::string folder_;
  std::string temporary_;
};

}  // namespace shoal::cli_tests

#endif  // SHOAL_TESTS_CLI_PROGRAM_H_
