#include "aws/event_decoder.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "aws/test_kinesis.hpp"

namespace millrace::aws {
namespace {

std::string picture(EventDecoder& decoder, std::string_view bytes, std::size_t step) {
  std::string text;
  for (std::size_t at = 0; at < bytes.size(); at += step) {
    const auto fed = decoder.feed(bytes.substr(at, step), [&](const EventMessage& message) {
      text += std::string(message.header(":event-type")) + "=" + std::string(message.payload) + " ";
      return base::Result<void>();
    });
    if (!fed) return text + fed.error().text();
  }
  return text;
}

TEST(EventDecoder, GivesWholeMessagesHoweverTheBytesAreCut) {
  const auto bytes = event_frame({{":event-type", "a"}, {":message-type", "event"}}, "{}") +
                     event_frame({{":event-type", "b"}}, "") + event_frame({}, "12345");
  for (const std::size_t step : {1UL, 2UL, 7UL, 30UL, bytes.size()}) {
    EventDecoder decoder;
    EXPECT_EQ(picture(decoder, bytes, step), "a={} b= =12345 ") << step;
    EXPECT_TRUE(decoder.is_at_end());
  }
  EventDecoder decoder;
  EXPECT_EQ(picture(decoder, bytes.substr(0, bytes.size() - 1), 11), "a={} b= ");
  EXPECT_FALSE(decoder.is_at_end());
}

TEST(EventDecoder, RefusesAnyByteThatWasChanged) {
  const auto bytes = event_frame({{":event-type", "a"}}, "{\"x\":1}");
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    auto bad = bytes;
    bad[at] = static_cast<char>(bad[at] ^ 0x10);
    EventDecoder decoder;
    bool is_taken = false;
    const auto fed = decoder.feed(bad, [&](const EventMessage&) {
      is_taken = true;
      return base::Result<void>();
    });
    EXPECT_FALSE(is_taken) << at;
    // A larger size waits for more bytes; anything else is refused at once.
    EXPECT_TRUE(fed || fed.error().code == base::Code::Corrupt) << at;
    EXPECT_TRUE(!fed || !decoder.is_at_end()) << at;
  }
}

}  // namespace
}  // namespace millrace::aws
