#include "app/instance.hpp"

#include "app/instance_parts.hpp"

namespace millrace::app {

using base::Result;

Instance::Instance(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

Instance::~Instance() = default;

Result<std::unique_ptr<Instance>> Instance::open(config::Pipeline pipeline, InstanceOptions options,
                                                 World& world) {
  // Paths of files go into SQL, and must not depend on where the process stands.
  options.data = std::filesystem::absolute(options.data).lexically_normal();
  auto parts = std::make_unique<Parts>(std::move(pipeline), std::move(options), world);
  TRY(parts->open_engines());
  TRY(parts->open_sources());
  TRY(parts->open_worker());
  TRY(parts->open_alerts());
  TRY(parts->keep_reading_s3());
  TRY(parts->open_jobs());
  TRY(parts->open_kinesis_api());
  TRY(parts->open_api());
  return std::unique_ptr<Instance>(new Instance(std::move(parts)));
}

void Instance::start(std::function<void(const base::Error&)> on_fatal) {
  parts_->on_fatal = [parts = parts_.get(), on_fatal](const base::Error& error) {
    {
      const std::lock_guard lock(parts->mutex);
      parts->failure = error.text();
    }
    on_fatal(error);
  };
  parts_->worker->start(parts_->on_fatal);
}

void Instance::start_schedule() {
  parts_->alerts->start(parts_->on_fatal);
  parts_->jobs->start();
  parts_->maintenance->start();
}

Result<void> Instance::start_export() {
  parts_->exports =
      TRY(MetricsExports::start(parts_->pipeline.metrics, parts_->world, parts_->options.data));
  return {};
}

Result<bool> Instance::run_due() {
  parts_->jobs->run_due();
  TRY(parts_->jobs->load_due());
  return parts_->jobs->has_due();
}

Result<std::vector<batch::RunRow>> Instance::maintain() {
  return parts_->maintenance->run_all();
}

Result<void> Instance::send_alerts(std::chrono::microseconds timeout) {
  parts_->alerts->start(parts_->on_fatal);
  TRY(parts_->alerts->settle_all(timeout));
  return parts_->alerts->commit_now();
}

Result<std::vector<batch::RunRow>> Instance::runs_since(base::Time begun) {
  auto rows = TRY(parts_->jobs->runs());
  std::erase_if(rows, [&](const auto& row) { return row.started_at < begun; });
  return rows;
}

void Instance::stop_batch() {
  parts_->maintenance->stop();
  parts_->jobs->stop();
}

Result<void> Instance::catch_up(std::chrono::microseconds timeout) {
  return parts_->worker->catch_up(timeout);
}

const config::Pipeline& Instance::pipeline() const {
  return parts_->pipeline;
}

const http::Router& Instance::router() const {
  return parts_->api->router();
}

void Instance::end_subscriptions() {
  parts_->kinesis_api->end_subscriptions();
  parts_->api->end_tails();
}

Result<void> Instance::stop() {
  parts_->maintenance->stop();
  parts_->jobs->stop();
  const auto stopped = parts_->worker->stop(flow::Worker::Commit::Yes);
  const auto told = parts_->alerts->stop();
  parts_->streams->close();
  parts_->exports.reset();
  return stopped ? told : stopped;
}

}  // namespace millrace::app
