#pragma once

#include "flow/test_worker.hpp"

namespace millrace::flow {

/// A stream as one of several workers sees it: the same records, and shards that are given to it.
class SharedSource final : public source::Source {
 public:
  explicit SharedSource(MemorySource& records) : records_(records) {}

  void give(int shard) {
    change([&](source::Share& share) { share.given[base::ShardId(shard)] = ++gifts_; });
  }
  /// Another worker wants it.
  void want_back(int shard) {
    change([&](source::Share& share) { share.leaving.insert(base::ShardId(shard)); });
  }
  /// Another worker has it.
  void lose(int shard) {
    change([&](source::Share& share) {
      share.given.erase(base::ShardId(shard));
      share.leaving.erase(base::ShardId(shard));
    });
  }
  bool has(int shard) const { return share()->given.contains(base::ShardId(shard)); }

  std::shared_ptr<const source::Share> share() const override {
    std::lock_guard lock(mutex_);
    return share_;
  }
  void give_up(base::ShardId shard) override {
    if (share()->leaving.contains(shard)) lose(static_cast<int>(shard.value()));
  }

  const std::string& incarnation() const override { return records_.incarnation(); }
  int shard_count() const override { return records_.shard_count(); }
  base::Offset oldest(base::ShardId shard) const override { return records_.oldest(shard); }
  base::Offset end(base::ShardId shard) const override { return records_.end(shard); }
  base::Result<base::RecordBatch> read(base::ShardId shard, base::Offset from,
                                       std::uint64_t bytes_max) override {
    return records_.read(shard, from, bytes_max);
  }
  bool wait_beyond(std::span<const base::Offset> positions, std::chrono::microseconds timeout,
                   std::stop_token stop) override {
    return records_.wait_beyond(positions, timeout, std::move(stop));
  }
  base::Result<void> release(std::span<const base::Offset> /*positions*/) override { return {}; }

 private:
  void change(const std::function<void(source::Share&)>& how) {
    std::lock_guard lock(mutex_);
    auto next = std::make_shared<source::Share>(*share_);
    how(*next);
    share_ = std::move(next);
  }

  MemorySource& records_;
  mutable std::mutex mutex_;
  std::shared_ptr<const source::Share> share_ = std::make_shared<source::Share>();
  std::uint64_t gifts_ = 0;
};

/// One of several workers on one lake, with a data folder of its own.
class Member {
 public:
  Member(const config::Pipeline& pipeline, MemorySource& records, os::Path lake)
      : source(records), pipeline_(pipeline), lake_(std::move(lake)) {}
  ~Member() { crash(); }

  base::Result<void> begin() {
    engine_ = TRY(sql::Instance::open({.threads = 1}));
    board = std::make_unique<CutBoard>();
    worker = TRY(
        Worker::open({.pipeline = pipeline_,
                      .sources = {{"orders", &source}},
                      .lookups = {},
                      .tools = tools(),
                      .board = *board,
                      .folder = folder_.path(),
                      .options = {.loop = {.rest_when_overtaken = std::chrono::milliseconds(50)},
                                  .follow_every = std::chrono::milliseconds(20)}}));
    queries_ = TRY(QueryEngine::open({.readable = {lake_}}, *board));
    worker->start([this](const base::Error& error) {
      std::lock_guard lock(mutex_);
      fatal_ = error.text();
    });
    return {};
  }
  // Ends without a commit, as a kill would.
  void crash() {
    queries_.reset();
    worker.reset();
    board.reset();
    engine_.reset();
  }
  std::string fatal() const {
    std::lock_guard lock(mutex_);
    return fatal_;
  }
  std::string ask(const std::string& sql) {
    auto query = queries_->start(sql);
    if (!query) return query.error().text();
    std::string text;
    for (;;) {
      auto chunk = (*query)->next();
      if (!chunk) return chunk.error().text();
      if (!*chunk) return text;
      for (std::size_t row = 0; row < (*chunk)->row_count(); ++row) {
        if (!text.empty()) text += " | ";
        for (std::size_t i = 0; i < (*chunk)->column_count(); ++i) {
          if (i > 0) text += ' ';
          text += sql::Renderer((*query)->columns()[i].type).text((*chunk)->column(i), row);
        }
      }
    }
  }
  /// Asks until this is the answer, or ten seconds are over.
  std::string await(const std::string& sql, const std::string& answer) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    auto got = ask(sql);
    while (got != answer && std::chrono::steady_clock::now() < end) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
      got = ask(sql);
    }
    return got;
  }
  double counted(const std::string& name) {
    for (const auto& family : metrics_.snapshot()) {
      if (family.name == name) return family.samples.front().value;
    }
    return 0;
  }
  lake::Tools tools() {
    lake::Tools tools{disk_, *engine_, clock_, random_, {log_, metrics_}};
    tools.tables = lake_;
    return tools;
  }

  SharedSource source;
  std::unique_ptr<CutBoard> board;
  std::unique_ptr<Worker> worker;

 private:
  const config::Pipeline& pipeline_;
  const os::Path lake_;
  os::TestFolder folder_;
  os::RealDisk disk_;
  base::SystemClock clock_;
  base::Random random_{std::random_device{}()};
  base::EventLog log_ = base::EventLog::silent();
  base::Metrics metrics_;
  std::unique_ptr<sql::Instance> engine_;
  std::unique_ptr<QueryEngine> queries_;
  mutable std::mutex mutex_;
  std::string fatal_;  // Guarded by mutex_.
};

}  // namespace millrace::flow
