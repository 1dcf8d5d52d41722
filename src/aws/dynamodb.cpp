#include "aws/dynamodb.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "aws/json_members.hpp"
#include "base/base64.hpp"
#include "base/text.hpp"

namespace millrace::aws {
namespace {

using base::Code;
using base::Error;
using base::Result;
using Json = nlohmann::json;
using Kind = Attribute::Kind;

// DynamoDB's own limit is 32.
constexpr int kDepthMax = 40;
// BatchWriteItem takes no more.
constexpr std::size_t kItemsOfPut = 25;
constexpr int kPutAttempts = 12;
constexpr std::chrono::milliseconds kPutWait{50};

Error no_answer(const std::string& what) {
  return {Code::Corrupt, "DynamoDB answered what is no " + what};
}

std::optional<Kind> kind_of(std::string_view letters) {
  static const std::map<std::string_view, Kind> kKinds{
      {"NULL", Kind::Null},  {"BOOL", Kind::Bool},   {"N", Kind::Number}, {"S", Kind::Text},
      {"B", Kind::Binary},   {"L", Kind::List},      {"M", Kind::Map},    {"NS", Kind::NumberSet},
      {"SS", Kind::TextSet}, {"BS", Kind::BinarySet}};
  const auto found = kKinds.find(letters);
  if (found == kKinds.end()) return std::nullopt;
  return found->second;
}

Kind element_kind(Kind set) {
  return set == Kind::NumberSet ? Kind::Number : set == Kind::TextSet ? Kind::Text : Kind::Binary;
}

Result<Attribute> attribute_of(const Json& json, int depth);

Result<Attribute> scalar_of(Kind kind, const Json& value) {
  if (!value.is_string()) return no_answer("value");
  auto text = value.get<std::string>();
  if (kind != Kind::Binary) return Attribute{.kind = kind, .text = std::move(text)};
  auto bytes = base::decode_base64(text);
  if (!bytes) return no_answer("binary value");
  return Attribute{.kind = kind, .text = std::move(*bytes)};
}

Result<std::vector<NamedAttribute>> fields_of(const Json& json, int depth) {
  if (!json.is_object()) return no_answer("item");
  std::vector<NamedAttribute> fields;  // nlohmann sorts by name
  for (const auto& [name, value] : json.items()) {
    fields.push_back({name, TRY(attribute_of(value, depth + 1))});
  }
  return fields;
}

Result<Attribute> composite_of(Kind kind, const Json& value, int depth) {
  Attribute attribute{.kind = kind};
  if (kind == Kind::Map) {
    attribute.fields = TRY(fields_of(value, depth));
    return attribute;
  }
  if (!value.is_array()) return no_answer("list");
  for (const auto& element : value) {
    attribute.elements.push_back(kind == Kind::List ? TRY(attribute_of(element, depth + 1))
                                                    : TRY(scalar_of(element_kind(kind), element)));
  }
  return attribute;
}

// `{"N": "1"}`
Result<Attribute> attribute_of(const Json& json, int depth) {
  if (!json.is_object() || json.size() != 1 || depth > kDepthMax) return no_answer("value");
  const auto kind = kind_of(json.begin().key());
  const auto& value = json.begin().value();
  if (!kind) return no_answer("value of a known type");
  switch (*kind) {
    case Kind::Null:
      return Attribute{};
    case Kind::Bool:
      if (!value.is_boolean()) return no_answer("value");
      return Attribute{.kind = *kind, .text = value.get<bool>() ? "true" : "false"};
    case Kind::Number:
    case Kind::Text:
    case Kind::Binary:
      return scalar_of(*kind, value);
    default:
      return composite_of(*kind, value, depth);
  }
}

std::string rendered(const Json& request) {
  return request.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Result<std::vector<TableDescription::Key>> declared_of(const Json& table) {
  std::vector<TableDescription::Key> declared;
  const auto* list = member(table, "AttributeDefinitions");
  if (list == nullptr || !list->is_array()) return no_answer("table");
  for (const auto& entry : *list) {
    const auto kind = kind_of(text_of(entry, "AttributeType"));
    const auto name = text_of(entry, "AttributeName");
    if (!kind || name.empty()) return no_answer("attribute definition");
    declared.push_back({name, *kind});
  }
  return declared;
}

struct Asked {
  const std::string& operation;
  const std::string& table;
};

std::string mend_for(const ServiceError& error, const Asked& asked, const std::string& region,
                     const std::string& endpoint) {
  const auto& [operation, table] = asked;
  if (error.code == "ResourceNotFoundException") {
    return fmt::format(
        "make the table in region {}, or check its name, the region and the "
        "endpoint {}",
        region, endpoint);
  }
  if (error.code == "AccessDeniedException") {
    return fmt::format("the policy must allow dynamodb:{} on arn:aws:dynamodb:{}:ACCOUNT:table/{}",
                       operation == "PutItem"          ? "PutItem"
                       : operation == "BatchWriteItem" ? "DescribeTable and dynamodb:BatchWriteItem"
                                                       : "DescribeTable and dynamodb:Scan",
                       region, table);
  }
  return {};
}

/// `{"N": "1"}`: as `attribute_of` reads it.
Json json_of(const Attribute& attribute) {
  const auto texts = [&](const auto& of) {
    Json list = Json::array();
    for (const auto& element : attribute.elements) list.push_back(of(element));
    return list;
  };
  const auto text = [](const Attribute& element) { return Json(element.text); };
  const auto bytes = [](const Attribute& element) {
    std::string encoded;
    base::append_base64(element.text, encoded);
    return Json(encoded);
  };
  switch (attribute.kind) {
    case Kind::Null:
      return {{"NULL", true}};
    case Kind::Bool:
      return {{"BOOL", attribute.text == "true"}};
    case Kind::Number:
      return {{"N", attribute.text}};
    case Kind::Text:
      return {{"S", attribute.text}};
    case Kind::Binary:
      return {{"B", bytes(attribute)}};
    case Kind::List:
      return {{"L", texts(json_of)}};
    case Kind::NumberSet:
      return {{"NS", texts(text)}};
    case Kind::TextSet:
      return {{"SS", texts(text)}};
    case Kind::BinarySet:
      return {{"BS", texts(bytes)}};
    case Kind::Map:
      break;
  }
  Json fields = Json::object();
  for (const auto& field : attribute.fields) fields[field.name] = json_of(field.value);
  return {{"M", fields}};
}

Json item_json(const Item& item) {
  Json fields = Json::object();
  for (const auto& field : item) fields[field.name] = json_of(field.value);
  return fields;
}

Json put_requests(std::span<const Item> items) {
  Json requests = Json::array();
  for (const auto& item : items) {
    requests.push_back({{"PutRequest", {{"Item", item_json(item)}}}});
  }
  return requests;
}

}  // namespace

Result<DynamoDb> DynamoDb::open(Client& client, const std::string& region) {
  auto settings = client.settings();
  if (!region.empty()) settings.region = region;
  auto endpoint = TRY(settings.endpoint(kDynamoDb));
  return DynamoDb(client, settings.region, std::move(endpoint));
}

Error DynamoDb::refused(const ServiceError& error, const std::string& operation,
                        const std::string& table) const {
  auto told =
      error.as_error(fmt::format("{} of the DynamoDB table {}", operation, base::printable(table)));
  const auto mend =
      mend_for(error, {operation, table}, region_.empty() ? "us-east-1" : region_, endpoint_);
  if (!mend.empty()) told.message += " (" + mend + ")";
  return told;
}

Result<Outcome> DynamoDb::call(const std::string& operation, std::string body,
                               const std::string& table, const std::stop_token& stop) const {
  return client_
      ->call_json(kDynamoDb,
                  {.operation = operation,
                   .body = std::move(body),
                   .endpoint = endpoint_,
                   .region = region_},
                  stop)
      .context("the DynamoDB table " + base::printable(table));
}

Result<std::string> DynamoDb::ask(const std::string& operation, std::string body,
                                  const std::string& table, const std::stop_token& stop) const {
  auto outcome = TRY(call(operation, std::move(body), table, stop));
  if (const auto* error = std::get_if<ServiceError>(&outcome)) {
    return refused(*error, operation, table);
  }
  return std::move(std::get<http::Response>(outcome).body);
}

Result<TableDescription> DynamoDb::describe(const std::string& table, const std::stop_token& stop) {
  const auto body = TRY(ask("DescribeTable", rendered(Json{{"TableName", table}}), table, stop));
  const auto document = Json::parse(body, nullptr, false);
  const auto* described = document.is_object() ? member(document, "Table") : nullptr;
  if (described == nullptr || !described->is_object()) return no_answer("table");
  TableDescription out{.status = text_of(*described, "TableStatus")};
  // A table that is changed, and one whose key is gone for a while, can be read.
  out.is_ready = out.status != "CREATING" && out.status != "DELETING";
  out.declared = TRY(declared_of(*described));
  const auto* keys = member(*described, "KeySchema");
  if (keys == nullptr || !keys->is_array()) return no_answer("table");
  for (const char* type : {"HASH", "RANGE"}) {
    for (const auto& key : *keys) {
      if (text_of(key, "KeyType") != type) continue;
      const auto found = std::ranges::find(out.declared, text_of(key, "AttributeName"),
                                           &TableDescription::Key::name);
      if (found != out.declared.end()) out.keys.push_back(*found);
    }
  }
  if (out.keys.empty()) return no_answer("table with a key");
  return out;
}

Result<ScanPage> DynamoDb::scan(const ScanOptions& options, const std::stop_token& stop) {
  Json request{{"TableName", options.table},
               {"Segment", options.segment},
               {"TotalSegments", options.segments},
               {"ConsistentRead", options.is_consistent},
               {"ReturnConsumedCapacity", "TOTAL"}};
  if (options.items_max > 0) request["Limit"] = options.items_max;
  if (!options.after.empty()) request["ExclusiveStartKey"] = Json::parse(options.after);
  std::vector<std::string> names;
  for (const auto& attribute : options.attributes) {
    names.push_back(fmt::format("#a{}", names.size()));  // names may be reserved words
    request["ExpressionAttributeNames"][names.back()] = attribute;
  }
  if (!names.empty()) request["ProjectionExpression"] = base::join(names, ",");
  const auto body = TRY(ask("Scan", rendered(request), options.table, stop));
  const auto document = Json::parse(body, nullptr, false);
  const auto* items = document.is_object() ? member(document, "Items") : nullptr;
  if (items == nullptr || !items->is_array()) return no_answer("page of a scan");
  ScanPage page;
  page.items.reserve(items->size());
  for (const auto& item : *items) page.items.push_back(TRY(fields_of(item, 0)));
  const auto* last = member(document, "LastEvaluatedKey");
  if (last != nullptr && last->is_object() && !last->empty()) page.next = last->dump();
  const auto* used = member(document, "ConsumedCapacity");
  const auto* units =
      used != nullptr && used->is_object() ? member(*used, "CapacityUnits") : nullptr;
  if (units != nullptr && units->is_number()) page.units_used = units->get<double>();
  return page;
}

Result<std::string> DynamoDb::put_some(const std::string& table, const std::string& requests,
                                       const std::stop_token& stop) const {
  const Json request{{"RequestItems", {{table, Json::parse(requests)}}}};
  const auto body = TRY(ask("BatchWriteItem", rendered(request), table, stop));
  const auto document = Json::parse(body, nullptr, false);
  if (!document.is_object()) return no_answer("answer to items");
  const auto* left = member(document, "UnprocessedItems");
  if (left == nullptr || !left->is_object() || left->empty()) return std::string();
  return left->begin().value().dump();
}

Result<void> DynamoDb::put_all(const std::string& table, std::span<const Item> items,
                               const Pause& pause, const std::stop_token& stop) {
  for (std::size_t at = 0; at < items.size(); at += kItemsOfPut) {
    auto left = rendered(put_requests(items.subspan(at, std::min(kItemsOfPut, items.size() - at))));
    for (int attempt = 0; !left.empty(); ++attempt) {
      if (attempt == kPutAttempts) {
        return Error{Code::Exhausted,
                     fmt::format("DynamoDB left items of {} over {} times: it is written to faster "
                                 "than it may be; come again later",
                                 base::printable(table), attempt)};
      }
      if (attempt > 0 && !pause(kPutWait * (1 << std::min(attempt, 7)), stop)) {
        return Error{Code::Cancelled, "stopped"};
      }
      left = TRY(put_some(table, left, stop));
    }
  }
  return {};
}

Result<std::variant<ItemPut, ItemNotPut>> DynamoDb::put(const ConditionalPut& wanted,
                                                        const std::stop_token& stop) {
  using Told = std::variant<ItemPut, ItemNotPut>;
  Json request{{"TableName", wanted.table},
               {"Item", item_json(wanted.item)},
               {"ReturnValuesOnConditionCheckFailure", "ALL_OLD"}};
  if (wanted.expected) {
    request["ConditionExpression"] = "#a = :a";
    request["ExpressionAttributeNames"] = {{"#a", wanted.expected->name}};
    request["ExpressionAttributeValues"] = {{":a", json_of(wanted.expected->value)}};
  } else {
    request["ConditionExpression"] = "attribute_not_exists(#a)";
    request["ExpressionAttributeNames"] = {{"#a", wanted.key}};
  }
  auto outcome = TRY(call("PutItem", rendered(request), wanted.table, stop));
  const auto* error = std::get_if<ServiceError>(&outcome);
  if (error == nullptr) return Told(ItemPut{});
  if (error->code != "ConditionalCheckFailedException") {
    return refused(*error, "PutItem", wanted.table);
  }
  const auto document = Json::parse(error->body, nullptr, false);
  const auto* there = document.is_object() ? member(document, "Item") : nullptr;
  if (there == nullptr) return Told(ItemNotPut{});
  return Told(ItemNotPut{TRY(fields_of(*there, 0))});
}

}  // namespace millrace::aws
