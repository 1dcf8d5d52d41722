#include "lambda/firehose.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <numeric>

#include "base/base64.hpp"
#include "base/text.hpp"

namespace millrace::lambda {

using base::Code;
using base::Error;
using base::Result;
using What = flow::Transformed::What;

namespace {

std::vector<std::string> names_of(const std::vector<const config::Table*>& tables) {
  std::vector<std::string> names;
  for (const auto* table : tables) names.push_back(table->name);
  return names;
}

Result<const config::Source*> source_of(const config::Pipeline& pipeline, std::string_view stream) {
  if (const auto* source = pipeline.source(stream)) return source;
  if (pipeline.sources.size() == 1) return &pipeline.sources.front();
  std::vector<std::string> names;
  for (const auto& source : pipeline.sources) names.push_back(source.name);
  return Error{Code::Invalid,
               fmt::format("no source of the pipeline is named as the delivery stream '{}', and it "
                           "has several ({}): name the stream after one of them, or set "
                           "MILLRACE_TABLE to the table that its records are for",
                           base::printable(stream), base::join(names, ", "))};
}

std::string_view name_of(What what) {
  switch (what) {
    case What::Rows:
      return "Ok";
    case What::Filtered:
      return "Dropped";
    case What::Rejected:
      return "ProcessingFailed";
  }
  return "";
}

/// One record of the answer.
struct Item {
  std::string head;  // its id and result, as JSON, without the brace at the end
  std::string data;  // base64; a member that Firehose wants in any case
  What what = What::Filtered;

  std::size_t bytes() const { return head.size() + data.size() + 12; }
};

std::string head_of(std::string_view id, What what) {
  auto head = nlohmann::json{{"recordId", id}, {"result", name_of(what)}}.dump(
      -1, ' ', false, nlohmann::json::error_handler_t::replace);
  head.pop_back();
  return head;
}

Item item_of(const decode::EventRecord& record, const flow::Transformed& one) {
  Item item{.head = head_of(record.id, one.what), .data = {}, .what = one.what};
  if (one.what == What::Rows) base::append_base64(one.rows, item.data);
  if (one.what == What::Rejected) base::append_base64(record.data, item.data);
  return item;
}

}  // namespace

Result<const config::Table*> table_of(const config::Pipeline& pipeline, std::string_view stream,
                                      std::string_view chosen) {
  if (!chosen.empty()) {
    if (const auto* table = pipeline.table(chosen)) return table;
    std::vector<std::string> names;
    for (const auto& table : pipeline.tables) names.push_back(table.name);
    return Error{Code::Invalid,
                 fmt::format("MILLRACE_TABLE={}: the pipeline has no such table{}",
                             base::printable(chosen), base::did_you_mean(chosen, names))};
  }
  const auto* source = TRY(source_of(pipeline, stream));
  std::vector<const config::Table*> readers;
  for (const auto& table : pipeline.tables) {
    if (!table.from_is_table && table.from == source->name) readers.push_back(&table);
  }
  if (readers.size() == 1) return readers.front();
  if (readers.empty()) {
    return Error{Code::Invalid,
                 fmt::format("no table reads the source '{}': there is nothing that the records of "
                             "the delivery stream '{}' could become",
                             source->name, base::printable(stream))};
  }
  return Error{
      Code::Invalid,
      fmt::format("the tables {} read the source '{}': set MILLRACE_TABLE to the one that "
                  "the records of the delivery stream '{}' are for",
                  base::join(names_of(readers), ", "), source->name, base::printable(stream))};
}

FirehoseAnswer firehose_answer(std::span<const decode::EventRecord> records,
                               std::span<const flow::Transformed> transformed,
                               std::size_t bytes_max) {
  std::vector<Item> items;
  items.reserve(records.size());
  for (std::size_t i = 0; i < records.size(); ++i) {
    items.push_back(item_of(records[i], transformed[i]));
  }
  auto bytes = std::accumulate(items.begin(), items.end(), std::size_t{13},
                               [](auto sum, const Item& item) { return sum + item.bytes(); });
  FirehoseAnswer answer;
  // Firehose keeps what it sent: first go the bytes that it has itself.
  for (auto what : {What::Rejected, What::Rows}) {
    for (auto i = items.size(); i-- > 0 && bytes > bytes_max;) {
      auto& item = items[i];
      if (item.what != what || item.data.empty()) continue;
      bytes -= item.bytes();
      item.data.clear();
      if (what == What::Rows) {
        item.head = head_of(records[i].id, item.what = What::Rejected);
        ++answer.too_large;
      }
      bytes += item.bytes();
    }
  }
  answer.body.reserve(bytes);
  answer.body = R"({"records":[)";
  for (const auto& item : items) {
    if (&item != &items.front()) answer.body += ',';
    answer.body += item.head;
    answer.body += R"(,"data":")" + item.data + R"("})";
    ++(item.what == What::Rows       ? answer.passed
       : item.what == What::Filtered ? answer.dropped
                                     : answer.failed);
  }
  answer.body += "]}";
  return answer;
}

}  // namespace millrace::lambda
