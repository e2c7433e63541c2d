// Proves that the labels of the libraries we use compile, link and run.

#include <cbor.h>
#include <zmq.h>

#include <CLI/CLI.hpp>
#include <boost/interprocess/offset_ptr.hpp>
#include <nlohmann/json.hpp>
#include <string>

#include "absl/cleanup/cleanup.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace {

using ::testing::HasSubstr;

TEST(AbseilTest, StatusCarriesItsMessage) {
  absl::StatusOr<int> result = absl::NotFoundError(absl::StrCat("segment ", absl::StrFormat("%d", 7)));
  EXPECT_EQ(result.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(result.status().ToString(), HasSubstr("segment 7"));
}

TEST(AbseilTest, TimeMovesForward) {
  EXPECT_LT(absl::UnixEpoch(), absl::Now());
  EXPECT_EQ(absl::ToInt64Milliseconds(absl::Seconds(2)), 2000);
}

TEST(AbseilTest, MapAndCleanupRun) {
  absl::flat_hash_map<std::string, int> map;
  {
    absl::Cleanup insert = [&map] { map["closed"] = 1; };
    EXPECT_TRUE(map.empty());
  }
  EXPECT_EQ(map.at("closed"), 1);
}

TEST(BoostTest, OffsetPointerFindsItsTarget) {
  int value = 3;
  boost::interprocess::offset_ptr<int> pointer = &value;
  EXPECT_EQ(*pointer, 3);
}

TEST(JsonTest, Parses) { EXPECT_EQ(nlohmann::json::parse(R"({"n": [1, 2]})")["n"][1], 2); }

TEST(Cli11Test, ParsesAnOption) {
  CLI::App app;
  int workers = 0;
  app.add_option("--workers", workers);
  app.parse("--workers 4");
  EXPECT_EQ(workers, 4);
}

TEST(CborTest, BuildsAnInteger) {
  cbor_item_t* item = cbor_build_uint8(42);
  absl::Cleanup release = [&item] { cbor_decref(&item); };
  EXPECT_EQ(cbor_get_uint8(item), 42);
}

TEST(ZeroMqTest, MakesAContext) {
  void* const context = zmq_ctx_new();
  ASSERT_NE(context, nullptr);
  EXPECT_EQ(zmq_ctx_term(context), 0);
}

}  // namespace
