#include <algorithm>
#include <array>

#include "base/text.hpp"
#include "config/column_type.hpp"
#include "decode/decoder.hpp"
#include "decode/partition_key.hpp"
#include "decode/split.hpp"
#include "sql/render.hpp"
#include "target.hpp"

namespace millrace::fuzz {
namespace {

using config::Format;
using config::UnknownFields;

std::vector<config::Column> schema() {
  std::vector<config::Column> columns;
  for (const auto& [name, type] : std::vector<std::pair<std::string, std::string>>{
           {"id", "varchar"},
           {"amount", "decimal(12,2)"},
           {"ts", "timestamptz"},
           {"n", "bigint"},
           {"ok", "boolean"},
           {"big", "decimal(38,10)"},
           {"tiny", "tinyint"},
           {"d", "double"},
           {"f", "float"},
           {"day", "date"},
           {"local", "timestamp"},
           {"items", "struct(sku varchar, ns int[])[]"},
           {"j", "json"}}) {
    columns.push_back({name, config::parse_column_type(type).value()});
  }
  return columns;
}

config::Source source(Format format, UnknownFields unknown) {
  config::Source made{.name = "s", .from = config::LogSource{.partition_key = "id"}};
  made.format = format;
  made.schema = schema();
  made.unknown_fields = unknown;
  return made;
}

/// The answers of one decoder, a text for each record: the row as JSON, or the reason.
class Answers {
 public:
  Answers(Format format, UnknownFields unknown)
      : decoder_(
            {.format = format, .schema = schema(), .unknown_fields = unknown, .event_time = "ts"}) {
    for (const auto& column : decoder_.columns()) renderers_.emplace_back(column.type);
  }

