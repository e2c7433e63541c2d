// Each single bit of the header of a container is flipped, in a live segment with inaccessible memory on both sides.
// Property: who reads by index, guarded by size(), reads something in the mapping; who trusts an index from before gets a value, or ends
// by the message of a wrong index; who looks for a key gets a value or none, in the end. Nobody reads outside of the mapping, and size()
// of what has an order agrees with what begin, end and empty say.

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <type_traits>

#include "absl/status/status.h"
#include "gtest/gtest.h"
#include "shoal/shm/attachment.h"
#include "shoal/shm/deque.h"
#include "shoal/shm/hash_map.h"
#include "shoal/shm/layout.h"
#include "shoal/shm/mutex.h"
#include "shoal/shm/segment.h"
#include "shoal/shm/string.h"
#include "shoal/shm/vector.h"
#include "shoal/sync/status.h"
#include "shoal/tests/shm/scribble.h"

namespace shoal::tests {
namespace {

constexpr std::string_view kGuarded = "guarded\n";
constexpr size_t kPages = 32;
constexpr size_t kElements = 100;

struct Wide {
  int64_t a = 1;
  int64_t b = 2;
  int32_t c = 3;
};
struct Root {
  Vector<int> numbers;
  Vector<Wide> wide;
  Vector<String> texts;
  Deque<int> around;  // the end of its block, in its midst
  String text;
  HashMap<int, int> few;   // less than a group
  HashMap<int, int> some;  // one group, at the end of its block
  HashMap<int, int> many;
  HashMap<String, Wide> by_text;
};

// Without a copy, what is read is used.
template <class T>
void Touch(const T& element) {
  if constexpr (std::is_same_v<T, String>) {
    for (const char c : element.view()) asm volatile("" : : "r"(c));
  } else {
    for (size_t i = 0; i < sizeof(T); ++i) {
      asm volatile("" : : "r"(reinterpret_cast<const volatile std::byte*>(&element)[i]));
    }
  }
}

// A string has no operator[]: its view is what is indexed.
template <class Container>
const auto& Element(const Container& container, size_t index) {
  if constexpr (std::is_same_v<Container, String>) {
    return container.view()[index];
  } else {
    return container[index];
  }
}
template <class Container>
size_t Distance(const Container& container) {
  if constexpr (std::is_same_v<Container, String>) {
    return container.view().size();
  } else {
    return static_cast<size_t>(std::distance(container.begin(), container.end()));
  }
}

// In a child: reads what there is, and ends.
template <class Container>
[[noreturn]] void ReadAndEnd(const Container& container) {
  constexpr int kDisagree = 3;
  const size_t size = container.size();
  if (size != 0) {
    for (const size_t index : {size_t{0}, size / 2, size - 1}) Touch(Element(container, index));
    if constexpr (!std::is_same_v<Container, String>) {
      // Not more than there are bytes: a size that is wrong and possible is large.
      for (size_t index = 0; index < container.size(); ++index) Touch(container[index]);
    }
  }
  if (container.empty() != (size == 0) || Distance(container) != size) _exit(kDisagree);
  if (write(STDERR_FILENO, kGuarded.data(), kGuarded.size()) < 0) _exit(kDisagree);
  if constexpr (!std::is_same_v<Container, String>) {
    for (const size_t index : {size_t{0}, kElements / 2, kElements - 1}) Touch(container[index]);
  }
  _exit(0);
}

template <class K, class V>
[[noreturn]] void ReadAndEnd(const HashMap<K, V>& map) {
  for (int key = 0; key < 10 * static_cast<int>(kElements); ++key) {
    const V* value;
    if constexpr (std::is_same_v<K, String>) {
      value = map.Find(std::to_string(key));
    } else {
      value = map.Find(key);
    }
    if (value != nullptr) Touch(*value);
  }
  for (const auto& [key, value] : map) {
    Touch(key);
    Touch(value);
  }
  _exit(write(STDERR_FILENO, kGuarded.data(), kGuarded.size()) < 0 ? 1 : 0);
}

struct End {
  int status = 0;
  std::string said;
};
template <class Body>
End InChild(Body body) {
  int ends[2];
  EXPECT_EQ(pipe(ends), 0);
  const pid_t pid = fork();
  EXPECT_GE(pid, 0);
  if (pid == 0) {
    dup2(ends[1], STDERR_FILENO);
    alarm(60);  // a watchdog: it takes a millisecond
    body();
    _exit(0);
  }
  close(ends[1]);
  End end;
  char text[256];
  for (ssize_t got; (got = read(ends[0], text, sizeof(text))) > 0;) end.said.append(text, static_cast<size_t>(got));
  close(ends[0]);
  EXPECT_EQ(waitpid(pid, &end.status, 0), pid);
  return end;
}

class FlippedHeaderTest : public testing::Test {
 protected:
  FlippedHeaderTest() {
    std::byte* const hole = MakeHole(shm_internal::Areas::OfPages(kPages).file_bytes);
    auto segment = Segment::Create({.limit_bytes = kPages * shm_internal::kHeapPageBytes});
    EXPECT_TRUE(segment.ok()) << segment.status();
    segment_ = std::make_unique<Segment>(*std::move(segment));
    mutex_ = new (segment_->At<Mutex<Root>>(segment_->Allocate(sizeof(Mutex<Root>), 64).value())) Mutex<Root>;
    EXPECT_EQ(shm_internal::Attachment::Of(mutex_)->base(), hole) << "there are guards on both sides";
    const absl::Status filled = mutex_->With([](Root& root) { return Fill(root); });
    EXPECT_TRUE(filled.ok()) << filled;
  }

