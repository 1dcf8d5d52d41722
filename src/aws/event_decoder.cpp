#include "aws/event_decoder.hpp"

#include <aws/event-stream/event_stream.h>

#include "aws/library.hpp"
#include "base/units.hpp"

namespace millrace::aws {
namespace {

using base::Code;
using base::Error;
using base::Result;
using namespace base::literals;

constexpr std::size_t kSmallest = AWS_EVENT_STREAM_PRELUDE_LENGTH + AWS_EVENT_STREAM_TRAILER_LENGTH;
// A payload has 16 MiB at most, headers 128 KiB.
constexpr std::size_t kLargest = 24_MiB;

std::size_t size_of(std::string_view prelude) {
  std::size_t size = 0;
  for (const char byte : prelude.substr(0, 4)) size = size << 8 | static_cast<std::uint8_t>(byte);
  return size;
}

Result<void> read_headers(const aws_event_stream_message& message, EventMessage& read) {
  aws_array_list list;
  if (aws_event_stream_headers_list_init(&list, library()) != AWS_OP_SUCCESS) {
    return Error{Code::Exhausted, last_library_error()};
  }
  const std::unique_ptr<aws_array_list, decltype(&aws_event_stream_headers_list_cleanup)> owner(
      &list, aws_event_stream_headers_list_cleanup);
  if (aws_event_stream_message_headers(&message, &list) != AWS_OP_SUCCESS) {
    return Error{Code::Corrupt, "the headers of a message: " + last_library_error()};
  }
  for (std::size_t i = 0; i < aws_array_list_length(&list); ++i) {
    void* at = nullptr;
    aws_array_list_get_at_ptr(&list, &at, i);
    const auto& header = *static_cast<const aws_event_stream_header_value_pair*>(at);
    if (header.header_value_type != AWS_EVENT_STREAM_HEADER_STRING) continue;
    read.headers.emplace(
        std::string(header.header_name, header.header_name_len),
        std::string(reinterpret_cast<const char*>(header.header_value.variable_len_val),
                    header.header_value_len));
  }
  return {};
}

Result<void> take(std::string_view bytes, const EventDecoder::OnMessage& on_message) {
  aws_event_stream_message message;
  aws_byte_buf buffer =
      aws_byte_buf_from_array(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
  if (aws_event_stream_message_from_buffer(&message, library(), &buffer) != AWS_OP_SUCCESS) {
    return Error{Code::Corrupt, "a message: " + last_library_error()};
  }
  EventMessage read;
  TRY(read_headers(message, read));
  read.payload = {reinterpret_cast<const char*>(aws_event_stream_message_payload(&message)),
                  aws_event_stream_message_payload_len(&message)};
  return on_message(read);
}

}  // namespace

std::string_view EventMessage::header(std::string_view name) const {
  const auto found = headers.find(name);
  return found == headers.end() ? std::string_view() : found->second;
}

Result<void> EventDecoder::feed(std::string_view piece, const OnMessage& on_message) {
  rest_ += piece;
  std::string_view left = rest_;
  while (left.size() >= kSmallest) {
    const auto size = size_of(left);
    if (size < kSmallest || size > kLargest) {
      return Error{Code::Corrupt, "a message of an event stream has an impossible size"};
    }
    if (left.size() < size) break;
    TRY(take(left.substr(0, size), on_message));
    left.remove_prefix(size);
  }
  rest_.erase(0, rest_.size() - left.size());
  return {};
}

}  // namespace millrace::aws
