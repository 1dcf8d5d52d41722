#include "verify/sender.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <condition_variable>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/text.hpp"
#include "http/client.hpp"
#include "http/url.hpp"
#include "verify/write_records.hpp"

namespace millrace::verify {
namespace {

using base::Code;
using base::Error;
using base::Result;
using namespace std::chrono_literals;
using std::chrono::microseconds;

constexpr microseconds kFirstWait = 50ms;
constexpr microseconds kWaitMax = 2s;
constexpr microseconds kRetryAfterMax = 60s;
constexpr std::size_t kErrorsMax = 5;
constexpr std::size_t kConnectionsMax = 1024;
constexpr std::uint64_t kRecordsPerBodyMax = 100'000;
constexpr auto kWatchEvery = 100ms;
// Ranges are joined now and then, so that a long run does not pile them up.
constexpr std::size_t kRangesMax = 10'000;

struct Body {
  BodyRange range;
  base::Time due;
  std::string bytes;
};

/// Hands out bodies in their order.
/// Threads: safe from any.
class Bodies {
 public:
  Bodies(const Generator& generator, const SendOptions& options)
      : generator_(generator), options_(options) {}

  /// The next body's records and when it is due; nothing at the end.
  std::optional<std::pair<BodyRange, base::Time>> next() {
    std::lock_guard lock(mutex_);
    const auto end = options_.count.value_or(UINT64_MAX);
    if (next_ >= end) return std::nullopt;
    const auto last_due = generator_.due(next_) + options_.linger;
    BodyRange range{next_, 1};
    base::Time due = generator_.due(next_);
    while (range.count < options_.records_per_body && next_ + range.count < end) {
      const auto next_due = generator_.due(next_ + range.count);
      if (next_due > last_due) break;
      due = next_due;
      ++range.count;
    }
    // One that is not full leaves when its first record has waited long enough.
    const bool is_last = next_ + range.count == end;
    if (range.count < options_.records_per_body && !is_last) due = last_due;
    next_ += range.count;
    return std::pair(range, due);
  }

 private:
  const Generator& generator_;
  const SendOptions& options_;
  std::mutex mutex_;
  std::uint64_t next_ = 0;  // Guarded by mutex_.
};

/// Counts what became of bodies.
/// Threads: safe from any.
class Tally {
 public:
  explicit Tally(const Generator& generator) : generator_(generator) {}

  void sent(const BodyRange& range, microseconds behind) {
    std::lock_guard lock(mutex_);
    report_.records_sent += range.count;
    report_.behind_max = std::max(report_.behind_max, behind);
  }
  void slowed() {
    std::lock_guard lock(mutex_);
    ++report_.slow_downs;
  }
  void resent_unsure() {
    std::lock_guard lock(mutex_);
    ++report_.resent_unsure;
  }
  void failed(const BodyRange& range, std::string why) {
    std::lock_guard lock(mutex_);
    report_.records_failed += range.count;
    report_.failed.push_back(range);
    if (report_.errors.size() < kErrorsMax) report_.errors.push_back(std::move(why));
  }
  void acknowledged(const BodyRange& range, const std::vector<OffsetRange>& ranges,
                    base::Time now) {
    std::lock_guard lock(mutex_);
    report_.records_acknowledged += range.count;
    for (std::uint64_t i = range.first; i < range.first + range.count; ++i) {
      const auto due = generator_.schedule().due(i);
      auto& latencies = generator_.schedule().is_burst(due) ? report_.burst : report_.calm;
      latencies.add(now - (generator_.options().start + due));
    }
    auto& all = report_.acknowledged;
    all.insert(all.end(), ranges.begin(), ranges.end());
    if (all.size() > ranges_max_) {
      all = joined(std::move(all));
      ranges_max_ = std::max(kRangesMax, all.size() * 2);
    }
  }

  SendReport report(bool with_ranges) const {
    std::lock_guard lock(mutex_);
    SendReport report = report_;
    report.acknowledged = with_ranges ? joined(report_.acknowledged) : std::vector<OffsetRange>{};
    return report;
  }

