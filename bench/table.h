#ifndef SHOAL_BENCH_TABLE_H_
#define SHOAL_BENCH_TABLE_H_

#include <string>
#include <vector>

#include "shoal/bench/measure.h"

namespace shoal::bench {

// The rows as a table in Markdown, for people and for documents.
std::string FormatTable(const std::vector<Row>& rows);

// What the numbers depend on: processors, load, how this was compiled, how was measured.
std::string FormatCircumstances(const Settings& settings);

}  // namespace shoal::bench

#endif  // SHOAL_BENCH_TABLE_H_
