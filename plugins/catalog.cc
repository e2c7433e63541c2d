#include "shoal/plugins/catalog.h"

#include <algorithm>
#include <cstddef>
#include <exception>

#include "shoal/plugins/build_signature.h"
#include "shoal/sync/process_table.h"

namespace shoal {
namespace {

constexpr size_t kMaxName = 200;

bool IsName(std::string_view name) {
  return !name.empty() && name.size() <= kMaxName &&
         std::all_of(name.begin(), name.end(), [](unsigned char c) { return c > ' ' && c < 0x7f; });
}

}  // namespace

void Catalog::AddEntry(std::string_view name, std::string signature, std::string_view help, const void* target, Call call) {
  const auto refuse = [&](std::string_view why) {
    if (error_.empty()) error_ = "function \"" + std::string(name.substr(0, kMaxName)) + "\": " + std::string(why);
  };
  if (!IsName(name)) return refuse("a name has 1 to 200 printable ASCII characters and no space");
  if (signature.find('!') != std::string::npos) return refuse("one of its types contains itself or nests too deep");
  if (std::any_of(entries_.begin(), entries_.end(), [&](const Entry& entry) { return entry.name == name; })) {
    return refuse("the name is taken");
  }
  Entry& entry = entries_.emplace_back(
      Entry{.name = std::string(name), .signature = std::move(signature), .help = std::string(help), .function = {}});
  entry.function = {.struct_size = sizeof(shoal_function),
                    .name = entry.name.c_str(),
                    .signature = entry.signature.c_str(),
                    .help = entry.help.c_str(),
                    .target = target,
                    .call = call};
}

const shoal_plugin* Catalog::Describe() {
  functions_.clear();
  for (const Entry& entry : entries_) functions_.push_back(&entry.function);
  plugin_ = {.abi_version = SHOAL_ABI_VERSION,
             .function_count = static_cast<uint32_t>(functions_.size()),
             .struct_size = sizeof(shoal_plugin),
             .functions = functions_.data(),
             .error = error_.empty() ? nullptr : error_.c_str()};
  return &plugin_;
}

namespace plugins_internal {
namespace {

const shoal_plugin* Failed(const char* error) {
  static shoal_plugin plugin;
  plugin = {.abi_version = SHOAL_ABI_VERSION,
            .function_count = 0,
            .struct_size = sizeof(shoal_plugin),
            .functions = nullptr,
            .error = error};
  return &plugin;
}

// Takes over what the program knows of its process, or sees to it that this copy of the library does nothing without.
bool ShareWith(const shoal_host& host) {
  if (host.abi_version != SHOAL_ABI_VERSION ||
      host.struct_size < offsetof(shoal_host, build_signature) + sizeof(host.build_signature)) {
    return sync_internal::RefuseTable();  // a program from before there was a table
  }
  if (host.build_signature != BuildSignature()) return sync_internal::RefuseTable();
  return sync_internal::UseTable(static_cast<const sync_internal::ProcessTable*>(host.process_table));
}

}  // namespace

const shoal_plugin* DescribePlugin(const shoal_host* host, void (*fill)(Catalog&)) {
  if (host == nullptr || !ShareWith(*host)) {
    return Failed(
        "one of its globals used a lock or a segment while it was loaded: what it shares with the program is only there when "
        "its SHOAL_PLUGIN block runs");
  }
  static Catalog* catalog = nullptr;  // lives until the process ends: functions may run until then
  try {
    if (catalog == nullptr) {
      auto filled = new Catalog;
      fill(*filled);
      catalog = filled;
    }
    return catalog->Describe();
  } catch (const std::exception& e) {
    static std::string error;
    error = std::string("its SHOAL_PLUGIN block threw: ") + e.what();
    return Failed(error.c_str());
  } catch (...) {
    return Failed("its SHOAL_PLUGIN block threw something that is no std::exception");
  }
}

}  // namespace plugins_internal
}  // namespace shoal
