// shm/named_file.cc: how a name comes and goes.
//
//  If the process dies …                        the others see …
//   before the name is given                     nothing: the kernel gives the nameless file back
//   after it                                     a complete file
//   in RemoveName                                the name, or no name

#include "shoal/shm/named_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "shoal/sync/status.h"

namespace shoal::shm_internal {
namespace {

using sync_internal::ErrnoStatus;
using sync_internal::MakeStatus;

constexpr char kFolder[] = "/dev/shm";
constexpr std::string_view kPrefix = "shoal.";
constexpr size_t kMaxName = 255 - kPrefix.size();

absl::string_view View(std::string_view text) { return {text.data(), text.size()}; }

std::string PathOf(std::string_view name) { return absl::StrCat(kFolder, "/", View(kPrefix), View(name)); }

std::string Quoted(std::string_view name) { return absl::StrCat("segment \"", View(name), "\""); }

}  // namespace

absl::Status CheckName(std::string_view name) {
  std::string_view why;
  if (name.empty()) why = "it is empty";
  if (name.size() > kMaxName) why = "it is longer than 249 bytes";
  if (name.find('/') != std::string_view::npos) why = "it has a '/'";
  if (name.find('\0') != std::string_view::npos) why = "it has a NUL";
  if (name == "." || name == "..") why = "it would be a folder's";
  if (why.empty()) return absl::OkStatus();
  return MakeStatus(absl::StatusCode::kInvalidArgument, absl::StrCat("this cannot be a segment's name: ", View(why)));
}

absl::StatusOr<UniqueFd> CreateNamelessFile() {
  UniqueFd file(open(kFolder, O_TMPFILE | O_RDWR | O_CLOEXEC, S_IRUSR | S_IWUSR));
  if (!file.valid()) {
    const int error = errno;
    if (error == EOPNOTSUPP || error == EISDIR || error == ENOENT) {
      return MakeStatus(absl::StatusCode::kUnimplemented,
                        absl::StrCat("named segments need a file system at ", kFolder, " that can hold nameless files"));
    }
    return ErrnoStatus(error, absl::StrCat("cannot make a file in ", kFolder));
  }
  // Whatever the umask took away: the owner may open it again.
  if (fchmod(file.get(), S_IRUSR | S_IWUSR) != 0) return ErrnoStatus(errno, "cannot set the mode of a named segment");
  return file;
}

absl::Status GiveName(const UniqueFd& file, std::string_view name) {
  SHOAL_RETURN_IF_ERROR(CheckName(name));
  const std::string nameless = absl::StrCat("/proc/self/fd/", file.get());
  if (linkat(AT_FDCWD, nameless.c_str(), AT_FDCWD, PathOf(name).c_str(), AT_SYMLINK_FOLLOW) == 0) return absl::OkStatus();
  if (errno == EEXIST) return MakeStatus(absl::StatusCode::kAlreadyExists, absl::StrCat(Quoted(name), " exists already"));
  return ErrnoStatus(errno, absl::StrCat("cannot give a name to ", Quoted(name)));
}

absl::StatusOr<UniqueFd> OpenNamedFile(std::string_view name) {
  SHOAL_RETURN_IF_ERROR(CheckName(name));
  // Not blocking: a FIFO of that name must not keep us waiting for a writer.
  UniqueFd file(open(PathOf(name).c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!file.valid()) {
    if (errno == ENOENT) return MakeStatus(absl::StatusCode::kNotFound, absl::StrCat("there is no ", Quoted(name)));
    if (errno == ELOOP || errno == EISDIR || errno == ENXIO) {
      return MakeStatus(absl::StatusCode::kDataLoss, absl::StrCat(Quoted(name), " is no file"));
    }
    return ErrnoStatus(errno, absl::StrCat("cannot open ", Quoted(name)));
  }
  struct stat found;
  if (fstat(file.get(), &found) != 0) return ErrnoStatus(errno, absl::StrCat("cannot open ", Quoted(name)));
  if (found.st_uid != geteuid()) {
    return MakeStatus(absl::StatusCode::kPermissionDenied, absl::StrCat(Quoted(name), " belongs to another user"));
  }
  return file;
}

absl::Status RemoveName(std::string_view name) {
  SHOAL_RETURN_IF_ERROR(CheckName(name));
  if (unlink(PathOf(name).c_str()) == 0) return absl::OkStatus();
  if (errno == ENOENT) return MakeStatus(absl::StatusCode::kNotFound, absl::StrCat("there is no ", Quoted(name)));
  return ErrnoStatus(errno, absl::StrCat("cannot remove ", Quoted(name)));
}

absl::StatusOr<std::vector<std::string>> ListNames() {
  std::vector<std::string> names;
  std::error_code error;
  for (std::filesystem::directory_iterator entry(kFolder, error), end; !error && entry != end; entry.increment(error)) {
    std::string file = entry->path().filename().string();
    if (file.size() > kPrefix.size() && file.compare(0, kPrefix.size(), kPrefix) == 0) {
      names.push_back(file.substr(kPrefix.size()));
    }
  }
  if (error) return ErrnoStatus(error.value(), absl::StrCat("cannot list ", kFolder));
  return names;
}

}  // namespace shoal::shm_internal
