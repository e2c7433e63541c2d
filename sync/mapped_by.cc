#include "shoal/sync/mapped_by.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "shoal/sync/cancellation.h"

namespace shoal::sync_internal {
namespace {

// A line of /proc/TID/maps: "begin-end rights offset major:minor inode path", all but the last two in hexadecimal.
struct MapLine {
  unsigned long begin = 0;
  unsigned long end = 0;
  unsigned major = 0;
  unsigned minor = 0;
  unsigned long inode = 0;

  bool SameFile(const MapLine& other) const { return major == other.major && minor == other.minor && inode == other.inode; }
};

// Shows the lines to `visit` until that says true: then true. `readable`: all, or all until then, could be read.
template <class Visit>
bool AnyLine(const char* path, Visit visit, bool& readable) {
  readable = false;
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    readable = errno == ESRCH;  // it has no memory: a kernel thread, or one that has given it up
    return false;
  }
  char text[4096];
  size_t length = 0;
  bool in_path = false;  // the beginning of the line, which is all that counts, has been seen
  bool found = false;
  ssize_t got = 0;
  while (!found && (got = read(fd, text + length, sizeof(text) - 1 - length)) > 0) {
    length += static_cast<size_t>(got);
    char* line = text;
    while (!found) {
      char* const end = static_cast<char*>(memchr(line, '\n', length - static_cast<size_t>(line - text)));
      if (end == nullptr && (line != text || length < sizeof(text) - 1)) break;
      if (end != nullptr) {
        *end = '\0';
      } else {
        text[length] = '\0';  // one that is longer than the buffer
      }
      MapLine parsed;
      if (!in_path && sscanf(line, "%lx-%lx %*s %*s %x:%x %lu", &parsed.begin, &parsed.end, &parsed.major, &parsed.minor,
                             &parsed.inode) == 5) {
        found = visit(parsed);
      }
      in_path = end == nullptr;
      line = end != nullptr ? end + 1 : text + length;
      if (in_path) break;
    }
    length -= static_cast<size_t>(line - text);
    memmove(text, line, length);
  }
  close(fd);
  readable = found || got == 0 || errno == ESRCH;
  return found;
}

}  // namespace

Mapped MappedBy(uint32_t tid, const void* address) {
  const NoCancellation whole;  // who asks has list_op_pending set
  const auto at = reinterpret_cast<unsigned long>(address);
  MapLine here;
  bool readable = false;
  const bool known = AnyLine(
      "/proc/self/maps",
      [&](const MapLine& line) {
        here = line;
        return line.begin <= at && at < line.end;
      },
      readable);
  if (!known || here.inode == 0) return Mapped::kUnknown;
  char path[32];
  snprintf(path, sizeof(path), "/proc/%u/maps", tid);
  if (AnyLine(path, [&](const MapLine& line) { return line.SameFile(here); }, readable)) return Mapped::kYes;
  return readable ? Mapped::kNo : Mapped::kUnknown;
}

}  // namespace shoal::sync_internal
