#include "shoal/ipc/long_look.h"

#include <cstdint>

#include "gtest/gtest.h"
#include "shoal/sync/deadline.h"

namespace shoal::ipc_internal {
namespace {

using sync_internal::Deadline;

// How many waits end in a sleep before the next long look.
uint32_t SleepsBefore(LongLook& look) {
  uint32_t sleeps = 0;
  while (!look.IsDue()) ++sleeps;
  return sleeps;
}

TEST(LongLookTest, WhereItIsInVainItBecomesSeldom) {
  LongLook look;
  for (const uint32_t sleeps : {32u, 32u, 64u, 128u, 256u, 512u, 1024u, 1024u, 1024u}) EXPECT_EQ(SleepsBefore(look), sleeps);
}

TEST(LongLookTest, WhatComesSoonAfterItMakesItFrequentAgain) {
  LongLook look;
  for (int i = 0; i < 10; ++i) SleepsBefore(look);
  for (int i = 0; i < 16; ++i) look.FoundSoon();
  EXPECT_EQ(SleepsBefore(look), 1024u - 16);
  EXPECT_EQ(SleepsBefore(look), 32u);
  EXPECT_EQ(SleepsBefore(look), 64u);
}

TEST(LongLookTest, TwoWhoMeetAndThenMissEachOtherLookAtOnce) {
  LongLook look;
  SleepsBefore(look);
  for (int i = 0; i < 1000; ++i) look.FoundSoon();
  EXPECT_EQ(SleepsBefore(look), 0u);
}

// Something comes after a long look, and then again only after the next: whoever waits so does not burn a processor.
TEST(LongLookTest, AFewFindsDoNotMakeItFrequent) {
  LongLook look;
  for (int i = 0; i < 10; ++i) {
    SleepsBefore(look);
    look.FoundSoon();
  }
  EXPECT_EQ(SleepsBefore(look), 1024u - 1);
}

TEST(LongLookTest, ItEndsWithTheConditionAndWithTheDeadline) {
  int looks = 0;
  EXPECT_TRUE(LookForLong(Deadline::Infinite(), [&] { return ++looks == 3; }));
  EXPECT_EQ(looks, 3);
  EXPECT_FALSE(LookForLong(Deadline::Infinite(), [] { return false; }));
  looks = 0;
  EXPECT_FALSE(LookForLong(Deadline::Passed(), [&] { return ++looks == 3; }));
  EXPECT_EQ(looks, 1);
}

}  // namespace
}  // namespace shoal::ipc_internal
