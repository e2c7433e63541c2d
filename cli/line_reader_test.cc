#include "shoal/cli/line_reader.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "shoal/shm/unique_fd.h"

namespace shoal::cli_internal {
namespace {

using Got = LineReader::Got;

class LineReaderTest : public testing::Test {
 protected:
  LineReaderTest() : stop_(eventfd(0, EFD_CLOEXEC)) {
    std::string pattern = testing::TempDir() + "/lines.XXXXXX";
    folder_ = mkdtemp(pattern.data());
  }
  ~LineReaderTest() override { std::filesystem::remove_all(folder_); }

  std::string File(const std::string& name, const std::string& content) {
    std::ofstream(folder_ / name) << content;
    return folder_ / name;
  }

  // All lines, each in brackets.
  std::string Read(std::vector<std::string> files) {
    LineReader reader(std::move(files), stop_.get());
    std::string all;
    LineReader::Line line;
    for (;;) {
      const auto got = reader.Next(line);
      if (!got.ok()) return all + std::string(got.status().message());
      if (*got == Got::kEnd) return all;
      if (*got == Got::kStopped) return all + "stopped";
      bytes_ += line.input_bytes;
      all += *got == Got::kTooLong ? "(too long)" : "(" + std::string(line.text) + ")";
    }
  }

  std::filesystem::path folder_;
  shm_internal::UniqueFd stop_;
  uint64_t bytes_ = 0;
};

TEST_F(LineReaderTest, LinesOfSeveralFilesComeInOrderWithoutBlankOnes) {
  EXPECT_EQ(Read({File("a", "1\n\n  \t\r\n2\n"), File("b", ""), File("c", "3"), File("d", "4\n\n")}), "(1)(2)(3)(4)");
}

TEST_F(LineReaderTest, EveryByteOfTheLinesAndOfTheBlanksBeforeThemIsCounted) {
  Read({File("a", "1\n\n  \n22\n"), File("b", "333")});
  EXPECT_EQ(bytes_, 12u);
}

TEST_F(LineReaderTest, LinesMayBeLongerThanABlock) {
  const std::string longest(200'000, 'x');
  EXPECT_EQ(Read({File("a", "1\n" + longest + "\n2")}), "(1)(" + longest + ")(2)");
}

TEST_F(LineReaderTest, ALineBeyondTheLimitIsPassedOver) {
  const std::string beyond(LineReader::kMaxLineBytes + 1, 'x');
  EXPECT_EQ(Read({File("a", "1\n" + beyond + "\n2\n"), File("b", beyond), File("c", "3")}), "(1)(too long)(2)(too long)(3)");
}

TEST_F(LineReaderTest, AFileThatIsGoneIsAnError) {
  EXPECT_EQ(Read({File("a", "1\n"), folder_ / "none", File("b", "2\n")}),
            "(1)cannot read " + (folder_ / "none").string() + ": No such file or directory");
}

TEST_F(LineReaderTest, WaitingForInputEndsWhenToldToStop) {
  const std::string fifo = folder_ / "fifo";
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  const shm_internal::UniqueFd writer(open(fifo.c_str(), O_RDWR | O_CLOEXEC));
  ASSERT_EQ(write(writer.get(), "1\n2", 3), 3);
  std::string lines;
  std::thread reading([&] { lines = Read({fifo}); });
  eventfd_write(stop_.get(), 1);  // before or while it waits: it does not matter
  reading.join();
  EXPECT_TRUE(lines == "(1)stopped" || lines == "stopped") << lines;
}

TEST_F(LineReaderTest, AFifoWithoutAWriterIsWaitedFor) {
  const std::string fifo = folder_ / "fifo";
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  std::string lines;
  std::thread reading([&] { lines = Read({fifo}); });
  {
    const shm_internal::UniqueFd writer(open(fifo.c_str(), O_WRONLY | O_CLOEXEC));  // returns when it is opened for reading
    ASSERT_EQ(write(writer.get(), "1\n", 2), 2);
  }
  reading.join();
  EXPECT_EQ(lines, "(1)");
}

TEST_F(LineReaderTest, HasLineSaysWhetherNextMustRead) {
  LineReader reader({File("a", "1\n2")}, stop_.get());
  LineReader::Line line;
  EXPECT_FALSE(reader.HasLine());
  ASSERT_TRUE(reader.Next(line).ok());
  EXPECT_FALSE(reader.HasLine());
}

TEST_F(LineReaderTest, TheSizeIsKnownOfRegularFilesOnly) {
  const std::string a = File("a", "123");
  const std::string fifo = folder_ / "fifo";
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  EXPECT_EQ(CheckInputs({a, a}).value(), 6u);
  EXPECT_EQ(CheckInputs({a, fifo, a}).value(), std::nullopt);
  EXPECT_FALSE(CheckInputs({a, folder_ / "none"}).ok());
  EXPECT_FALSE(CheckInputs({folder_}).ok());
}

}  // namespace
}  // namespace shoal::cli_internal
