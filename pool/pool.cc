#include "shoal/pool/pool.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "shoal/ipc/type_tree.h"
#include "shoal/sync/status.h"

namespace shoal {
namespace {

using sync_internal::MakeStatus;

std::string Readable(std::string_view name, std::string_view signature) {
  const auto tree = ipc_internal::ParseSignatureCode(signature);
  return tree.ok() ? tree->Describe(name) : std::string(signature);
}

}  // namespace

absl::StatusOr<Pool> Pool::Create(PoolOptions options) {
  SHOAL_ASSIGN_OR_RETURN(auto engine, pool_internal::Engine::Create(std::move(options)));
  return Pool(std::move(engine));
}

Pool::Pool(std::shared_ptr<pool_internal::Engine> engine) : engine_(std::move(engine)) {}

Pool& Pool::operator=(Pool&& other) noexcept {
  std::swap(engine_, other.engine_);
  return *this;
}

Pool::~Pool() {
  if (engine_ == nullptr) return;
  engine_->Close().IgnoreError();
  engine_->Join(absl::InfiniteDuration()).IgnoreError();
}

absl::StatusOr<uint32_t> Pool::Find(std::string_view name, std::string_view wanted_signature) const {
  const std::vector<FunctionInfo>& offered = functions();
  const auto found =
      std::find_if(offered.begin(), offered.end(), [&](const FunctionInfo& function) { return function.name == name; });
  if (found == offered.end()) {
    const std::string names =
        absl::StrJoin(offered, ", ", [](std::string* out, const FunctionInfo& function) { out->append(function.name); });
    return MakeStatus(absl::StatusCode::kNotFound,
                      absl::StrCat("no function \"", absl::string_view(name.data(), name.size()),
                                   "\"; the plug-ins offer: ", names.empty() ? "nothing" : names));
  }
  if (found->signature != wanted_signature) {
    return MakeStatus(
        absl::StatusCode::kFailedPrecondition,
        absl::StrCat("the plug-in has ", Readable(name, found->signature), ", not ", Readable(name, wanted_signature)));
  }
  return static_cast<uint32_t>(found - offered.begin());
}

}  // namespace shoal
