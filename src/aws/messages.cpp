#include "aws/messages.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "aws/digest.hpp"
#include "aws/xml.hpp"
#include "base/base64.hpp"

namespace millrace::aws {
namespace {

using base::Code;
using base::Error;
using nlohmann::json;
using What = MessagePut::What;

constexpr std::size_t kGroupBytesMax = 128;
constexpr std::size_t kPartitionKeyBytesMax = 256;

bool is_fifo(std::string_view place) {
  return place.ends_with(".fifo");
}

// Groups of a FIFO queue have letters, digits and punctuation only; others go by their hash.
std::string group_id(std::string_view group) {
  const bool is_plain =
      !group.empty() && group.size() <= kGroupBytesMax &&
      std::ranges::all_of(group, [](unsigned char c) { return c > 0x20 && c < 0x7F; });
  return is_plain ? std::string(group) : sha256_hex(group);
}

std::vector<MessagePut> all(std::size_t count, What what, const std::string& error) {
  return std::vector<MessagePut>(count, MessagePut{what, error});
}

// A refusal that another attempt, or an operator, can mend is not the end of a message.
std::vector<MessagePut> all_failed(std::size_t count, const Error& error) {
  return all(count, error.code == Code::Invalid ? What::Refused : What::Retry, error.message);
}

/// Marks what an answer says of entries by their ids, which are their indices.
class Marks {
 public:
  explicit Marks(std::size_t count)
      : puts_(all(count, What::Retry, "the answer does not say what became of it")) {}

  void done(std::string_view id) { mark(id, {}); }
  void failed(std::string_view id, bool is_senders_fault, std::string_view code,
              std::string_view message) {
    mark(id,
         {is_senders_fault ? What::Refused : What::Retry, fmt::format("{}: {}", code, message)});
  }
  std::vector<MessagePut> take() { return std::move(puts_); }

