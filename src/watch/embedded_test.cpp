#include "watch/embedded.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "os/real_disk.hpp"
#include "os/test_folder.hpp"
#include "watch/embedded_sink.hpp"

namespace millrace::watch {
namespace {

using Json = nlohmann::json;

const base::Time kNow{std::chrono::milliseconds(1769860800123)};

aws::MetricDatum datum(std::string name, std::map<std::string, std::string> dimensions) {
  return {.name = std::move(name),
          .dimensions = std::move(dimensions),
          .unit = "Count",
          .values = {3},
          .counts = {1}};
}

TEST(Embedded, IsOneDocumentForTheMetricsOfTheSameDimensions) {
  const std::vector<aws::MetricDatum> data{datum("rows", {{"table", "a"}}),
                                           datum("rows", {{"table", "b"}}),
                                           {.name = "wait",
                                            .dimensions = {{"table", "a"}},
                                            .unit = "Seconds",
                                            .values = {0.5, 2},
                                            .counts = {4, 1}}};
  const auto lines = embedded_lines(data, kNow, {.name_space = "Shop"});
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_EQ(Json::parse(lines[0]), Json::parse(R"({"_aws":{"Timestamp":1769860800123,
    "CloudWatchMetrics":[{"Namespace":"Shop","Dimensions":[["table"]],"Metrics":[
      {"Name":"rows","Unit":"Count"},{"Name":"wait","Unit":"Seconds"}]}]},
    "table":"a","rows":3.0,
    "wait":{"Values":[0.5,2.0],"Counts":[4.0,1.0],"Min":0.5,"Max":2.0,"Count":5.0,"Sum":4.0}})"));
  EXPECT_EQ(Json::parse(lines[1])["table"], "b");
  EXPECT_TRUE(embedded_lines({}, kNow, {.name_space = "Shop"}).empty());
}

TEST(Embedded, TellsThatMetricsAreOfHighResolution) {
  const std::vector<aws::MetricDatum> data{datum("rows", {})};
  const auto lines = embedded_lines(data, kNow, {.name_space = "Shop", .is_high_resolution = true});
  const auto directive = Json::parse(lines.at(0))["_aws"]["CloudWatchMetrics"][0];
  EXPECT_EQ(directive["Metrics"][0]["StorageResolution"], 1);
  EXPECT_EQ(directive["Dimensions"], Json::parse("[[]]"));
}

TEST(Embedded, KeepsToTheLimitsOfADocument) {
  std::vector<aws::MetricDatum> data;
  for (int i = 0; i < 250; ++i) {
    auto one = datum("m" + std::to_string(i), {{"d", std::string(1024, 'v')}});
    one.values.assign(kEmbeddedValuesMax, 1.0 / 3);
    one.counts.assign(kEmbeddedValuesMax, 1);
    data.push_back(std::move(one));
  }
  std::size_t count = 0;
  for (const auto& line : embedded_lines(data, kNow, {.name_space = "Shop"})) {
    EXPECT_LE(line.size(), kEmbeddedBytesMax);
    const auto metrics = Json::parse(line)["_aws"]["CloudWatchMetrics"][0]["Metrics"];
    EXPECT_LE(metrics.size(), kEmbeddedMetricsMax);
    count += metrics.size();
  }
  EXPECT_EQ(count, data.size());
}

TEST(EmbeddedSink, PutsLinesAtTheEndOfAFileThatMayBeRotated) {
  os::TestFolder folder;
  os::RealDisk disk;
  auto log = base::EventLog::silent();
  base::Metrics metrics;
  const auto path = folder.path() / "metrics.log";
  EmbeddedSink sink({.format = {.name_space = "Shop"}, .to = path}, disk, {log, metrics});
  const auto lines = [&] {
    const auto text = os::read_file(disk, path).value();
    return std::ranges::count(text, '\n');
  };
  sink.take({datum("rows", {})}, kNow, {});
  sink.take({datum("rows", {})}, kNow, {});
  EXPECT_EQ(lines(), 2);
  ASSERT_TRUE(disk.rename(path, folder.path() / "metrics.log.1"));
  sink.take({datum("rows", {})}, kNow, {});
  EXPECT_EQ(lines(), 1);
}

TEST(EmbeddedSink, DropsAndCountsWhatCannotBeWritten) {
  os::TestFolder folder;
  os::RealDisk disk;
  auto log = base::EventLog::silent();
  base::Metrics metrics;
  EmbeddedSink sink({.format = {.name_space = "Shop"}, .to = folder.path() / "none" / "x.log"},
                    disk, {log, metrics});
  sink.take({datum("rows", {})}, kNow, {});
  EXPECT_NE(metrics.exposition().find(
                "millrace_metrics_dropped_total{reason=\"refused\",to=\"embedded\"} 1"),
            std::string::npos);
}

}  // namespace
}  // namespace millrace::watch
