#include "app/served_instance.hpp"

#include "app/data_folder.hpp"
#include "http/url.hpp"
#include "serve/events.hpp"

namespace millrace::app {

using base::Result;

namespace {

// How long an end waits for rows that were acknowledged but not yet read; after it the log keeps
// them for the next start.
constexpr auto kCatchUp = std::chrono::seconds(20);

std::string local_address(const http::Server& server, const std::string& host) {
  const bool is_any = host == "0.0.0.0" || host == "::";
  return "http://" +
         (is_any ? http::format_endpoint("127.0.0.1", server.port()) : server.address());
}

}  // namespace

Result<std::unique_ptr<ServedInstance>> ServedInstance::start(
    ServeOptions options, std::function<void(const base::Error&)> on_fatal, World& world) {
  std::unique_ptr<ServedInstance> served(
      new ServedInstance(TRY(take_data_folder(world.disk, options.instance.data))));
  auto* raw = served.get();
  const auto host = options.server.host;
  served->server_ = TRY(http::Server::start(
      std::move(options.server), [raw](auto exchange) { raw->answer(std::move(exchange)); },
      world.clock, world.telemetry()));
  served->address_ = local_address(*served->server_, host);
  serve::events::runs_version(world.telemetry(), MILLRACE_VERSION);
  const PipelineRecord record{options.pipeline.file, std::move(options.text)};
  const auto data = options.instance.data;
  served->instance_ =
      TRY(Instance::open(std::move(options.pipeline), std::move(options.instance), world));
  TRY(served->instance_->start_export());
  // Only of a file that works: companions go by it.
  TRY(write_pipeline_record(world.disk, data, record));
  served->instance_->start(std::move(on_fatal));
  served->instance_->start_schedule();
  served->router_ = &served->instance_->router();
  TRY(served->lock_.say_address(served->address_));
  return served;
}

Result<ServedInstance::Stopped> ServedInstance::stop() {
  instance_->end_subscriptions();  // they have no end that a gentle stop could wait for
  server_->stop(http::Drain::Gently);
  const auto caught_up = instance_->catch_up(kCatchUp);
  TRY(instance_->stop());
  return Stopped{.has_unread = !caught_up};
}

void ServedInstance::answer(std::shared_ptr<http::Exchange> exchange) const {
  if (const auto* router = router_.load()) return router->handle(std::move(exchange));
  if (exchange->request().path == "/healthz") {
    exchange->answer(http::json(200, "{\"status\":\"ok\"}\n"));
    return;
  }
  auto answer = http::problem(503, "unavailable", "starting: come again in a moment");
  answer.headers.set("Retry-After", "1");
  exchange->answer(std::move(answer));
}

}  // namespace millrace::app
