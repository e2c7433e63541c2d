// A plug-in: what wc(1) counts, for one file.

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <string>
#include <system_error>

#include "shoal/plugins/plugin.h"

namespace {

struct Counts {
  uint64_t lines = 0;
  uint64_t words = 0;
  uint64_t bytes = 0;
};

bool IsSpace(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
bool IsPrintable(char c) { return c >= ' ' && c <= '~'; }

// As `LC_ALL=C wc` counts: a line is a newline character, a word is a run of what is not white space, with at least one
// printable character in it (a lone em dash is none: its bytes mean nothing in the C locale).
Counts CountWords(const std::string& path) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) throw std::system_error(errno, std::generic_category(), path);
  Counts counts;
  std::array<char, 64 * 1024> block;
  bool in_word = false;
  ssize_t size;
  while ((size = read(file, block.data(), block.size())) > 0) {
    counts.bytes += static_cast<uint64_t>(size);
    for (ssize_t i = 0; i < size; ++i) {
      const char c = block[static_cast<size_t>(i)];
      counts.lines += c == '\n';
      const bool was_in_word = in_word;
      in_word = !IsSpace(c) && (in_word || IsPrintable(c));
      counts.words += in_word && !was_in_word;
    }
  }
  const int error = errno;
  close(file);
  if (size < 0) throw std::system_error(error, std::generic_category(), path);
  return counts;
}

}  // namespace

SHOAL_PLUGIN(catalog) { catalog.Add("count", CountWords, "Lines, words and bytes of the file at a path."); }
