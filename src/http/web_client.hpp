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
#include "http/client.hpp"
#include "http/message.hpp"

namespace millrace::http {

using namespace base::literals;

struct WebClientOptions {
  std::string ca_file = {};  ///< whom it trusts, PEM; empty: SSL_CERT_FILE's, or the system's
  std::size_t idle_connections_max = 32;
};

/// A request to any server of the web.
struct WebRequest {
  enum class Proxies : std::uint8_t { FromEnvironment, None };
  /// Link-local addresses are where machines in a cloud find their own keys.
  enum class Peers : std::uint8_t { Any, NotLinkLocal };

  std::string method = "GET";
  std::string url;  ///< `https://host/path?query`, percent-encoded; sent as it is
  Headers headers = {};
  std::string_view body = {};
  std::chrono::milliseconds connect_deadline{5'000};
  std::chrono::milliseconds silence_max{60'000};  ///< nothing was sent or received for so long
  std::chrono::milliseconds deadline{0};          ///< of all of it; 0: none
  std::uint64_t body_bytes_max = 256_MiB;         ///< of an answer that is kept whole
  Proxies proxies = Proxies::FromEnvironment;     ///< `https_proxy`, `http_proxy`, `no_proxy`
  Peers peers = Peers::Any;                       ///< whom it connects to, whatever names say
};

/// Sends requests over HTTP and HTTPS and keeps connections for the next ones. It blocks.
/// Certificates are always verified. Redirects are answers, not followed.
/// Threads: safe from any; each request in flight has a connection of its own.
class WebClient {
 public:
  /// Errors  NotFound: `ca_file` cannot be read.
  static base::Result<std::unique_ptr<WebClient>> open(WebClientOptions options = {});
  WebClient(const WebClient&) = delete;
  WebClient& operator=(const WebClient&) = delete;
  ~WebClient();

  /// Sends `request` and reads the whole answer. Any status is an answer, no error.
  /// Errors  Unavailable: it was certainly not done. Unknown: it broke or took too long after a
  /// request that is no GET or HEAD was sent. Invalid: not a URL, a certificate that is not
  /// trusted. Exhausted: the answer is too large. Cancelled: `stop` was asked for.
  base::Result<Response> send(const WebRequest& request, const std::stop_token& stop = {});

  /// The same, but hands the body to `read` as it comes, without a limit of its size.
  base::Result<ResponseHead> stream(const WebRequest& request, const BodyReader& read,
                                    const std::stop_token& stop = {});

 private:
  struct Line;
  explicit WebClient(WebClientOptions options);
  std::unique_ptr<Line> take(const std::string& host);
  void give_back(std::unique_ptr<Line> line);

  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace millrace::http
