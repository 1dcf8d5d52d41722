#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace millrace::aws {

/// One message of `application/vnd.amazon.eventstream`.
struct EventMessage {
  std::map<std::string, std::string, std::less<>> headers;  ///< those that are texts
  std::string_view payload;

  std::string_view header(std::string_view name) const;
};

/// Takes an event stream apart as its bytes come. Threads: one at a time.
/// Source  the event stream encoding of Smithy.
class EventDecoder {
 public:
  using OnMessage = std::function<base::Result<void>(const EventMessage&)>;

  /// Takes the next bytes and hands on each message that is whole; what the message's views point
  /// to lives as long as the call of `on_message`.
  /// Errors  Corrupt: no such message, a wrong checksum, above 24 MiB. Those of `on_message`.
  base::Result<void> feed(std::string_view piece, const OnMessage& on_message);
  /// Whether the bytes so far end with a message.
  bool is_at_end() const { return rest_.empty(); }

 private:
  std::string rest_;
};

}  // namespace millrace::aws