  static absl::Status Fill(Root& root) {
    for (size_t i = 0; i < kElements; ++i) {
      SHOAL_RETURN_IF_ERROR(root.numbers.PushBack(static_cast<int>(i)));
      SHOAL_RETURN_IF_ERROR(root.wide.PushBack());
      SHOAL_RETURN_IF_ERROR(root.texts.PushBack("herring"));
      SHOAL_RETURN_IF_ERROR(i % 3 == 0 ? root.around.PushFront(1) : root.around.PushBack(2));
      SHOAL_RETURN_IF_ERROR(root.text.Append("x"));
      SHOAL_RETURN_IF_ERROR(root.by_text.Set(std::to_string(i)));
    }
    for (int key = 0; key < 3; ++key) SHOAL_RETURN_IF_ERROR(root.few.Set(key, key));
    for (int key = 0; key < 16; ++key) SHOAL_RETURN_IF_ERROR(root.some.Set(key, key));
    for (int key = 0; key < 5 * static_cast<int>(kElements); ++key) SHOAL_RETURN_IF_ERROR(root.many.Set(key, key));
    return absl::OkStatus();
  }

  template <class Container>
  void FlipEach(Container Root::*which) {
    auto guard = mutex_->Lock();
    ASSERT_TRUE(guard.ok()) << guard.status();
    Container& container = (**guard).*which;
    auto* const bytes = reinterpret_cast<std::byte*>(&container);
    int refused_some = 0;
    for (size_t bit = 0; bit < 8 * sizeof(Container); ++bit) {
      bytes[bit / 8] ^= std::byte{1} << bit % 8;
      const End end = InChild([&] { ReadAndEnd(container); });
      bytes[bit / 8] ^= std::byte{1} << bit % 8;
      const bool returned = WIFEXITED(end.status) && WEXITSTATUS(end.status) == 0;
      const bool refused = WIFSIGNALED(end.status) && WTERMSIG(end.status) == SIGABRT &&
                           end.said.find("broken invariant: index") != std::string::npos;
      EXPECT_TRUE(end.said.starts_with(kGuarded) && (returned || refused))
          << "bit " << bit % 64 << " of word " << bit / 64 << ": status " << end.status << ", " << end.said;
      refused_some += refused;
    }
    if constexpr (requires { container[size_t{0}]; }) {
      EXPECT_GT(refused_some, 64) << "most bits of two words lead far away";
    }
  }

  std::unique_ptr<Segment> segment_;
  Mutex<Root>* mutex_ = nullptr;
};

TEST_F(FlippedHeaderTest, OfAVectorLeadsNobodyAstray) { FlipEach(&Root::numbers); }
TEST_F(FlippedHeaderTest, OfAVectorOfStructsLeadsNobodyAstray) { FlipEach(&Root::wide); }
TEST_F(FlippedHeaderTest, OfAVectorOfContainersLeadsNobodyAstray) { FlipEach(&Root::texts); }
TEST_F(FlippedHeaderTest, OfADequeLeadsNobodyAstray) { FlipEach(&Root::around); }
TEST_F(FlippedHeaderTest, OfAStringLeadsNobodyAstray) { FlipEach(&Root::text); }
TEST_F(FlippedHeaderTest, OfASmallMapLeadsNobodyAstray) { FlipEach(&Root::few); }
TEST_F(FlippedHeaderTest, OfAMapOfOneGroupLeadsNobodyAstray) { FlipEach(&Root::some); }
TEST_F(FlippedHeaderTest, OfAMapLeadsNobodyAstray) { FlipEach(&Root::many); }
TEST_F(FlippedHeaderTest, OfAMapWithTextsLeadsNobodyAstray) { FlipEach(&Root::by_text); }

}  // namespace
}  // namespace shoal::tests
