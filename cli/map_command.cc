// Three threads of ours work on a run, each at its own pace:
//
//   the reader    lines → arguments → CallWindow and pool     waits for input, and for room in the window
//   the printer   CallWindow → JSON → standard output         waits for results, and for whoever reads them
//   Interrupt     signals, a reader that is gone              waits for those; stops the window and the pool
//
// and the pool's own threads bring the results to the window. The bar on a terminal has a thread for its clock.
//
//  If this process dies …   its workers end by themselves; the segment they share has no name.

#include "shoal/cli/map_command.h"

#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <optional>
#include <string_view>
#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "shoal/cli/call_window.h"
#include "shoal/cli/interrupt.h"
#include "shoal/cli/json_arguments.h"
#include "shoal/cli/line_reader.h"
#include "shoal/cli/output.h"
#include "shoal/cli/plugin_function.h"
#include "shoal/cli/progress_bar.h"
#include "shoal/cli/result_line.h"
#include "shoal/cli/stop.h"
#include "shoal/ipc/type_tree.h"
#include "shoal/pool/engine.h"
#include "shoal/pool/job.h"
#include "shoal/pool/pool.h"
#include "shoal/process/cpu_count.h"
#include "shoal/sync/status.h"

namespace shoal::cli_internal {
namespace {

constexpr size_t kFewestCalls = 4096;              // a window has room for
constexpr size_t kCallsPerWorker = 512;            // and for more when there are many workers
constexpr size_t kMostBytes = size_t{64} << 20;    // of arguments and results in the window
constexpr size_t kBatch = 256;                     // lines that go to the pool together when they are there
constexpr size_t kOutputBytes = size_t{64} << 10;  // that are written together

NewCall CallOf(const ipc_internal::SignatureTree& signature, LineReader::Got got, const LineReader::Line& line) {
  NewCall call{.arguments = std::string(), .input_bytes = line.input_bytes};
  if (got == LineReader::Got::kTooLong) {
    call.arguments = sync_internal::MakeStatus(
        absl::StatusCode::kResourceExhausted,
        absl::StrCat("the line has more than ", LineReader::kMaxLineBytes, " bytes, which is the limit"));
  } else if (absl::Status encoded = EncodeArguments(signature, line.text, *call.arguments); !encoded.ok()) {
    call.arguments = std::move(encoded);
  }
  return call;
}

// The reader: until the input ends, or the run is to stop.
absl::Status ReadCalls(LineReader& reader, const PluginFunction& function, const std::shared_ptr<CallWindow>& window,
                       pool_internal::Engine& engine) {
  std::vector<NewCall> batch;
  const auto submit = [&] {
    if (!batch.empty()) engine.Add(window, window->Append(std::exchange(batch, {})));
  };
  while (window->WaitForRoom()) {
    LineReader::Line line;
    const absl::StatusOr<LineReader::Got> got = reader.Next(line);
    if (!got.ok() || *got == LineReader::Got::kEnd || *got == LineReader::Got::kStopped) {
      submit();
      return got.status();
    }
    batch.push_back(CallOf(function.signature, *got, line));
    // Nothing waits here for a line that has not come yet.
    if (batch.size() >= kBatch || !reader.HasLine()) submit();
  }
  return absl::OkStatus();
}

// The printer: until all results have been, or the run is to stop.
void PrintResults(const ipc_internal::TypeTree& type, bool ordered, CallWindow& window, Output& output, ProgressBar& bar) {
  std::vector<EndedCall> ended;
  std::string text;
  const auto print = [&] {
    if (output.is_terminal()) {
      bar.WithoutBar([&] { output.Write(text); });
    } else {
      output.Write(text);
    }
    text.clear();
    if (text.capacity() > 4 * kOutputBytes) text.shrink_to_fit();
  };
  while (window.Take(ended)) {
    for (const EndedCall& call : ended) {
      if (!AppendResultLine(type, call, ordered, text).ok()) window.CountFailure();
      if (text.size() >= kOutputBytes) print();
    }
    if (!text.empty()) print();
  }
}

size_t WindowSize(const MapArguments& arguments) {
  const auto workers = static_cast<size_t>(arguments.workers);
  return std::max({kFewestCalls, kCallsPerWorker * workers, 4 * workers * arguments.chunk});
}

}  // namespace

absl::StatusOr<int> Map(const MapArguments& given) {
  MapArguments arguments = given;
  if (arguments.workers == 0) arguments.workers = CpuCount();
  SHOAL_ASSIGN_OR_RETURN(const std::optional<uint64_t> input_bytes, CheckInputs(arguments.files));

  Stop stop;
  Interrupt interrupt(stop);
  SHOAL_ASSIGN_OR_RETURN(Pool pool, Pool::Create({.workers = arguments.workers,
                                                  .plugins = {arguments.plugin},
                                                  .task_timeout = arguments.timeout,
                                                  .max_retries = arguments.retries,
                                                  .worker_output_to_stderr = true}));
  SHOAL_ASSIGN_OR_RETURN(const PluginFunction function, FindFunction(pool, arguments.plugin, arguments.function));
  const pool_internal::JobOptions options = {
      .function = function.index, .timeout = arguments.timeout, .max_retries = arguments.retries, .chunk = arguments.chunk};
  const auto window = std::make_shared<CallWindow>(options, arguments.ordered, WindowSize(arguments), kMostBytes);
  interrupt.SetOnStop([&] {
    window->Stop();  // first: what the pool cancels is not to be printed
    pool.Terminate().IgnoreError();
  });

  absl::Status read;
  std::thread reading([&] {
    LineReader reader(arguments.files, stop.fd());
    read = ReadCalls(reader, function, window, *pool.engine());
    window->EndInput();
  });
  {
    ProgressBar bar([&] { return window->totals(); }, input_bytes);
    Output output(stop);
    PrintResults(function.signature.result, arguments.ordered, *window, output, bar);
  }
  reading.join();
  pool.Close().IgnoreError();
  pool.Join().IgnoreError();  // still with Interrupt: a worker may hang at its end
  interrupt.Finish();

  if (stop.requested()) return stop.exit_code();
  SHOAL_RETURN_IF_ERROR(read);
  return window->totals().failed > 0 ? 1 : 0;
}

}  // namespace shoal::cli_internal
