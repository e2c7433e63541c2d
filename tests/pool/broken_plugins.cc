// Plug-ins that fail in their SHOAL_PLUGIN block; which way is chosen when they are built.

#include <cstdlib>
#include <stdexcept>
#include <vector>

#include "shoal/plugins/plugin.h"

namespace {

struct Tree {
  std::vector<Tree> children;
};

[[maybe_unused]] int CountLeaves(const Tree& tree) { return static_cast<int>(tree.children.size()); }
[[maybe_unused]] int One() { return 1; }

}  // namespace

SHOAL_PLUGIN(catalog) {
#if defined(TAKES_A_NAME_TWICE)
  catalog.Add("one", One);
  catalog.Add("one", One);
#elif defined(HAS_A_RECURSIVE_TYPE)
  catalog.Add("count_leaves", CountLeaves);
#elif defined(THROWS)
  throw std::runtime_error("no licence");
#elif defined(CRASHES)
  abort();
#endif
}
