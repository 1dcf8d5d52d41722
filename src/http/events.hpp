#pragma once

#include <string>
#include <string_view>
#include <unordered_map>

#include "base/telemetry.hpp"

namespace millrace::http::events {

void listening(base::Telemetry telemetry, std::string_view address);
void stopped(base::Telemetry telemetry, std::string_view address, std::size_t cut_count);
/// An empty error is only counted.
void accept_failed(base::Telemetry telemetry, const std::string& error);
void too_many_connections(base::Telemetry telemetry, std::size_t connections_max);

/// One answered or broken request.
struct Answered {
  std::string_view route;   ///< its pattern; empty: none
  std::string_view method;  ///< as sent
  int status = 0;           ///< 0: the client went away before the whole answer was handed over
  double seconds = 0;       ///< from the whole request to the whole answer
};

/// The numbers of requests and bytes. It remembers their handles, as a look-up by labels for each
/// request would be slow.
/// Threads: one at a time; the numbers themselves are shared.
class TrafficCounts {
 public:
  explicit TrafficCounts(base::Telemetry telemetry);

  void answered(const Answered& request);
  void refused(std::string_view peer, std::string_view method, int status, std::string_view body);
  /// A connection of HTTP/2 was ended for what the client did on it.
  void ended(std::string_view peer, std::string_view reason);
  void received(std::size_t byte_count) { received_.add(static_cast<double>(byte_count)); }
  void sent(std::size_t byte_count) { sent_.add(static_cast<double>(byte_count)); }
  void connected() { connections_.add(1); }
  void disconnected() { connections_.add(-1); }

 private:
  struct Handles {
    base::Counter requests;
    base::Histogram seconds;
  };
  Handles& handles(const Answered& request);

  const base::Telemetry telemetry_;
  base::Counter received_;
  base::Counter sent_;
  base::Gauge connections_;
  base::Counter ended_;
  std::unordered_map<std::string, Handles> handles_;
  std::string key_;
};

}  // namespace millrace::http::events
