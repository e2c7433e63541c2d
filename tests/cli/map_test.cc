// `shoal map` and `shoal functions` as a user meets them: output, order, messages, exit codes.

#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "shoal/tests/cli/program.h"

namespace shoal::cli_tests {
namespace {

class MapTest : public ProgramTest {};

std::string Numbers(int count) {
  std::string lines;
  for (int i = 0; i < count; ++i) lines += std::to_string(i) + "\n";
  return lines;
}

// One sentence of ours on one line, and nothing else.
void ExpectSentence(const Ended& ended, const std::string& words) {
  EXPECT_EQ(ended.code, 2);
  EXPECT_EQ(ended.out, "");
  EXPECT_TRUE(ended.err.starts_with("shoal: ")) << ended.err;
  EXPECT_NE(ended.err.find(words), std::string::npos) << ended.err;
  EXPECT_EQ(ended.err.find('\n'), ended.err.size() - 1) << ended.err;
}

TEST_F(MapTest, ResultsComeInTheOrderOfTheInput) {
  const std::string input = Numbers(20'000);
  const Ended ended = RunProgram({kShoal, "map", kHazards, "throw_error", "--workers", "3"}, input);
  std::istringstream lines(ended.out);
  std::string line;
  for (int i = 0; i < 20'000; ++i) {
    ASSERT_TRUE(std::getline(lines, line)) << i;
    if (i == 13) continue;
    ASSERT_EQ(line, std::to_string(i));
  }
  EXPECT_FALSE(std::getline(lines, line));
  EXPECT_EQ(ended.code, 1);
  EXPECT_EQ(ended.err, "");
}

TEST_F(MapTest, WithoutOrderEveryIndexComesOnceWithItsResult) {
  const Ended ended =
      RunProgram({kShoal, "map", kHazards, "return_status", "--unordered", "--workers=2", "--chunk", "7"}, Numbers(500));
  std::istringstream lines(ended.out);
  std::string line;
  std::set<std::string> seen;
  while (std::getline(lines, line)) seen.insert(line);
  EXPECT_EQ(seen.size(), 500u);
  for (int i = 0; i < 500; ++i) {
    const std::string index = std::to_string(i);
    if (i == 13) {
      EXPECT_TRUE(seen.contains(R"({"index": 13, "error": "NOT_FOUND: there is no 13th floor"})"));
    } else {
      EXPECT_TRUE(seen.contains(R"({"index": )" + index + R"(, "result": )" + index + "}")) << i;
    }
  }
  EXPECT_EQ(ended.code, 1);
}

TEST_F(MapTest, ThePrimesOfTheReadMe) {
  const Ended ended = RunProgram({kShoal, "map", kPrimes, "is_prime"},
                                 "1112272535095293\n1112582705942171\n1112272535095291\n1115280095190773\n1115797848077099\n"
                                 "11099726899285419\n");
  EXPECT_EQ(ended.out, "false\ntrue\ntrue\nfalse\nfalse\nfalse\n");
  EXPECT_EQ(ended.code, 0);
}

TEST_F(MapTest, LinesThatAreNoCallsAreErrorsInTheirPlace) {
  const Ended ended = RunProgram({kShoal, "map", kHazards, "sum"},
                                 "[1,2]\n\nnonsense\n[1]\n  [3, 4]  \n[1.5,1]\n{}\n[9223372036854775808,0]\n5");
  std::istringstream lines(ended.out);
  std::vector<std::string> line(7);
  for (std::string& each : line) std::getline(lines, each);
  EXPECT_EQ(line[0], "3");
  EXPECT_EQ(line[1], R"({"error": "the line is not JSON at column 2", "index": 1})");
  EXPECT_EQ(line[2], R"({"error": "expected an array of 2 arguments, not an array of 1 item", "index": 2})");
  EXPECT_EQ(line[3], "7");
  EXPECT_NE(line[4].find("argument 1: expected an integer"), std::string::npos) << line[4];
  EXPECT_NE(line[5].find("not an object"), std::string::npos) << line[5];
  EXPECT_NE(line[6].find("\"index\": 6"), std::string::npos) << line[6];
  EXPECT_EQ(ended.code, 1);
}

TEST_F(MapTest, NothingIsNullAndWhatTasksPrintDoesNotMixWithResults) {
  const Ended ended = RunProgram({kShoal, "map", kHazards, "print", "--workers", "1"}, "\"a\"\n\"b\"\n");
  EXPECT_EQ(ended.out, "null\nnull\n");
  EXPECT_EQ(ended.err, "a\nb\n");
}

TEST_F(MapTest, ResultsThatJsonCannotHoldAreFailures) {
  const Ended number = RunProgram({kShoal, "map", kHazards, "no_number"}, "[]\n");
  EXPECT_NE(number.out.find("not a number"), std::string::npos) << number.out;
  EXPECT_EQ(number.code, 1);
  const Ended text = RunProgram({kShoal, "map", kHazards, "no_text"}, "null\n");
  EXPECT_NE(text.out.find("not UTF-8"), std::string::npos) << text.out;
  EXPECT_EQ(text.code, 1);
}

TEST_F(MapTest, LargeArgumentsAndResultsPassThrough) {
  const Ended zeros = RunProgram({kShoal, "map", kHazards, "zeros"}, "5000000\n1\n");
  EXPECT_EQ(zeros.out.size(), 2 * 5'000'000 + 2 + 4u);
  const std::string text = "\"" + std::string(3'000'000, 'x') + "\"\n";
  EXPECT_TRUE(RunProgram({kShoal, "map", kHazards, "echo"}, text + text).out == text + text);
}

TEST_F(MapTest, FilesAndStandardInputAreReadInOrder) {
  std::ofstream(Path("a")) << "1\n2";
  std::ofstream(Path("b")) << "4\n";
  EXPECT_EQ(RunProgram({kShoal, "map", kHazards, "exit", Path("a"), "-", Path("b")}, "3\n").out, "1\n2\n3\n4\n");
  EXPECT_EQ(RunProgram({kShoal, "map", kHazards, "exit", "-"}, "3\n").out, "3\n");
  EXPECT_EQ(RunProgram({kShoal, "map", kHazards, "exit"}, "").out, "");
}

TEST_F(MapTest, PathsAreTheCallersUnderBazelRun) {
  std::ofstream(Path("lines")) << "5\n";
  const std::string plugin = std::filesystem::current_path().string() + "/" + kHazards;
  const Ended ended = RunProgram({kShoal, "map", plugin, "exit", "lines"}, "", {"BUILD_WORKING_DIRECTORY=" + Path("")});
  EXPECT_EQ(ended.out, "5\n") << ended.err;
}

TEST_F(MapTest, AResultComesWithoutWaitingForMoreInput) {
  Program program({kShoal, "map", kHazards, "exit"});
  for (int i = 0; i < 10; ++i) {
    program.Write(std::to_string(i) + "\n");
    EXPECT_EQ(program.ReadLine(), std::to_string(i));
  }
  program.Write("11");  // no newline
  const Ended ended = program.Wait();
  EXPECT_EQ(ended.out, "11\n");
  EXPECT_EQ(ended.code, 0);
}

TEST_F(MapTest, WhatCannotBeginSaysSoInOneSentence) {
  std::ofstream(Path("text")) << "hello";
  ExpectSentence(RunProgram({kShoal, "map", Path("none.so"), "f"}),
                 "cannot load plug-in " + Path("none.so") + ": No such file");
  ExpectSentence(RunProgram({kShoal, "map", Path("text"), "f"}), Path("text") + " is not a shoal plug-in");
  ExpectSentence(RunProgram({kShoal, "map", "/", "f"}), "/ is not a shoal plug-in: it is not a regular file");
  ExpectSentence(RunProgram({kShoal, "functions", Path("text")}), "is not a shoal plug-in");
  ExpectSentence(RunProgram({kShoal, "map", kOtherAbi, "f"}),
                 "version 2 of the plug-in interface, this program has version 1");
  ExpectSentence(RunProgram({kShoal, "functions", kOtherAbi}), "build it again");
  ExpectSentence(RunProgram({kShoal, "map", kPrimes, "is_prim"}), "has no function \"is_prim\"; it has is_prime");
  ExpectSentence(RunProgram({kShoal, "map", kPrimes, "is_prime", Path("none")}),
                 "cannot read " + Path("none") + ": No such file");
  ExpectSentence(RunProgram({kShoal, "map", kPrimes, "is_prime", Path("")}), "it is a folder");
}

TEST_F(MapTest, WrongUsageSaysSoInOneSentence) {
  ExpectSentence(RunProgram({kShoal}), "subcommand");
  ExpectSentence(RunProgram({kShoal, "mop"}), "subcommand");
  ExpectSentence(RunProgram({kShoal, "map"}), "PLUGIN");
  ExpectSentence(RunProgram({kShoal, "map", kPrimes, "is_prime", "--wrong"}), "--wrong");
  for (const char* option : {"--workers=0", "--workers=x", "--retries=-1", "--timeout=0", "--timeout=x", "--chunk=0"}) {
    ExpectSentence(RunProgram({kShoal, "map", kPrimes, "is_prime", option}),
                   std::string(option).substr(0, std::string(option).find('=')));
  }
}

TEST_F(MapTest, ClosedStandardStreamsAreErrorsAndNotTheNextFiles) {
  const auto shell = [](const std::string& redirection) {
    return RunProgram({"sh", "-c", "echo 5 | " + std::string(kShoal) + " map " + kHazards + " exit " + redirection});
  };
  ExpectSentence(shell(">&-"), "cannot write the results: Bad file descriptor");
  ExpectSentence(shell(">/dev/full"), "cannot write the results: No space left on device");
  ExpectSentence(shell("<&-"), "cannot read standard input");
  EXPECT_EQ(shell("2>&-").out, "5\n");
}

TEST_F(MapTest, FunctionsListsSignaturesAndHelp) {
  const Ended primes = RunProgram({kShoal, "functions", kPrimes});
  EXPECT_EQ(primes.out, "is_prime(uint64) -> bool\n    Whether n is prime.\n");
  EXPECT_EQ(primes.code, 0);
  const Ended hazards = RunProgram({kShoal, "functions", kHazards});
  EXPECT_NE(hazards.out.find("sum(int64, int64) -> int64\n    The sum of two numbers.\n    Two lines of help.\n"),
            std::string::npos);
  EXPECT_NE(hazards.out.find("print(string) -> void\n"), std::string::npos);
}

TEST_F(MapTest, HelpAndVersionAreForStandardOutput) {
  for (const std::vector<std::string>& arguments : std::vector<std::vector<std::string>>{
           {kShoal, "--help"}, {kShoal, "map", "--help"}, {kShoal, "functions", "--help"}}) {
    const Ended ended = RunProgram(arguments);
    EXPECT_EQ(ended.code, 0);
    EXPECT_EQ(ended.err, "");
    EXPECT_NE(ended.out.find("Example"), std::string::npos);
    std::istringstream lines(ended.out);
    std::string line;
    while (std::getline(lines, line)) EXPECT_LE(line.size(), 100u) << line;
  }
  EXPECT_TRUE(RunProgram({kShoal, "--version"}).out.starts_with("shoal "));
}

}  // namespace
}  // namespace shoal::cli_tests
