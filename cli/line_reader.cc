#include "shoal/cli/line_reader.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "shoal/sync/status.h"

namespace shoal::cli_internal {
namespace {

using shm_internal::UniqueFd;
using sync_internal::ErrnoStatus;
using sync_internal::MakeStatus;

constexpr size_t kBlockBytes = size_t{64} << 10;

bool IsBlank(std::string_view text) { return text.find_first_not_of(" \t\r\v\f") == std::string_view::npos; }

std::string NameOf(const std::string& file) { return file == "-" ? "standard input" : file; }

// Standard input is duplicated, so that it can be closed like any other file.
UniqueFd Open(const std::string& file) {
  if (file == "-") return UniqueFd(fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3));
  // Nonblocking: opening a fifo waits for a writer otherwise, and nothing could stop that.
  return UniqueFd(open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
}

}  // namespace

LineReader::LineReader(std::vector<std::string> files, int stop_fd) : files_(std::move(files)), stop_fd_(stop_fd) {
  if (files_.empty()) files_.emplace_back("-");
}

absl::Status LineReader::OpenNext() {
  const std::string& file = files_[next_file_++];
  name_ = NameOf(file);
  file_ = Open(file);
  struct stat about;
  if (!file_.valid() || fstat(file_.get(), &about) != 0) return ErrnoStatus(errno, absl::StrCat("cannot read ", name_));
  regular_ = S_ISREG(about.st_mode);
  return absl::OkStatus();
}

// False: stopped.
bool LineReader::WaitForInput() const {
  struct pollfd any[] = {{.fd = stop_fd_, .events = POLLIN, .revents = 0},
                         {.fd = file_.get(), .events = POLLIN, .revents = 0}};
  while (poll(any, 2, -1) < 0) {
  }
  return any[0].revents == 0;
}

absl::StatusOr<LineReader::Filled> LineReader::Fill() {
  buffer_.erase(0, begin_);
  begin_ = 0;
  const size_t size = buffer_.size();
  for (;;) {
    if (!regular_ && !WaitForInput()) return Filled::kStopped;
    buffer_.resize(size + kBlockBytes);
    const ssize_t got = read(file_.get(), buffer_.data() + size, kBlockBytes);
    const int error = errno;
    buffer_.resize(size + (got > 0 ? static_cast<size_t>(got) : 0));
    if (got > 0) return Filled::kMore;
    if (got == 0) return Filled::kEndOfFile;
    if (error != EINTR && error != EAGAIN) return ErrnoStatus(error, absl::StrCat("cannot read ", name_));
  }
}

absl::StatusOr<LineReader::Got> LineReader::Next(Line& line) {
  line = {};
  bool too_long = false;  // and what has been read of it is thrown away
  size_t searched = begin_;
  for (;;) {
    if (!file_.valid()) {
      if (next_file_ == files_.size()) return Got::kEnd;
      SHOAL_RETURN_IF_ERROR(OpenNext());
    }
    const size_t newline = buffer_.find('\n', searched);
    size_t end = newline;
    size_t next = newline + 1;
    if (newline == std::string::npos) {
      if (buffer_.size() - begin_ > kMaxLineBytes) {
        too_long = true;
        line.input_bytes += buffer_.size() - begin_;
        begin_ = buffer_.size();
      }
      searched = buffer_.size() - begin_;  // where the buffer's end will be once Fill has moved it
      SHOAL_ASSIGN_OR_RETURN(const Filled filled, Fill());
      if (filled == Filled::kStopped) return Got::kStopped;
      if (filled == Filled::kMore) continue;
      file_.reset();
      if (buffer_.empty() && !too_long) {
        searched = 0;
        continue;
      }
      end = next = buffer_.size();
    }
    line.input_bytes += next - begin_;
    line.text = std::string_view(buffer_).substr(begin_, end - begin_);
    begin_ = searched = next;
    if (too_long || line.text.size() > kMaxLineBytes) {
      line.text = {};
      return Got::kTooLong;
    }
    if (!IsBlank(line.text)) return Got::kLine;
  }
}

absl::StatusOr<std::optional<uint64_t>> CheckInputs(const std::vector<std::string>& files) {
  std::optional<uint64_t> bytes = 0;
  const auto add = [&bytes](const struct stat& about, uint64_t position) {
    const auto size = static_cast<uint64_t>(about.st_size);
    if (!S_ISREG(about.st_mode)) {
      bytes.reset();
    } else if (bytes.has_value()) {
      *bytes += size > position ? size - position : 0;
    }
  };
  const auto add_standard_input = [&] {
    struct stat about;
    if (fstat(STDIN_FILENO, &about) != 0) return false;
    const off_t position = S_ISREG(about.st_mode) ? lseek(STDIN_FILENO, 0, SEEK_CUR) : 0;
    add(about, position > 0 ? static_cast<uint64_t>(position) : 0);
    return true;
  };
  for (const std::string& file : files.empty() ? std::vector<std::string>{"-"} : files) {
    struct stat about;
    if (file == "-") {
      if (!add_standard_input()) return ErrnoStatus(errno, "cannot read standard input");
      continue;
    }
    if (stat(file.c_str(), &about) != 0 || access(file.c_str(), R_OK) != 0) {
      return ErrnoStatus(errno, absl::StrCat("cannot read ", file));
    }
    if (S_ISDIR(about.st_mode)) {
      return MakeStatus(absl::StatusCode::kInvalidArgument, absl::StrCat("cannot read ", file, ": it is a folder"));
    }
    add(about, 0);
  }
  return bytes;
}

}  // namespace shoal::cli_internal
