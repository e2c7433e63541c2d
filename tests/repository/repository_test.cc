// The rules of the house that a program can check: who may depend on whom, what only one file may say, and that every atomic
// operation says why its order is enough.

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace shoal {
namespace {

namespace fs = std::filesystem;
using testing::Contains;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

// In the order of the arrows: a package uses only packages to its left.
constexpr std::array<std::string_view, 6> kPackages = {"sync", "shm", "ipc", "process", "plugins", "pool"};

// Rank of the package of a path like "shm/segment.h"; the programs and proofs come after all packages.
size_t RankOf(std::string_view path) {
  const std::string_view package = path.substr(0, path.find('/'));
  return static_cast<size_t>(std::find(kPackages.begin(), kPackages.end(), package) - kPackages.begin());
}
bool IsPackage(std::string_view path) { return RankOf(path) < kPackages.size(); }

std::string WithoutComments(const std::string& text) {
  static const std::regex comment(R"(//[^\n]*|/\*[^*]*\*+([^/*][^*]*\*+)*/|#[^\n]*pragma[^\n]*)");
  return std::regex_replace(text, comment, "");
}

std::vector<std::string> Matches(const std::string& text, const char* pattern) {
  const std::regex regex(pattern);
  std::vector<std::string> found;
  for (std::sregex_iterator it(text.begin(), text.end(), regex), end; it != end; ++it) found.push_back((*it)[1]);
  return found;
}

// What is wrong with the arrows of one file.
std::vector<std::string> WrongArrows(const std::string& path, const std::string& text) {
  std::vector<std::string> wrong;
  if (!IsPackage(path)) return wrong;
  std::vector<std::string> used = Matches(text, "#include \"shoal/([a-z_]+/)[^\"]*\"");
  // Whom a target shows itself to is no arrow.
  const std::string labels = std::regex_replace(text, std::regex(R"(visibility = \[[^\]]*\])"), "");
  for (const std::string& label : Matches(labels, "\"//([a-z_]+)[:/\"]")) used.push_back(label + "/");
  for (const std::string& other : used) {
    const bool program = other == "cli/" || other == "examples/" || other == "tests/" || other == "bench/";
    if (program || (IsPackage(other) && RankOf(other) > RankOf(path))) wrong.push_back(path + " uses " + other);
  }
  return wrong;
}

bool IsBuild(const fs::path& path) { return path.filename() == "BUILD"; }
bool IsSource(const fs::path& path) {
  return path.extension() == ".h" || path.extension() == ".cc" || path.extension() == ".c";
}

std::string TextOf(const fs::path& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

std::map<std::string, std::string> RepositoryFiles() {
  std::map<std::string, std::string> files;
  for (const std::string_view package : kPackages) {
    for (const fs::directory_entry& entry : fs::recursive_directory_iterator(fs::path(package))) {
      if (!IsBuild(entry.path()) && !IsSource(entry.path())) continue;
      files[entry.path().string()] = TextOf(entry.path());
    }
  }
  return files;
}

TEST(RepositoryTest, EveryPackageIsLookedAt) {
  std::set<std::string> builds;
  size_t sources = 0;
  for (const auto& [path, text] : RepositoryFiles()) {
    if (IsBuild(path)) builds.insert(path);
    sources += IsSource(path);
  }
  for (const std::string_view package : kPackages) EXPECT_THAT(builds, Contains(std::string(package) + "/BUILD"));
  EXPECT_GT(sources, 40u);
}

TEST(RepositoryTest, PackagesUseOnlyPackagesToTheirLeft) {
  for (const auto& [path, text] : RepositoryFiles()) EXPECT_THAT(WrongArrows(path, text), IsEmpty());
}

TEST(RepositoryTest, AWrongArrowWouldBeSeen) {
  EXPECT_THAT(WrongArrows("sync/lock.cc", "#include \"shoal/shm/segment.h\"\n"), Contains("sync/lock.cc uses shm/"));
  EXPECT_THAT(WrongArrows("shm/BUILD", "deps = [\"//pool\"],"), Contains("shm/BUILD uses pool/"));
  EXPECT_THAT(WrongArrows("pool/BUILD", "deps = [\"//tests/kill:driver\"],"), Contains("pool/BUILD uses tests/"));
  EXPECT_THAT(WrongArrows("pool/pool.cc", "#include \"shoal/ipc/codec.h\"\n"), IsEmpty());
}

TEST(RepositoryTest, OneFileSpeaksToTheKernelAboutEachMatter) {
  const std::map<std::string, std::string> only = {{R"(\bSYS_futex\w*)", "sync/futex.cc"},
                                                   {R"(\bmemfd_create\b|\bmmap\()", "shm/memory_file.cc"},
                                                   {R"(\bdlopen\b)", "plugins/loader.cc"}};
  for (const auto& [pattern, place] : only) {
    bool seen = false;
    for (const auto& [path, text] : RepositoryFiles()) {
      const bool names = IsSource(path) && path.find("_test.cc") == std::string::npos &&
                         std::regex_search(WithoutComments(text), std::regex(pattern));
      if (path == place) {
        seen = names;
      } else {
        EXPECT_FALSE(names) << path << " names what only " << place << " may: " << pattern;
      }
    }
    EXPECT_TRUE(seen) << place << " no longer names " << pattern << ": is this rule still right?";
  }
}

// Lines of `text` with an atomic order and without a comment on them, or directly above the statement's first line.
std::vector<std::string> UncommentedAtomics(const std::string& path, const std::string& text) {
  std::vector<std::string> bare;
  std::istringstream lines(text);
  std::string line;
  bool comment_near = false;  // in the last lines, without a blank line between
  int distance = 0;
  for (int number = 1; std::getline(lines, line); ++number) {
    if (line.find("//") != std::string::npos) {
      comment_near = true;
      distance = 0;
    } else if (line.find_first_not_of(' ') == std::string::npos || ++distance > 3) {
      comment_near = false;
    }
    if (line.find("std::memory_order_") != std::string::npos && !comment_near) {
      bare.push_back(path + ":" + std::to_string(number));
    }
  }
  return bare;
}

TEST(RepositoryTest, EveryAtomicOperationSaysWhyItsOrderIsEnough) {
  for (const auto& [path, text] : RepositoryFiles()) {
    if (IsSource(path) && path.find("_test.cc") == std::string::npos) {
      EXPECT_THAT(UncommentedAtomics(path, text), IsEmpty());
    }
  }
  EXPECT_THAT(UncommentedAtomics("x.cc", "\n  a.load(std::memory_order_relaxed);\n"), Contains("x.cc:2"));
}

// The names in comments like "// ring.publish (release)".
std::set<std::string> Ends(const std::string& text, const char* order) {
  const std::vector<std::string> names =
      Matches(text, (std::string(R"(//[^\n]*?\b([a-z_]+\.[a-z_]+) \()") + order + R"(\))").c_str());
  return {names.begin(), names.end()};
}

TEST(RepositoryTest, EveryEdgeHasTwoEnds) {
  std::string all;
  for (const auto& [path, text] : RepositoryFiles()) {
    if (IsSource(path) && path.find("_test.cc") == std::string::npos) all += text;
  }
  const std::set<std::string> releases = Ends(all, "(?:release|acq_rel)");
  const std::set<std::string> acquires = Ends(all, "(?:acquire|acq_rel)");
  EXPECT_THAT(releases, Contains("ring.publish"));
  for (const std::string& name : releases) EXPECT_THAT(acquires, Contains(name)) << "nobody acquires it";
  for (const std::string& name : acquires) EXPECT_THAT(releases, Contains(name)) << "nobody releases it";
}

// The public calls of a class that can change it and can fail, as "Vector::PushBack".
std::set<std::string> Mutators(const std::string& header, const std::string& name) {
  const std::string text = WithoutComments(header);
  const size_t begin = text.find("class " + name + " final {");
  if (begin == std::string::npos) return {};
  const std::string declared = text.substr(begin, text.find("\n private:", begin) - begin);
  static const std::regex call(R"((?:absl::Status(?:Or<[^;{}]*?>)?|auto) ([A-Z]\w*)\([^;{]*?\)( const)?\s*[;{])");
  std::set<std::string> found;
  for (std::sregex_iterator it(declared.begin(), declared.end(), call), end; it != end; ++it) {
    // Segment::New calls it, which is no call of this class: see below.
    if ((*it)[1] == "ConstructInSegment") continue;
    if (!(*it)[2].matched) found.insert(name + "::" + (*it)[1].str());
  }
  return found;
}

// The same, of what a file with operations calls on the fields of its structs.
std::set<std::string> Calls(const std::string& text) {
  static const std::regex field(R"(\n  ([A-Z]\w*)(?:<[^;\n]*>)? (\w+);)");
  std::map<std::string, std::string> type_of;
  for (std::sregex_iterator it(text.begin(), text.end(), field), end; it != end; ++it) type_of[(*it)[2]] = (*it)[1];
  static const std::regex call(R"([.>](\w+)\.([A-Z]\w*)\()");
  std::set<std::string> found;
  for (std::sregex_iterator it(text.begin(), text.end(), call), end; it != end; ++it) {
    if (const auto type = type_of.find((*it)[1]); type != type_of.end()) found.insert(type->second + "::" + (*it)[2].str());
  }
  return found;
}

// What nobody registers is an unused function, which the compiler warns of.
TEST(RepositoryTest, EveryCallThatChangesAContainerOrOpensASectionIsKilled) {
  const std::map<std::string, std::string> headers = {
      {"Vector", "vector.h"},   {"String", "string.h"}, {"Deque", "deque.h"},    {"HashMap", "hash_map.h"}, {"Box", "box.h"},
      {"Variant", "variant.h"}, {"Mutex", "mutex.h"},   {"RwLock", "rw_lock.h"}, {"Value", "value.h"}};
  std::set<std::string> called;
  for (const char* const part : {"container", "map", "guard"}) {
    called.merge(Calls(TextOf("tests/kill/" + std::string(part) + "_operations.cc")));
  }
  for (const auto& [name, header] : headers) {
    const std::set<std::string> mutators = Mutators(TextOf("shm/" + header), name);
    EXPECT_THAT(mutators, Not(IsEmpty())) << name;
    for (const std::string& mutator : mutators)
      EXPECT_THAT(called, Contains(mutator)) << "no operation of tests/kill calls it";
  }
  EXPECT_THAT(TextOf("tests/kill/guard_operations.cc"), HasSubstr("WithAll("));
  for (const char* const made : {"New<Mutex<Bush>>(2,", "New<RwLock<Bush>>(1,"}) {
    EXPECT_THAT(TextOf("tests/kill/object_operations.cc"), HasSubstr(made)) << "no full object is made there";
  }
}

// The calls by which programs meet that know only a name.
TEST(RepositoryTest, EveryCallOfAListenerAndAClientIsKilled) {
  const std::string called = TextOf("tests/kill/listener_operations.cc") + TextOf("tests/kill/listener_room.cc");
  const std::set<std::string> calls = Mutators(TextOf("ipc/listener.h"), "Listener");
  EXPECT_THAT(calls, Contains("Listener::Accept"));
  for (const std::string& call : calls) {
    EXPECT_THAT(called, ContainsRegex("(\\.|->|::)" + call.substr(call.rfind(':') + 1) + "\\(")) << "no operation of tests/kill calls it";
  }
  for (const char* const part : {"->Close()", "Client<"}) EXPECT_THAT(called, HasSubstr(part));
}

}  // namespace
}  // namespace shoal
