#include "shoal/bench/runfile.h"

#include <filesystem>
#include <system_error>

namespace shoal::bench {

std::string Runfile(std::string_view path) {
  std::error_code error;
  std::filesystem::path beside = std::filesystem::read_symlink("/proc/self/exe", error);
  beside += ".runfiles";
  beside = beside / "shoal" / path;
  if (!error && std::filesystem::exists(beside, error)) return beside.string();
  return std::string(path);  // bazel starts programs and tests at the root of their files
}

}  // namespace shoal::bench
