#include "decode/lambda_event.hpp"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "base/arena.hpp"
#include "base/base64.hpp"
#include "base/text.hpp"

namespace millrace::decode {

namespace dom = simdjson::dom;
using base::Code;
using base::Error;
using base::Result;
using Kind = LambdaEvent::Kind;

namespace {

constexpr std::size_t kShownMax = 80;
constexpr std::size_t kSequenceDigitsMax = 57;  // of 189 bits, which a mark can hold
constexpr std::string_view kStreamInArn = ":stream/";
constexpr std::string_view kKnown =
    "this function takes events of Kinesis, SQS, Firehose (transformation), EventBridge, API "
    "Gateway and function URLs, and {\"millrace\": \"jobs\"} or {\"millrace\": \"maintain\"}";

/// Where in the event something stands.
struct At {
  std::string list;
  std::size_t index = 0;

  Error error(std::string_view member, std::string_view what) const {
    return {Code::Invalid, fmt::format("{}[{}].{}: {}", list, index, member, what)};
  }
};

/// Members of an object that are looked for in one walk; one that is missing is null.
template <std::size_t kCount>
std::array<dom::element, kCount> members_of(dom::element from,
                                            const std::array<std::string_view, kCount>& names) {
  static const dom::element kNull = [] {
    static dom::parser parser;
    return parser.parse(std::string_view("null")).value_unsafe();
  }();
  std::array<dom::element, kCount> found;
  found.fill(kNull);
  dom::object object;
  if (from.get_object().get(object)) return found;
  for (const auto& [key, value] : object) {
    const auto name = std::ranges::find(names, key);
    if (name != names.end()) found[static_cast<std::size_t>(name - names.begin())] = value;
  }
  return found;
}

Result<std::string_view> text_of(dom::element from, std::string_view member, const At& at) {
  std::string_view text;
  if (from.get_string().get(text)) return at.error(member, "a text is expected");
  return text;
}

Result<std::string_view> text_in(dom::element from, const char* member, const At& at) {
  std::string_view text;
  if (from.at_key(member).get_string().get(text)) return at.error(member, "a text is expected");
  return text;
}

std::string_view text_or_empty(dom::element from, const char* member) {
  std::string_view text;
  return from.at_key(member).get_string().get(text) ? std::string_view() : text;
}

Result<std::string_view> decoded(std::string_view text, std::string_view member, const At& at,
                                 base::Arena& memory) {
  auto* bytes = memory.room(base::base64_room(text));
  const auto size = base::decode_base64(text, bytes);
  if (!size) return at.error(member, "it is no base64");
  return std::string_view(bytes, *size);
}

base::Time time_of(double seconds) {
  return base::Time(std::chrono::microseconds(std::llround(seconds * 1e6)));
}

bool is_sequence_number(std::string_view text) {
  return !text.empty() && text.size() <= kSequenceDigitsMax &&
         std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

// `shard` is that of the record before.
Result<EventRecord> read_kinesis(dom::element record, std::string_view shard, const At& at,
                                 base::Arena& memory) {
  const auto [kinesis, event_id] = members_of<2>(record, {"kinesis", "eventID"});
  if (!kinesis.is_object()) return at.error("kinesis", "it is missing");
  const auto [number, key, data, time] = members_of<4>(
      kinesis, {"sequenceNumber", "partitionKey", "data", "approximateArrivalTimestamp"});
  const auto digits = TRY(text_of(number, "kinesis.sequenceNumber", at));
  if (!is_sequence_number(digits)) {
    return at.error("kinesis.sequenceNumber", "a number of at most 57 digits is expected");
  }
  const auto partition_key = TRY(text_of(key, "kinesis.partitionKey", at));
  const auto text = TRY(text_of(data, "kinesis.data", at));
  const auto id = TRY(text_of(event_id, "eventID", at));
  const auto colon = id.find(':');
  if (!id.starts_with("shardId-") || colon == std::string_view::npos) {
    return at.error("eventID", "`shardId-…:sequence number` is expected");
  }
  double seconds = 0;
  if (time.get_double().get(seconds)) {
    return at.error("kinesis.approximateArrivalTimestamp", "a number is expected");
  }
  const auto own = id.substr(0, colon);
  return EventRecord{.id = memory.keep(digits),
                     .shard = own == shard ? shard : memory.keep(own),
                     .key = memory.keep(partition_key),
                     .data = TRY(decoded(text, "kinesis.data", at, memory)),
                     .arrived_at = time_of(seconds)};
}

Result<EventRecord> read_sqs(dom::element record, const At& at, base::Arena& memory) {
  EventRecord read{.id = memory.keep(TRY(text_in(record, "messageId", at))),
                   .shard = {},
                   .key = {},
                   .data = memory.keep(TRY(text_in(record, "body", at))),
                   .arrived_at = {}};
  dom::element attributes;
  if (record.at_key("attributes").get(attributes)) return at.error("attributes", "it is missing");
  read.key = memory.keep(text_or_empty(attributes, "MessageGroupId"));
  const auto sent = TRY(text_in(attributes, "SentTimestamp", at));
  std::int64_t milliseconds = 0;
  if (std::from_chars(sent.data(), sent.data() + sent.size(), milliseconds).ec != std::errc()) {
    return at.error("attributes.SentTimestamp", "milliseconds are expected");
  }
  read.arrived_at = base::Time(std::chrono::milliseconds(milliseconds));
  return read;
}

Result<LambdaEvent> read_records(dom::array records, base::Arena& memory) {
  LambdaEvent event;
  event.records.reserve(records.size());
  At at{"Records"};
  std::string_view shard;
  for (const auto record : records) {
    const auto service = text_or_empty(record, "eventSource");
    if (service != "aws:kinesis" && service != "aws:sqs") {
      // S3 writes its own in lower case, SNS in upper case.
      const auto other = service.empty() ? text_or_empty(record, "EventSource") : service;
      return Error{Code::Invalid,
                   fmt::format("an event of '{}': {}", base::printable(other, kShownMax), kKnown)};
    }
    const auto arn = TRY(text_in(record, "eventSourceARN", at));
    const auto kind = service == "aws:sqs" ? Kind::Sqs : Kind::Kinesis;
    if (at.index == 0) {
      event.kind = kind;
      event.from = arn;
    } else if (event.kind != kind || event.from != arn) {
      return at.error("eventSourceARN", "the event holds records of several streams or queues");
    }
    event.records.push_back(TRY(kind == Kind::Sqs ? read_sqs(record, at, memory)
                                                  : read_kinesis(record, shard, at, memory)));
    shard = event.records.back().shard;
    ++at.index;
  }
  if (event.records.empty()) return Error{Code::Invalid, "`Records` is empty"};
  return event;
}

Result<LambdaEvent> read_firehose(dom::element document, dom::array records, base::Arena& memory) {
  LambdaEvent event{.kind = Kind::Firehose,
                    .from = std::string(text_or_empty(document, "deliveryStreamArn"))};
  event.records.reserve(records.size());
  At at{"records"};
  for (const auto record : records) {
    std::int64_t milliseconds = 0;
    if (record.at_key("approximateArrivalTimestamp").get_int64().get(milliseconds)) {
      return at.error("approximateArrivalTimestamp", "milliseconds are expected");
    }
    const auto data = TRY(text_in(record, "data", at));
    event.records.push_back({.id = memory.keep(TRY(text_in(record, "recordId", at))),
                             .shard = {},
                             .key = {},
                             .data = TRY(decoded(data, "data", at, memory)),
                             .arrived_at = base::Time(std::chrono::milliseconds(milliseconds))});
    ++at.index;
  }
  return event;
}

Result<LambdaEvent> read_event_bridge(dom::element document, dom::element detail,
                                      base::Arena& memory) {
  const auto id = text_or_empty(document, "id");
  const auto time = base::parse_time(text_or_empty(document, "time"));
  if (id.empty() || !time) {
    return Error{Code::Invalid, "an event of EventBridge has the members `id` and `time`"};
  }
  LambdaEvent event{.kind = Kind::EventBridge,
                    .from = std::string(text_or_empty(document, "source"))};
  event.records.push_back({.id = memory.keep(id),
                           .shard = {},
                           .key = {},
                           .data = memory.keep(simdjson::minify(detail)),
                           .arrived_at = *time});
  return event;
}

// Headers of a REST API keep the case in which they came.
std::string header_of(dom::element document, std::string_view name) {
  dom::object headers;
  if (document.at_key("headers").get_object().get(headers)) return "";
  std::string_view text;
  return headers.at_key_case_insensitive(name).get_string().get(text) ? "" : std::string(text);
}

Result<LambdaEvent> read_request(dom::element document) {
  LambdaEvent event{.kind = Kind::Http, .from = {}};
  auto& request = event.request;
  request.is_rest = text_or_empty(document, "version") != "2.0";
  if (request.is_rest) {
    request.method = text_or_empty(document, "httpMethod");
    request.path = text_or_empty(document, "path");
  } else {
    dom::element http;
    if (document.at_key("requestContext").at_key("http").get(http)) {
      return Error{Code::Invalid, "requestContext.http: it is missing"};
    }
    request.method = text_or_empty(http, "method");
    request.path = text_or_empty(document, "rawPath");
  }
  request.content_type = header_of(document, "content-type");
  request.content_encoding = header_of(document, "content-encoding");
  request.body = text_or_empty(document, "body");
  bool is_base64 = false;
  if (document.at_key("isBase64Encoded").get_bool().get(is_base64) || !is_base64) return event;
  auto bytes = base::decode_base64(request.body);
  if (!bytes) return Error{Code::Invalid, "body: it is no base64"};
  request.body = std::move(*bytes);
  return event;
}

Result<LambdaEvent> read_document(dom::element document, base::Arena& memory) {
  if (!document.is_object()) return Error{Code::Invalid, "the event is no JSON object"};
  dom::array records;
  dom::element any;
  if (!document.at_key("Records").get_array().get(records)) {
    return read_records(records, memory);
  }
  if (!document.at_key("records").get_array().get(records)) {
    return read_firehose(document, records, memory);
  }
  if (!document.at_key("detail-type").get(any) && !document.at_key("detail").get(any)) {
    return read_event_bridge(document, any, memory);
  }
  if (!document.at_key("requestContext").get(any)) return read_request(document);
  std::string_view command;
  if (!document.at_key("millrace").get_string().get(command)) {
    return LambdaEvent{.kind = Kind::Command, .from = {}, .command = std::string(command)};
  }
  return Error{Code::Invalid, fmt::format("an event of an unknown kind: {}", kKnown)};
}

}  // namespace

struct LambdaEventReader::Parser {
  dom::parser parser;
};

LambdaEventReader::LambdaEventReader() : parser_(std::make_unique<Parser>()) {}
LambdaEventReader::~LambdaEventReader() = default;

Result<LambdaEvent> LambdaEventReader::read(const std::string& body) {
  dom::element document;
  if (const auto error = parser_->parser.parse(body).get(document)) {
    return Error{Code::Invalid,
                 fmt::format("the event is not JSON: {}", simdjson::error_message(error))};
  }
  const auto memory = std::make_shared<base::Arena>(body.size() / 2);
  auto event = TRY(read_document(document, *memory));
  event.owner = memory;
  return event;
}

std::string_view name_in_arn(std::string_view arn) {
  // `…:stream/orders/consumer/app:1613765124` is a consumer of the stream.
  if (const auto at = arn.find(kStreamInArn); at != std::string_view::npos) {
    arn.remove_prefix(at + kStreamInArn.size());
    return arn.substr(0, arn.find('/'));
  }
  const auto end = arn.find_last_of("/:");
  return end == std::string_view::npos ? arn : arn.substr(end + 1);
}

}  // namespace millrace::decode
