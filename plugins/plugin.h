#ifndef SHOAL_PLUGINS_PLUGIN_H_
#define SHOAL_PLUGINS_PLUGIN_H_

#include "shoal/plugins/abi.h"
#include "shoal/plugins/catalog.h"

// Makes a shared library a plug-in. Once per plug-in:
//
//   bool IsPrime(uint64_t n) { … }
//
//   SHOAL_PLUGIN(catalog) {
//     catalog.Add("is_prime", IsPrime, "Whether n is prime.");
//   }
//
// The block runs when a worker process loads the plug-in, before the first task; `catalog` is a shoal::Catalog&. It is the
// only thing that runs at that time, apart from the constructors of the plug-in's own globals.
#define SHOAL_PLUGIN(catalog)                                                                                        \
  static void ShoalFillCatalog(::shoal::Catalog& catalog);                                                           \
  extern "C" __attribute__((visibility("default"))) const shoal_plugin* shoal_plugin_entry(const shoal_host* host) { \
    return ::shoal::plugins_internal::DescribePlugin(host, &ShoalFillCatalog);                                       \
  }                                                                                                                  \
  static void ShoalFillCatalog([[maybe_unused]] ::shoal::Catalog& catalog)

#endif  // SHOAL_PLUGINS_PLUGIN_H_