 private:
  void mark(std::string_view id, MessagePut put) {
    std::size_t index = puts_.size();
    std::from_chars(id.data(), id.data() + id.size(), index);
    if (index < puts_.size()) puts_[index] = std::move(put);
  }
  std::vector<MessagePut> puts_;
};

}  // namespace

std::vector<MessagePut> publish_to_topic(Client& client, const std::string& topic,
                                         std::span<const Message> messages,
                                         const std::stop_token& stop) {
  QueryCall call{.action = "PublishBatch", .parameters = {{"TopicArn", topic}}};
  for (std::size_t i = 0; i < messages.size(); ++i) {
    const auto add = [&](std::string_view key, std::string_view value) {
      call.parameters.emplace_back(
          fmt::format("PublishBatchRequestEntries.member.{}.{}", i + 1, key), value);
    };
    add("Id", std::to_string(i));
    add("Message", messages[i].body);
    add("MessageAttributes.entry.1.Name", "id");
    add("MessageAttributes.entry.1.Value.DataType", "String");
    add("MessageAttributes.entry.1.Value.StringValue", messages[i].id);
    if (!is_fifo(topic)) continue;
    add("MessageGroupId", group_id(messages[i].group));
    add("MessageDeduplicationId", messages[i].id);
  }
  const auto outcome = client.call_query(kSns, call, stop);
  if (!outcome) return all_failed(messages.size(), outcome.error());
  if (const auto* refused = std::get_if<ServiceError>(&*outcome)) {
    return all_failed(messages.size(), refused->as_error("publishing to " + topic));
  }
  const auto document = parse_xml(std::get<http::Response>(*outcome).body);
  if (!document) return all_failed(messages.size(), {Code::Unknown, document.error().message});
  Marks marks(messages.size());
  const auto* result = document->child("PublishBatchResult");
  if (!result) return marks.take();
  if (const auto* done = result->child("Successful")) {
    for (const auto& one : done->children) marks.done(one.value("Id"));
  }
  if (const auto* failed = result->child("Failed")) {
    for (const auto& one : failed->children) {
      marks.failed(one.value("Id"), one.value("SenderFault") == "true", one.value("Code"),
                   one.value("Message"));
    }
  }
  return marks.take();
}

std::vector<MessagePut> send_to_queue(Client& client, const std::string& queue,
                                      std::span<const Message> messages,
                                      const std::stop_token& stop) {
  json body{{"QueueUrl", queue}, {"Entries", json::array()}};
  for (std::size_t i = 0; i < messages.size(); ++i) {
    json entry{
        {"Id", std::to_string(i)},
        {"MessageBody", messages[i].body},
        {"MessageAttributes", {{"id", {{"DataType", "String"}, {"StringValue", messages[i].id}}}}}};
    if (is_fifo(queue)) {
      entry["MessageGroupId"] = group_id(messages[i].group);
      entry["MessageDeduplicationId"] = messages[i].id;
    }
    body["Entries"].push_back(std::move(entry));
  }
  const auto outcome = client.call_json(kSqs, {"SendMessageBatch", body.dump()}, stop);
  if (!outcome) return all_failed(messages.size(), outcome.error());
  if (const auto* refused = std::get_if<ServiceError>(&*outcome)) {
    return all_failed(messages.size(), refused->as_error("sending to " + queue));
  }
  const auto answer = json::parse(std::get<http::Response>(*outcome).body, nullptr, false);
  Marks marks(messages.size());
  if (!answer.is_object()) return marks.take();
  for (const auto& one : answer.value("Successful", json::array())) {
    marks.done(one.value("Id", ""));
  }
  for (const auto& one : answer.value("Failed", json::array())) {
    marks.failed(one.value("Id", ""), one.value("SenderFault", false), one.value("Code", ""),
                 one.value("Message", ""));
  }
  return marks.take();
}

std::vector<MessagePut> put_to_stream(Client& client, const std::string& stream,
                                      std::span<const Message> messages,
                                      const std::stop_token& stop) {
  json body{{stream.starts_with("arn:") ? "StreamARN" : "StreamName", stream},
            {"Records", json::array()}};
  for (const auto& message : messages) {
    const bool fits = !message.group.empty() && message.group.size() <= kPartitionKeyBytesMax;
    body["Records"].push_back(
        {{"Data", base::base64(message.body)},
         {"PartitionKey", fits ? std::string(message.group) : sha256_hex(message.group)}});
  }
  const auto outcome = client.call_json(
      kKinesis, {"PutRecords", body.dump(-1, ' ', false, json::error_handler_t::replace)}, stop);
  if (!outcome) return all_failed(messages.size(), outcome.error());
  if (const auto* refused = std::get_if<ServiceError>(&*outcome)) {
    return all_failed(messages.size(), refused->as_error("putting records to " + stream));
  }
  const auto answer = json::parse(std::get<http::Response>(*outcome).body, nullptr, false);
  Marks marks(messages.size());
  if (!answer.is_object()) return marks.take();
  std::size_t index = 0;
  for (const auto& one : answer.value("Records", json::array())) {
    const auto id = std::to_string(index++);
    if (one.contains("ErrorCode") && one["ErrorCode"].is_string()) {
      marks.failed(id, false, one.value("ErrorCode", ""), one.value("ErrorMessage", ""));
    } else {
      marks.done(id);
    }
  }
  return marks.take();
}

std::string region_of(std::string_view place) {
  const auto part = [](std::string_view text, char separator, int number) {
    for (int i = 0; i < number; ++i) {
      const auto at = text.find(separator);
      if (at == std::string_view::npos) return std::string_view();
      text.remove_prefix(at + 1);
    }
    return text.substr(0, text.find(separator));
  };
  if (place.starts_with("arn:")) return std::string(part(place, ':', 3));
  const auto host = part(place, '/', 2);
  const bool is_own = host.starts_with("sqs.") && host.find(".amazonaws.com") != host.npos;
  return is_own ? std::string(part(host, '.', 1)) : "";
}

}  // namespace millrace::aws
