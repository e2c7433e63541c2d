#ifndef SHOAL_BENCH_RUNFILE_H_
#define SHOAL_BENCH_RUNFILE_H_

#include <string>
#include <string_view>

namespace shoal::bench {

// Where a file of the build lies that this program has as `data`, given by its path from the root of the sources. Found
// whether the program is started by bazel, from its place in bazel-bin or within a test.
std::string Runfile(std::string_view path);

}  // namespace shoal::bench

#endif  // SHOAL_BENCH_RUNFILE_H_
