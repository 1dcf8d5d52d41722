#include "source/kafka_headers.hpp"

#include <librdkafka/rdkafka.h>

#include <algorithm>

namespace millrace::source {
namespace {

constexpr std::uint64_t kHeaderBytes = 64;  // beside name and value, about

}  // namespace

void read_kafka_headers(const KafkaHeaderNames& wanted, KafkaEvent& event) {
  rd_kafka_headers_t* headers = nullptr;  // the message's
  if (rd_kafka_message_headers(event.message.get(), &headers) != RD_KAFKA_RESP_ERR_NO_ERROR) return;
  const char* text = nullptr;
  const void* value = nullptr;
  std::size_t size = 0;
  for (std::size_t i = 0;
       rd_kafka_header_get_all(headers, i, &text, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR;
       ++i) {
    const std::string_view name(text);
    event.header_bytes += kHeaderBytes + name.size() + size;
    if (!wanted.contains(name)) continue;
    auto found = std::ranges::find(event.headers, name, &base::Header::name);
    if (found == event.headers.end()) found = event.headers.insert(found, {name, std::nullopt});
    found->value.reset();
    if (value != nullptr) found->value.emplace(static_cast<const char*>(value), size);
  }
}

}  // namespace millrace::source