  std::vector<std::string> of(const std::vector<std::string_view>& records) {
    base::RecordBatch batch;
    const base::Time received(std::chrono::seconds(1'763'640'000));
    for (const auto record : records) {
      batch.records.push_back({base::Offset(0), received, "", record});
    }
    const auto decoded = decoder_.decode(batch);
    CHECK(decoded.record_of_row.size() + decoded.bad.size() == records.size());
    std::vector<std::string> answers(records.size());
    std::size_t at = 0;
    for (const auto& chunk : decoded.chunks) {
      for (std::size_t row = 0; row < chunk->row_count(); ++row) {
        auto& answer = answers[decoded.record_of_row[at++]];
        CHECK(answer.empty());
        for (std::size_t i = 0; i < renderers_.size(); ++i) {
          renderers_[i].append_json(chunk->column(i), row, answer);
        }
      }
    }
    CHECK(at == decoded.record_of_row.size());
    for (const auto& bad : decoded.bad) {
      CHECK(answers[bad.index].empty() && !bad.reason.empty() && base::is_utf8(bad.detail));
      answers[bad.index] = "!" + bad.reason + ": " + bad.detail;
    }
    return answers;
  }

 private:
  decode::Decoder decoder_;
  std::vector<sql::Renderer> renderers_;
};

void check_split(std::string_view body, const base::Result<decode::SplitBody>& split) {
  if (!split) {
    CHECK(base::is_utf8(split.error().message));
    return;
  }
  const char* last = body.data();
  for (const auto record : split->records) {
    const bool is_owned = std::ranges::any_of(
        split->owned, [&](const auto& text) { return text->data() == record.data(); });
    if (is_owned) continue;
    CHECK(record.data() >= last && record.data() + record.size() <= body.data() + body.size());
    last = record.data() + record.size();
  }
}

void check_decode(Format format, std::size_t which, const std::vector<std::string_view>& records) {
  static std::array json{Answers(Format::Json, UnknownFields::Ignore),
                         Answers(Format::Json, UnknownFields::Keep),
                         Answers(Format::Json, UnknownFields::Reject)};
  static Answers csv(Format::Csv, UnknownFields::Ignore);
  auto& answers = format == Format::Json ? json[which % json.size()] : csv;
  const auto together = answers.of(records);
  for (std::size_t i = 0; i < records.size(); ++i) {
    CHECK(answers.of({records[i]})[0] == together[i]);
    if (format == Format::Csv) continue;
    const std::string general = " " + std::string(records[i]);
    CHECK(answers.of({general})[0] == together[i]);
  }
}

void check_keys(Format format, const std::vector<std::string_view>& records) {
  static decode::KeyReader json(source(Format::Json, UnknownFields::Ignore));
  static decode::KeyReader csv(source(Format::Csv, UnknownFields::Ignore));
  auto& reader = format == Format::Json ? json : csv;
  for (const auto record : records) {
    CHECK(reader.read(record).size() <= 3 * record.size());
  }
}

void check_input(std::size_t which, std::string_view body) {
  const auto format = which % 2 == 0 ? Format::Json : Format::Csv;
  const decode::SplitLimits limits{.records_max = 200, .record_bytes_max = 10'000};
  static const auto strict = source(Format::Csv, UnknownFields::Reject);
  static const auto lenient = source(Format::Csv, UnknownFields::Ignore);
  const auto split = format == Format::Json
                         ? decode::split_json(body, limits)
                         : decode::split_csv(body, which % 4 == 1 ? strict : lenient, limits);
  check_split(body, split);
  // The body as one record, too: a split-off record is never as broken.
  std::vector<std::string_view> records{body};
  if (split) records.insert(records.end(), split->records.begin(), split->records.end());
  if (records.size() > 20) records.resize(20);
  check_decode(format, which / 2, records);
  check_keys(format, records);
}

}  // namespace

std::vector<std::string> seed_corpus() {
  const std::vector<std::string> json{
      R"({"id":"o-1","amount":123.45,"ts":"2025-11-20T12:00:00.123Z","n":1,"ok":true})",
      R"({"id":"\u00fc\ud83d\ude00\\","amount":"-0.1","ts":"2025-11-20T12:00:00+01:00","j":[1]})",
      R"({"big":12345678901234567890.0123456789,"tiny":-128,"d":1e308,"f":-1.5,"x":null})",
      R"({"items":[{"sku":"a","ns":[1,2,3]},{"ns":[]},null],"day":"2024-02-29"})",
      R"({"local":"2025-11-20T12:00:00","n":9223372036854775807,"extra":{"deep":[[[[]]]]}})",
      "{\"id\":\"a\"}\n{\"id\":\"b\",\"n\":2}\r\n\n{\"id\":\"c\"}",
      "[{\"id\":\"a\"},{\"id\":\"b\",\"items\":[]} , 3]",
      "{\n  \"id\": \"a\",\n  \"n\": 1\n}"};
  const std::vector<std::string> csv{
      "id,amount,ts,n,ok,big,tiny,d,f,day,local,items,j\n"
      "a,1.50,2025-11-20T12:00:00Z,1,true,0.1,1,1e3,2,2025-11-20,2025-11-20T12:00:00,\"[]\",{}\n"
      "\"b \"\"q\"\"\n,\",,,,,,,,,,,,\n",
      "n,id,other\r\n1,a,x\r\n2,\"b,c\",y\r\n",
      "a,1.5,2025-11-20 "
      "12:00:00Z,5,false,3,4,5,6,2025-01-01,,\"[{\"\"sku\"\":\"\"x\"\"}]\",\"[1]\""};
  std::vector<std::string> corpus;
  for (char which = 0; which < 6; which = static_cast<char>(which + 2)) {
    for (const auto& body : json) corpus.push_back(which + body);
    for (const auto& body : csv) corpus.push_back(static_cast<char>(which + 1) + body);
  }
  return corpus;
}

std::vector<std::string> dictionary() {
  std::vector<std::string> words{"{",
                                 "}",
                                 "[",
                                 "]",
                                 ",",
                                 ":",
                                 "\"",
                                 "\\",
                                 "\n",
                                 "\r\n",
                                 " ",
                                 "\t",
                                 "\"\"",
                                 "null",
                                 "true",
                                 "false",
                                 "-",
                                 "0",
                                 "9",
                                 ".",
                                 "e+",
                                 "1e400",
                                 "\\u0000",
                                 "\\ud800",
                                 "\xff",
                                 "\xc3",
                                 "\xef\xbb\xbf",
                                 "NaN",
                                 "99999999999999999999",
                                 "2025-11-20T12:00:00Z",
                                 "0000-01-01",
                                 "9999-12-31",
                                 "\"n\":1,",
                                 ",\"id\":\"x\"",
                                 "\"x\":{\"y\":1},"};
  words.emplace_back(1, '\0');
  for (const auto& column : schema()) words.push_back("\"" + column.name + "\":");
  return words;
}

}  // namespace millrace::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  // A copy of its own on the heap, so that a read past its end is seen.
  const std::vector<char> body(data + 1, data + size);
  millrace::fuzz::check_input(data[0] % 6, {body.data(), body.size()});
  return 0;
}