 private:
  const Generator& generator_;
  mutable std::mutex mutex_;
  SendReport report_;                    // Guarded by mutex_.
  std::size_t ranges_max_ = kRangesMax;  // Guarded by mutex_.
};

/// One connection with its thread.
class Connection {
 public:
  struct Parts {
    const SendOptions& options;
    const base::Clock& clock;
    Bodies& bodies;
    Tally& tally;
  };
  Connection(const Generator& generator, Parts parts) : generator_(generator), parts_(parts) {}

  void run(const std::stop_token& stop) {
    Label label;
    while (!stop.stop_requested()) {
      const auto next = parts_.bodies.next();
      if (!next) return;
      const auto& [range, due] = *next;
      std::string bytes;
      if (!generator_.header().empty()) bytes.append(generator_.header()) += '\n';
      for (std::uint64_t i = range.first; i < range.first + range.count; ++i) {
        generator_.write(i, label, bytes);
        bytes += '\n';
      }
      if (parts_.options.is_paced && !wait_until(due, parts_.clock, stop)) return;
      parts_.tally.sent(range, parts_.options.is_paced ? parts_.clock.now() - due : 0us);
      deliver({range, due, std::move(bytes)}, stop);
    }
  }

 private:
  enum class Next : std::uint8_t { Done, Again };

  void deliver(Body body, const std::stop_token& stop) {
    http::Request request{.method = "POST",
                          .target = fmt::format("/v1/streams/{}/records",
                                                http::percent_encode(parts_.options.stream)),
                          .headers = parts_.options.headers,
                          .body = std::move(body.bytes)};
    request.headers.set("Content-Type", std::string(generator_.content_type()));
    const base::Time give_up_at = parts_.clock.now() + parts_.options.give_up_after;
    microseconds wait = kFirstWait;
    for (;;) {
      auto answer = send(request);
      why_ = answer ? "" : answer.error().text();
      microseconds asked{0};
      if (judge(answer, body.range, asked) == Next::Done) return;
      const base::Time again_at = parts_.clock.now() + std::max(asked, wait);
      wait = std::min(wait * 2, kWaitMax);
      if (again_at > give_up_at || !wait_until(again_at, parts_.clock, stop)) {
        parts_.tally.failed(body.range,
                            fmt::format("records {} to {}: given up: {}", body.range.first,
                                        body.range.first + body.range.count - 1, why_));
        return;
      }
    }
  }

  Result<http::Response> send(const http::Request& request) {
    if (!client_) {
      http::ClientOptions options;
      options.host = parts_.options.host;
      options.port = parts_.options.port;
      client_ = TRY(http::Client::open(options));
    }
    auto answer = client_->send(request);
    if (!answer) client_.reset();
    return answer;
  }

  // Counts what an answer means; `asked` becomes how long the server wants us to wait.
  Next judge(const Result<http::Response>& answer, const BodyRange& range, microseconds& asked) {
    if (!answer) {
      if (answer.error().code != Code::Unavailable) parts_.tally.resent_unsure();
      return Next::Again;
    }
    if (answer->status == 200) {
      const auto ranges = read_acknowledgement(answer->body, range.count);
      if (!ranges) {
        parts_.tally.failed(range, ranges.error().text());
        return Next::Done;
      }
      parts_.tally.acknowledged(range, *ranges, parts_.clock.now());
      if (parts_.options.on_acknowledged) parts_.options.on_acknowledged(range, *ranges);
      return Next::Done;
    }
    why_ = fmt::format("status {}: {}", answer->status, base::printable(answer->body));
    if (answer->status == 429 || answer->status == 503) {
      parts_.tally.slowed();
      asked = retry_after(answer->headers.value("Retry-After"));
      return Next::Again;
    }
    if (answer->status >= 500) {
      parts_.tally.resent_unsure();
      return Next::Again;
    }
    parts_.tally.failed(range, fmt::format("records {} to {}: {}", range.first,
                                           range.first + range.count - 1, why_));
    return Next::Done;
  }

