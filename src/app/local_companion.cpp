#include "app/local_companion.hpp"

#include <fmt/format.h>

#include <mutex>

#include "app/answer_collector.hpp"
#include "app/commands.hpp"
#include "app/data_folder.hpp"
#include "app/instance.hpp"
#include "config/read.hpp"
#include "http/exchange.hpp"
#include "http/url.hpp"

namespace millrace::app {

using base::Code;
using base::Error;
using base::Result;
using namespace std::chrono_literals;

namespace {

// A long tail of the log is read first.
constexpr auto kCatchUp = std::chrono::minutes(10);

/// Cuts a target into path and query, as the server does.
Result<http::Request> as_received(http::Request request) {
  const auto question = request.target.find('?');
  request.path = request.target.substr(0, question);
  if (question != std::string::npos) {
    request.query = TRY(http::parse_query(request.target.substr(question + 1)));
  }
  request.peer = "this process";
  return request;
}

class LocalCompanion final : public Companion {
 public:
  explicit LocalCompanion(os::FileLock lock) : lock_(std::move(lock)) {}

  Result<void> start(config::Pipeline pipeline, const os::Path& data) {
    const auto memory = memory_plan(TRY(base::parse_bytes(RunOptions().memory)));
    instance_ = TRY(Instance::open(
        std::move(pipeline), {.data = data, .memory = memory, .reads_streams = false}, world_));
    instance_->start([this](const Error& error) {
      const std::lock_guard lock(mutex_);
      fatal_ = error;
    });
    const auto caught_up = instance_->catch_up(kCatchUp);
    TRY(check());
    return caught_up;
  }

  Result<void> close() override {
    TRY(instance_->stop());
    return check();
  }
  std::string address() const override { return ""; }

 private:
  Result<http::ResponseHead> exchange(const http::Request& request,
                                      const http::BodyReader& read) override {
    const auto sink = std::make_shared<AnswerCollector>(read);
    instance_->router().handle(std::make_shared<http::Exchange>(TRY(as_received(request)), sink));
    return sink->wait();
  }

  Result<void> check() {
    const std::lock_guard lock(mutex_);
    if (fatal_) return *fatal_;
    return {};
  }

  os::FileLock lock_;
  World world_{base::LogFormat::Text, base::Level::Warn};
  std::mutex mutex_;
  std::optional<Error> fatal_;  // Guarded by mutex_.
  std::unique_ptr<Instance> instance_;
};

}  // namespace

Result<std::unique_ptr<Companion>> open_local(const os::Path& data) {
  os::RealDisk disk;
  const auto record = TRY(read_pipeline_record(disk, data));
  auto parsed = config::parse_pipeline(record.text, record.file);
  if (const auto* problems = std::get_if<config::Problems>(&parsed)) {
    const auto& first = problems->errors.front();
    return Error{
        Code::Invalid,
        fmt::format("the pipeline file that last ran here is wrong now: {}", first.message),
        first.place};
  }
  auto companion = std::make_unique<LocalCompanion>(TRY(take_data_folder(disk, data)));
  TRY(companion->start(std::get<config::Pipeline>(std::move(parsed)), data));
  return std::unique_ptr<Companion>(std::move(companion));
}

}  // namespace millrace::app
