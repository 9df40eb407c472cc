// How plans are shown: what is shared once, and behind each node what is known of it.
#include "plan/explain.h"

#include <gtest/gtest.h>

#include "plan/plan_reader.h"

namespace salver {
namespace {

ExecutionPlan TwoViews() {
  return ReadPlan(
      {"1 Read(2) trips.parquet time=t columns=t,driver,fare,tip late=fare,tip times=labels-2d..labels "
       "asked=driver",
       "2 EncodeKeys driver:INT64", "3 PointInTimeJoin(2, 1) trips on=driver ttl=1d -> fare=fare:DOUBLE@0",
       "4 PointInTimeJoin(2, 1) tips on=driver ttl=2d created<=time -> tip=tip:DOUBLE@1",
       "5 Gather(3, 4) 2 features by event_timestamp"});
}

PlanReport BeforeRun() {
  PlanReport report{.labels = {.rows = 1000}};
  report.nodes.resize(5);
  report.nodes[0] = {.files = 1,
                     .row_groups = 12,
                     .row_groups_needed = 3,
                     .rows = 1'200'000,
                     .rows_needed = 300'000,
                     .bytes = 2'400'000};
  report.nodes[2] = {.row_groups_needed = 3, .bytes = 9000};
  return report;
}

PlanReport AfterRun() {
  PlanReport report = BeforeRun();
  report.ran = true;
  report.threads = 2;
  report.steps = {{"open", 100}, {"scan", 2300}};
  report.peak_bytes = 12'000'000;
  report.spilled_bytes = 70'000;
  report.nodes[0].rows_out = 2000;
  report.nodes[0].time_us = 4100;
  report.nodes[0].spilled_bytes = 70'000;
  report.nodes[1].rows_in = 1000;
  report.nodes[1].rows_out = 40;
  report.nodes[3] = {.row_groups_needed = 1, .bytes = 9000, .rows_in = 2000, .rows_out = 1};
  return report;
}

TEST(Explain, WhatIsSharedIsShownOnce) {
  EXPECT_EQ(Explain(TwoViews(), nullptr), R"(Gather 2 features by event_timestamp
├─ PointInTimeJoin trips on=driver ttl=1d -> fare
│  ├─ #2 EncodeKeys driver (shared by 2)
│  └─ #1 Read trips.parquet time=t times=labels-2d..labels asked=driver (shared by 2)
└─ PointInTimeJoin tips on=driver ttl=2d created<=time -> tip
   ├─ #2 above
   └─ #1 above
)");
}

TEST(Explain, SaysWhatEachNodeWillRead) {
  const PlanReport report = BeforeRun();
  EXPECT_EQ(Explain(TwoViews(), &report), R"(Gather 2 features by event_timestamp | 1,000 entity rows
├─ PointInTimeJoin trips on=driver ttl=1d -> fare | reads up to 3 row groups of features, 9000 bytes
│  ├─ #2 EncodeKeys driver (shared by 2)
│  └─ #1 Read trips.parquet time=t times=labels-2d..labels asked=driver (shared by 2) | 1 file, 3 of 12 row groups, 300,000 of 1,200,000 rows, scans 2400.0 kB
└─ PointInTimeJoin tips on=driver ttl=2d created<=time -> tip
   ├─ #2 above
   └─ #1 above
)");
}

TEST(Explain, AnalyzeSaysWhatItDid) {
  const PlanReport report = AfterRun();
  EXPECT_EQ(Explain(TwoViews(), &report), R"(Gather 2 features by event_timestamp | 1,000 entity rows
├─ PointInTimeJoin trips on=driver ttl=1d -> fare | read 3 row groups of features, 9000 bytes
│  ├─ #2 EncodeKeys driver (shared by 2) | 1,000 rows in, 40 out
│  └─ #1 Read trips.parquet time=t times=labels-2d..labels asked=driver (shared by 2) | 1 file, 3 of 12 row groups, 300,000 of 1,200,000 rows, scans 2400.0 kB, 2,000 rows out, 4.1 ms, spilled 70.0 kB
└─ PointInTimeJoin tips on=driver ttl=2d created<=time -> tip | read 1 row group of features, 9000 bytes, 2,000 rows in, 1 out
   ├─ #2 above
   └─ #1 above
Ran in 2.4 ms on 2 threads: open 0.1 ms, scan 2.3 ms; memory 12.0 MB at most; spilled 70.0 kB
)");
}

TEST(Explain, LongListsAreCut) {
  ExecutionPlan plan = ReadPlan({"1 EncodeKeys a,b,c,d,e,f,g,h,i,j", "2 Gather(1) 0 features by t"});
  EXPECT_EQ(Explain(plan, nullptr), "Gather 0 features by t\n└─ EncodeKeys a,b,c,d,e,f,g,h,… (10)\n");
}

TEST(Explain, AsJsonForPrograms) {
  const PlanReport report = AfterRun();
  ExecutionPlan plan = TwoViews();
  plan.nodes.erase(plan.nodes.begin() + 2, plan.nodes.end());
  EXPECT_EQ(
      ExplainJson(plan, &report),
      R"({"nodes": [{"id": 1, "kind": "Read", "inputs": [2], "text": "Read trips.parquet time=t )"
      R"(columns=t,driver,fare,tip late=fare,tip times=labels-2d..labels asked=driver", "report": {"files": 1, )"
      R"("row_groups": 12, "row_groups_needed": 3, "rows": 1200000, "rows_needed": 300000, "bytes": 2400000, )"
      R"("rows_out": 2000, "time_us": 4100, "spilled_bytes": 70000}}, {"id": 2, "kind": "EncodeKeys", )"
      R"("inputs": [], "text": "EncodeKeys driver:INT64", "report": {"rows_in": 1000, "rows_out": 40}}], )"
      R"("entity_rows": 1000, "ran": true, "steps_us": {"open": 100, "scan": 2300}, "threads": 2, )"
      R"("peak_bytes": 12000000, "spilled_bytes": 70000})");
}

}  // namespace
}  // namespace salver
