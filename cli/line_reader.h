#ifndef SHOAL_CLI_LINE_READER_H_
#define SHOAL_CLI_LINE_READER_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "shoal/shm/unique_fd.h"

namespace shoal::cli_internal {

// The lines of several files, one after the other, read as they are asked for. "-" is standard input, and so is no file at all.
// Lines of white space are left out. The last line of a file needs no newline.
//
//   LineReader reader(files, stop.fd());
//   LineReader::Line line;
//   for (;;) { SHOAL_ASSIGN_OR_RETURN(const auto got, reader.Next(line)); if (got == LineReader::Got::kEnd) break; … }
//
// Thread safety:   one thread at a time.
// Blocking:        Next, while the input does, until `stop_fd` becomes readable.
// Errors:          Next: what the system says of a file; the rest of that file and of the others is not read then.
// Allocation:      the longest line so far, at most kMaxLineBytes.
class LineReader {
 public:
  static constexpr size_t kMaxLineBytes = size_t{64} << 20;

  enum class Got { kLine, kTooLong, kEnd, kStopped };
  struct Line {
    std::string_view text;     // without the newline; until the next call. Of a line that is too long: empty
    uint64_t input_bytes = 0;  // that the line took, with newline and the blank lines before it
  };

  LineReader(std::vector<std::string> files, int stop_fd);

  absl::StatusOr<Got> Next(Line& line);

  // Whether a whole line has been read already: then Next will not wait for it.
  bool HasLine() const { return buffer_.find('\n', begin_) != std::string::npos; }

 private:
  enum class Filled { kMore, kEndOfFile, kStopped };

  absl::Status OpenNext();
  absl::StatusOr<Filled> Fill();
  bool WaitForInput() const;

  std::vector<std::string> files_;
  const int stop_fd_;
  size_t next_file_ = 0;
  std::string name_;             // of the file that is open, for messages
  shm_internal::UniqueFd file_;  // invalid: none is open
  bool regular_ = false;         // never blocks
  std::string buffer_;           // what has been read, from begin_ on not yet given out
  size_t begin_ = 0;
};

// How many bytes the lines will have in all, or nothing if only reading can tell (pipes, terminals).
// Errors: a file that is not there or cannot be read, or is a folder: better said before the work begins.
absl::StatusOr<std::optional<uint64_t>> CheckInputs(const std::vector<std::string>& files);

}  // namespace shoal::cli_internal

#endif  // SHOAL_CLI_LINE_READER_H_