  static microseconds retry_after(std::string_view seconds) {
    double number = 0;
    const auto read = std::from_chars(seconds.data(), seconds.data() + seconds.size(), number);
    if (read.ec != std::errc{} || !(number >= 0)) return 0us;
    number = std::min(number, static_cast<double>(kRetryAfterMax.count()) / 1e6);
    return microseconds(static_cast<std::int64_t>(number * 1e6));
  }

  Generator generator_;
  const Parts parts_;
  std::optional<http::Client> client_;
  std::string why_;  // what kept the last attempt from succeeding
};

Result<void> check(const SendOptions& options) {
  if (options.connections < 1 || options.connections > kConnectionsMax) {
    return Error{Code::Invalid, fmt::format("{} connections are not within 1 to {}",
                                            options.connections, kConnectionsMax)};
  }
  if (options.records_per_body < 1 || options.records_per_body > kRecordsPerBodyMax) {
    return Error{Code::Invalid, fmt::format("{} records in a body are not within 1 to {}",
                                            options.records_per_body, kRecordsPerBodyMax)};
  }
  return {};
}

}  // namespace

Result<SendReport> send_records(const Generator& generator, const SendOptions& options,
                                const base::Clock& clock, const std::stop_token& stop,
                                const std::function<void(const SendReport&)>& watch) {
  TRY(check(options));
  const base::Time started = clock.now();
  Bodies bodies(generator, options);
  Tally tally(generator);
  std::mutex mutex;
  std::condition_variable ended;
  std::size_t running = options.connections;
  {
    std::vector<std::jthread> threads;
    for (std::size_t i = 0; i < options.connections; ++i) {
      threads.emplace_back([&] {
        Connection(generator, {options, clock, bodies, tally}).run(stop);
        std::lock_guard lock(mutex);
        if (--running == 0) ended.notify_all();
      });
    }
    std::unique_lock lock(mutex);
    while (!ended.wait_for(lock, kWatchEvery, [&] { return running == 0; })) {
      lock.unlock();
      if (watch) watch(tally.report(false));
      lock.lock();
    }
  }
  SendReport report = tally.report(true);
  report.elapsed = clock.now() - started;
  return report;
}

Result<std::vector<OffsetRange>> read_acknowledgement(std::string_view body,
                                                      std::uint64_t expected) {
  std::vector<OffsetRange> ranges;
  std::uint64_t count = 0;
  const auto wrong = [&](std::string_view what) {
    return Error{Code::Corrupt,
                 fmt::format("the acknowledgement {}: {}", what, base::printable(body))};
  };
  const auto answer = nlohmann::json::parse(body, nullptr, false);
  if (!answer.is_object() || !answer.contains("shards") || !answer["shards"].is_array()) {
    return wrong("has no shards");
  }
  for (const auto& part : answer["shards"]) {
    const auto number = [&](const char* name) -> std::int64_t {
      const bool is_there = part.is_object() && part.contains(name);
      return is_there && part[name].is_number_integer() ? part[name].get<std::int64_t>() : -1;
    };
    const OffsetRange range{base::ShardId(number("shard")), base::Offset(number("first")),
                            base::Offset(number("end"))};
    if (range.shard.value() < 0 || range.first.value() < 0 || range.end <= range.first) {
      return wrong("has a range that is none");
    }
    count += static_cast<std::uint64_t>(range.end.value() - range.first.value());
    ranges.push_back(range);
  }
  if (count != expected) {
    return wrong(fmt::format("is of {} records, not of {}", count, expected));
  }
  return ranges;
}

std::vector<OffsetRange> joined(std::vector<OffsetRange> ranges) {
  std::ranges::sort(ranges, {},
                    [](const OffsetRange& range) { return std::pair(range.shard, range.first); });
  std::vector<OffsetRange> all;
  for (const auto& range : ranges) {
    if (!all.empty() && all.back().shard == range.shard && range.first <= all.back().end) {
      all.back().end = std::max(all.back().end, range.end);
    } else {
      all.push_back(range);
    }
  }
  return all;
}

}  // namespace millrace::verify
