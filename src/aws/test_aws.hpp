#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "aws/client.hpp"
#include "aws/instant.hpp"
#include "http/server.hpp"

namespace millrace::aws {

/// A server on the loopback that answers as a test says and remembers what it was asked.
class FakeAws {
 public:
  using Answer = std::function<http::Response(const http::Request&)>;
  /// Instead of an answer: none at all, or half of one.
  static constexpr int kHang = 0;
  static constexpr int kBreakOff = -1;

  explicit FakeAws(Answer answer) : answer_(std::move(answer)) {
    server_ = http::Server::start(
                  {.port = 0},
                  [this](std::shared_ptr<http::Exchange> exchange) { handle(std::move(exchange)); },
                  clock, {log_, metrics_})
                  .value();
  }

  base::FixedClock clock{*parse_amz_date("20260131T120000Z")};  ///< what `Date` says

  std::string url() const { return "http://" + server_->address(); }
  std::vector<http::Request> requests() const {
    const std::lock_guard lock(mutex_);
    return requests_;
  }

 private:
  void handle(std::shared_ptr<http::Exchange> exchange) {
    http::Response response;
    {
      const std::lock_guard lock(mutex_);
      requests_.push_back(exchange->request());
      response = answer_(exchange->request());
    }
    if (response.status == kHang) {
      const std::lock_guard lock(mutex_);
      held_.push_back(std::move(exchange));
    } else if (response.status == kBreakOff) {
      exchange->start(200, {});  // its writer goes at once: the body ends in the middle
    } else {
      exchange->answer(std::move(response));
    }
  }

  base::EventLog log_ = base::EventLog::silent();
  base::Metrics metrics_;
  mutable std::mutex mutex_;
  Answer answer_;                                      // Guarded by mutex_.
  std::vector<http::Request> requests_;                // Guarded by mutex_.
  std::vector<std::shared_ptr<http::Exchange>> held_;  // Guarded by mutex_.
  std::unique_ptr<http::Server> server_;
};

/// A folder of its own for a test, gone with its end.
class OwnFolder {
 public:
  OwnFolder() { std::filesystem::create_directories(path_); }
  OwnFolder(const OwnFolder&) = delete;
  OwnFolder& operator=(const OwnFolder&) = delete;
  ~OwnFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const std::filesystem::path& path() const { return path_; }

 private:
  const std::filesystem::path path_ =
      std::filesystem::temp_directory_path() / ("millrace-aws-" + base::Random().uuid());
};

/// All that asking AWS needs, with a clock that stands still and waits that only are written down.
struct AwsBench {
  OwnFolder folder;
  base::FixedClock clock{*parse_amz_date("20260131T120000Z")};
  base::Random random{7};
  base::EventLog log{base::LogFormat::Text, base::Level::Debug};
  base::Metrics metrics;
  std::unique_ptr<http::WebClient> web = http::WebClient::open().value();
  std::mutex mutex;
  std::vector<std::chrono::milliseconds> pauses;  // Guarded by mutex.
  Environment environment{
      {"AWS_REGION", "eu-central-1"},
      {"AWS_ACCESS_KEY_ID", "AKIDBENCH"},
      {"AWS_SECRET_ACCESS_KEY", "bench-secret"},
      {"AWS_CONFIG_FILE", (folder.path() / "config").string()},
      {"AWS_SHARED_CREDENTIALS_FILE", (folder.path() / "credentials").string()}};

  Tools tools() { return {*web, clock, random, {log, metrics}}; }

  Pause pause() {
    return [this](std::chrono::milliseconds duration, const std::stop_token& stop) {
      const std::lock_guard lock(mutex);
      pauses.push_back(duration);
      return !stop.stop_requested();
    };
  }

  void write(const std::string& name, const std::string& text) {
    std::ofstream(folder.path() / name) << text;
  }
  void no_keys() {
    environment.erase("AWS_ACCESS_KEY_ID");
    environment.erase("AWS_SECRET_ACCESS_KEY");
  }
};

}  // namespace millrace::aws
