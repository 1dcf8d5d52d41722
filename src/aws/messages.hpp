#pragma once

#include <cstdint>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "aws/client.hpp"

namespace millrace::aws {

/// A message for a topic, a queue or a stream. The views live as long as the call.
struct Message {
  std::string_view id;  ///< an attribute of it; FIFO: its deduplication id
  std::string_view body;
  std::string_view group;  ///< FIFO: the messages that keep their order; a stream: its partition
};

/// What became of a message.
struct MessagePut {
  enum class What : std::uint8_t { Done, Retry, Refused };
  What what = What::Done;
  std::string error = {};
};

/// Each sends up to so many messages in one call, and gives the outcome of each, in their order.
/// What makes all of them fail is the outcome of each.
inline constexpr std::size_t kSnsMessagesMax = 10;
inline constexpr std::size_t kSqsMessagesMax = 10;
inline constexpr std::size_t kKinesisMessagesMax = 500;

/// Source  SNS API, PublishBatch.
std::vector<MessagePut> publish_to_topic(Client& client, const std::string& topic,
                                         std::span<const Message> messages,
                                         const std::stop_token& stop);
/// Source  SQS API, SendMessageBatch.
std::vector<MessagePut> send_to_queue(Client& client, const std::string& queue,
                                      std::span<const Message> messages,
                                      const std::stop_token& stop);
/// `stream` is a name or an ARN.
/// Source  Kinesis Data Streams API, PutRecords.
std::vector<MessagePut> put_to_stream(Client& client, const std::string& stream,
                                      std::span<const Message> messages,
                                      const std::stop_token& stop);

/// The region that an ARN, or the URL of a queue on AWS, names; empty: none.
std::string region_of(std::string_view place);

}  // namespace millrace::aws
