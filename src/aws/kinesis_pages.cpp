#include "aws/kinesis_pages.hpp"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "base/arena.hpp"
#include "base/base64.hpp"

namespace millrace::aws {

using base::Code;
using base::Error;
using base::Result;
using Json = nlohmann::json;

namespace {

Error odd_answer(std::string_view operation) {
  return {Code::Unavailable, fmt::format("the answer of {} cannot be read", operation)};
}

}  // namespace

Result<Json> parse_answer(std::string_view body, std::string_view operation) {
  auto answer = Json::parse(body, nullptr, false);
  if (!answer.is_object()) return odd_answer(operation);
  return answer;
}

Json stream_field(const std::string& name, const std::string& arn) {
  return arn.empty() ? Json{{"StreamName", name}} : Json{{"StreamARN", arn}};
}

std::string_view type_of(const ReadFrom& from) {
  switch (from.what) {
    case ReadFrom::What::Time:
      return "AT_TIMESTAMP";
    case ReadFrom::What::AtSequenceNumber:
      return "AT_SEQUENCE_NUMBER";
    case ReadFrom::What::AfterSequenceNumber:
      return "AFTER_SEQUENCE_NUMBER";
    default:
      return "TRIM_HORIZON";
  }
}

double seconds_of(base::Time time) {
  return static_cast<double>(
             std::chrono::floor<std::chrono::milliseconds>(time).time_since_epoch().count()) /
         1000;
}

base::Time time_of(const Json& seconds) {
  if (!seconds.is_number()) return {};
  const auto millis = std::llround(seconds.get<double>() * 1000);
  return base::Time(std::chrono::milliseconds(millis));
}

Result<RecordPage> record_page(std::string_view body) {
  const auto answer = TRY(parse_answer(body, "GetRecords"));
  RecordPage page;
  const auto records = answer.find("Records");
  if (records != answer.end() && records->is_array()) {
    const auto memory = std::make_shared<base::Arena>(body.size());
    page.records.records.reserve(records->size());
    page.records.owner = memory;
    for (const auto& record : *records) {
      if (!record.is_object()) return odd_answer("GetRecords");
      const auto data = base::decode_base64(text_of(record, "Data"));
      const auto number = text_of(record, "SequenceNumber");
      if (!data || number.empty()) return odd_answer("GetRecords");
      page.records.records.push_back(
          {.sequence_number = memory->keep(number),
           .arrived_at = time_of(record.value("ApproximateArrivalTimestamp", Json())),
           .partition_key = memory->keep(text_of(record, "PartitionKey")),
           .data = memory->keep(*data)});
    }
  }
  page.next = text_of(answer, "NextShardIterator");
  if (page.next.empty()) page.next = text_of(answer, "ContinuationSequenceNumber");
  // Either says so, depending on who answers; children are told at the end only.
  const auto children = answer.find("ChildShards");
  page.is_end =
      page.next.empty() || (children != answer.end() && children->is_array() && !children->empty());
  const auto behind = answer.find("MillisBehindLatest");
  if (behind != answer.end() && behind->is_number()) {
    page.behind = std::chrono::milliseconds(behind->get<std::int64_t>());
  }
  return page;
}

}  // namespace millrace::aws
