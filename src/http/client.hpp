#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "base/units.hpp"
#include "http/message.hpp"

namespace millrace::http {

using namespace base::literals;

struct ClientOptions {
  std::string host = "127.0.0.1";
  std::uint16_t port = 8080;
  std::chrono::milliseconds connect_deadline{5'000};
  std::chrono::milliseconds silence_max{60'000};  ///< nothing was sent or received for so long
  std::uint64_t body_bytes_max = 256_MiB;         ///< of an answer that is kept whole
};

/// What stands before the body of an answer.
struct ResponseHead {
  int status = 0;
  Headers headers;
};

/// Takes the next piece of a body; an error ends the answer and is handed on.
using BodyReader = std::function<base::Result<void>(const ResponseHead&, std::string_view piece)>;

/// One connection to an HTTP/1.1 server, kept alive and opened again as needed. It blocks.
/// Threads: one at a time.
class Client {
 public:
  /// Connects.
  /// Errors  Unavailable: nobody listens there, or no answer in time. Invalid: no such host.
  static base::Result<Client> open(ClientOptions options);
  Client(Client&&) noexcept;
  Client& operator=(Client&&) noexcept;
  ~Client();

  /// Sends `request` and reads the whole answer. Any status is an answer, no error.
  /// Errors  Unavailable: it was certainly not done. Unknown: the connection broke after a request
  /// that is no GET was sent. Exhausted: the answer is too large. Corrupt: it is no HTTP.
  base::Result<Response> send(const Request& request);

  /// The same, but hands the body to `read` as it comes, without a limit of its size.
  /// Errors  also Cancelled: `stop` was asked for.
  base::Result<ResponseHead> stream(const Request& request, const BodyReader& read,
                                    const std::stop_token& stop = {});

 private:
  struct State;
  explicit Client(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace millrace::http
