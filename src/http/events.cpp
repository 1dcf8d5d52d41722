#include "http/events.hpp"

#include <algorithm>
#include <array>

namespace millrace::http::events {
namespace {

using base::Level;

// Whoever sets routes that are no patterns gets `other` from here on, not a number for each.
constexpr std::size_t kHandlesMax = 2000;

std::string_view method_label(std::string_view method) {
  static constexpr std::array<std::string_view, 7> kKnown{"GET",    "HEAD",    "POST", "PUT",
                                                          "DELETE", "OPTIONS", "PATCH"};
  return std::ranges::find(kKnown, method) == kKnown.end() ? "other" : method;
}

std::string status_label(int status) {
  return status == 0 ? "disconnected" : std::to_string(status);
}

}  // namespace

void listening(base::Telemetry telemetry, std::string_view address) {
  telemetry.log.write(Level::Info, "http.listening", {{"address", address}});
}

void stopped(base::Telemetry telemetry, std::string_view address, std::size_t cut_count) {
  telemetry.log.write(Level::Info, "http.stopped",
                      {{"address", address}, {"connections_cut", cut_count}});
}

void accept_failed(base::Telemetry telemetry, const std::string& error) {
  telemetry.metrics
      .counter("millrace_http_accept_failures_total", "Connections that could not be accepted.")
      .add();
  if (error.empty()) return;
  telemetry.log.write(Level::Warn, "http.accept_failed", {{"error", error}});
}

void too_many_connections(base::Telemetry telemetry, std::size_t connections_max) {
  telemetry.metrics
      .counter("millrace_http_connections_refused_total",
               "Connections refused because as many as allowed were open.")
      .add();
  telemetry.log.write(Level::Debug, "http.too_many_connections",
                      {{"connections_max", connections_max}});
}

TrafficCounts::TrafficCounts(base::Telemetry telemetry)
    : telemetry_(telemetry),
      received_(telemetry.metrics.counter("millrace_http_received_bytes_total",
                                          "Bytes received over HTTP.")),
      sent_(telemetry.metrics.counter("millrace_http_sent_bytes_total", "Bytes sent over HTTP.")),
      connections_(telemetry.metrics.gauge("millrace_http_connections", "Open connections.")),
      ended_(telemetry.metrics.counter("millrace_http2_connections_ended_total",
                                       "HTTP/2 connections ended for errors or floods.")) {}

void TrafficCounts::answered(const Answered& request) {
  auto& [requests, seconds] = handles(request);
  requests.add();
  seconds.observe(request.seconds);
}

void TrafficCounts::refused(std::string_view peer, std::string_view method, int status,
                            std::string_view body) {
  handles({.method = method, .status = status}).requests.add();
  telemetry_.log.write(Level::Debug, "http.refused",
                       {{"peer", peer}, {"status", status}, {"answer", body}});
}

void TrafficCounts::ended(std::string_view peer, std::string_view reason) {
  ended_.add();
  telemetry_.log.write(Level::Debug, "http.connection_ended", {{"peer", peer}, {"reason", reason}});
}

TrafficCounts::Handles& TrafficCounts::handles(const Answered& request) {
  const std::string status = status_label(request.status);
  std::string_view route = request.route.empty() ? "none" : request.route;
  const auto method = method_label(request.method);
  for (;;) {
    key_.assign(route).append(" ").append(method).append(" ").append(status);
    if (const auto found = handles_.find(key_); found != handles_.end()) return found->second;
    if (handles_.size() < kHandlesMax || route == "other") break;
    route = "other";
  }
  const Handles made{
      .requests = telemetry_.metrics.counter(
          "millrace_http_requests_total", "Requests answered.",
          {{"route", std::string(route)}, {"method", std::string(method)}, {"status", status}}),
      .seconds = telemetry_.metrics.histogram(
          "millrace_http_request_seconds", "From the whole request to the whole answer.",
          base::latency_bounds(), {{"route", std::string(route)}})};
  return handles_.emplace(key_, made).first->second;
}

}  // namespace millrace::http::events
