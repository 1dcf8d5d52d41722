#include "kinesis/service.hpp"

#include <fmt/format.h>

#include <optional>
#include <utility>

#include "base/text.hpp"
#include "http/server.hpp"
#include "kinesis/fault.hpp"
#include "kinesis/operations.hpp"
#include "kinesis/shapes.hpp"

namespace millrace::kinesis {

using base::Result;

namespace {

constexpr std::string_view kTargetPrefix = "Kinesis_20131202.";
// What is larger is read by other threads than those of the sockets.
constexpr std::size_t kInlineBytesMax = std::size_t{64} << 10;

Encoding encoding_of(const http::Request& request) {
  return request.headers.value("Content-Type").starts_with("application/x-amz-cbor-1.1")
             ? Encoding::Cbor
             : Encoding::Json;
}

bool is_known_type(std::string_view type) {
  return type.starts_with("application/x-amz-json-1.1") || type.starts_with("application/json") ||
         type.starts_with("application/x-amz-cbor-1.1");
}

std::string_view operation_of(const http::Request& request) {
  const auto target = request.headers.value("X-Amz-Target");
  return target.starts_with(kTargetPrefix) ? target.substr(kTargetPrefix.size())
                                           : std::string_view();
}

Result<void> only_from_this_machine(const http::Request& request) {
  const auto host = request.peer.substr(0, request.peer.rfind(':'));
  if (http::is_loopback(host)) return {};
  return fault(
      kAccessDenied,
      "Without configured access keys, Kinesis requests are taken from this machine only.");
}

}  // namespace

Service::Service(ServiceParts parts)
    : tokens_(std::move(parts.tokens)),
      context_{parts.streams, tokens_, parts.clock, parts.random, parts.telemetry},
      authorize_(parts.authorize ? std::move(parts.authorize) : only_from_this_machine),
      subscriptions_(context_),
      workers_({.threads = 4, .queue_max = 256}) {}

Service::~Service() {
  subscriptions_.end();
  workers_.stop();
}

void Service::handle(const std::shared_ptr<http::Exchange>& exchange) {
  if (exchange->request().body.size() < kInlineBytesMax) return take(exchange);
  if (workers_.try_run([this, exchange] { take(exchange); })) return;
  Call call(exchange, "", encoding_of(exchange->request()));
  call.fail(context_, fault(kServiceUnavailable, "Too many requests wait; try again."));
}

// The operation's name counts in metrics: only those that there are.
void Service::take(const std::shared_ptr<http::Exchange>& exchange) {
  const auto& request = exchange->request();
  const auto operation = operation_of(request);
  const bool is_known =
      input_shape(operation) && is_known_type(request.headers.value("Content-Type"));
  auto call = std::make_shared<Call>(exchange, is_known ? std::string(operation) : "unknown",
                                     encoding_of(request));
  if (const auto allowed = authorize_(request); !allowed) {
    return call->fail(context_, allowed.error());
  }
  if (!is_known) {
    return call->fail(
        context_,
        fault(kUnknownOperation,
              fmt::format("There is no operation for the target '{}' and the content type '{}'.",
                          base::printable(request.headers.value("X-Amz-Target")),
                          base::printable(request.headers.value("Content-Type")))));
  }
  if (const auto prepared = prepare(*call); !prepared) {
    return call->fail(context_, prepared.error());
  }
  run(call);
}

Result<void> Service::prepare(Call& call) const {
  const std::string body = call.exchange().take_body();
  if (body.empty()) {
    call.input().kind = Value::Kind::Object;
  } else {
    call.input() = TRY(parse(call.encoding(), body));
  }
  return check_shape(*input_shape(call.operation()), call.encoding(), call.input());
}

void Service::run(const std::shared_ptr<Call>& call) {
  if (call->operation() == "PutRecords") return put_records(context_, call);
  if (call->operation() == "PutRecord") return put_record(context_, call);
  const bool is_queued = workers_.try_run([this, call] {
    if (call->operation() == "SubscribeToShard") return subscriptions_.start(call);
    const auto operation = find_operation(call->operation());
    CHECK(operation != nullptr);
    DocumentWriter out(call->encoding());
    const auto done = operation(context_, *call, out);
    done ? call->answer(context_, out.take()) : call->fail(context_, done.error());
  });
  if (!is_queued) {
    call->fail(context_, fault(kServiceUnavailable, "Too many requests wait; try again."));
  }
}

}  // namespace millrace::kinesis
