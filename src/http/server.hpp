#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "base/telemetry.hpp"
#include "base/units.hpp"
#include "http/exchange.hpp"
#include "http/tls.hpp"

namespace millrace::http {

using namespace base::literals;

/// What one request may cost.
struct RequestLimits {
  std::uint64_t header_bytes_max = 16_KiB;
  std::size_t headers_max = 100;
  std::uint64_t target_bytes_max = 8_KiB;
  std::uint64_t body_bytes_max = 16_MiB;          ///< as sent; 10 MiB as base64 must fit
  std::uint64_t body_decoded_bytes_max = 64_MiB;  ///< decompressed
  std::uint64_t ratio_max = 100;                  ///< decompressed to sent, past `ratio_free_bytes`
  std::uint64_t ratio_free_bytes = 1_MiB;
};

/// How long a client may take.
struct ServerDeadlines {
  std::chrono::milliseconds header{10'000};      ///< from its first byte to its end
  std::chrono::milliseconds body{300'000};       ///< the whole body
  std::chrono::milliseconds body_grace{10'000};  ///< before the rate below counts
  std::uint64_t body_bytes_per_second_min = 4_KiB;
  std::chrono::milliseconds idle{60'000};         ///< between two requests
  std::chrono::milliseconds write_stall{30'000};  ///< it takes nothing of an answer
  std::chrono::milliseconds drain{10'000};        ///< a gentle stop waits for answers
};

struct ServerOptions {
  std::string host = "127.0.0.1";  ///< an address, or a name that stands for one
  std::uint16_t port = 8080;       ///< 0: any free one
  std::size_t threads = 2;
  std::size_t connections_max = 1024;
  std::size_t streams_max = 128;             ///< requests at once on one connection of HTTP/2
  std::uint64_t bodies_bytes_max = 256_MiB;  ///< of all requests in flight together
  std::uint64_t unsent_bytes_max = 1_MiB;    ///< of one streaming answer; then the writer waits
  RequestLimits limits = {};
  ServerDeadlines deadlines = {};
  /// The hosts that a request may name (without port); empty: any. Against web pages that have
  /// their own name resolved to this machine (DNS rebinding).
  std::vector<std::string> hosts_allowed = {};
  /// With it the port speaks TLS; then only clients on this machine may do without.
  std::optional<TlsOptions> tls = {};
};

enum class Drain : std::uint8_t {
  Gently,  ///< no new requests; answers that are begun are completed, within a deadline
  Now,
};

/// True for `localhost`, 127.0.0.0/8 and ::1, with or without brackets.
bool is_loopback(std::string_view host);
/// What `hosts_allowed` should be for a server on a loopback address.
std::vector<std::string> loopback_hosts();

/// A server of HTTP/1.1 and, to clients that begin with its preface, HTTP/2. Its threads wait for
/// sockets and call the handler; they never block. Each connection stays with one thread. HTTP/1.1
/// has one request of a connection answered at a time, HTTP/2 up to `streams_max`.
class Server {
 public:
  /// Listens and serves. Clock and telemetry must outlive the server and all exchanges.
  /// Errors  Unavailable: the port is in use. Denied: it may not be opened. Invalid: no such
  /// address, a setting out of range, or of `tls` see Tls::open.
  static base::Result<std::unique_ptr<Server>> start(ServerOptions options, Handler handler,
                                                     const base::Clock& clock,
                                                     base::Telemetry telemetry);
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  /// Stops now.
  ~Server();

  std::uint16_t port() const;
  /// `127.0.0.1:8080`, with the port that was taken.
  std::string address() const;

  /// Ends the server; returns when its threads have ended. Exchanges that are left may still be
  /// answered, to nobody. Threads: from any but the handler's; a second call waits for the first,
  /// `Now` after `Gently` cuts it short.
  void stop(Drain drain);

 private:
  struct State;
  explicit Server(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace millrace::http
