#include "batch/replacement.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "base/text.hpp"

namespace millrace::batch {
namespace {

using base::Code;
using base::Error;
using base::Result;
using Json = nlohmann::json;
using Positions = std::vector<lake::Transaction::Position>;

constexpr int kCommitsMax = 10;
constexpr std::size_t kHistoryMax = 200;

using FilesByValues = std::map<lake::PartitionValues, Files>;

FilesByValues files_by_values(const lake::Snapshot& snapshot) {
  FilesByValues files;
  for (const auto& [path, file] : snapshot.files) files[file->partition_values].push_back(file);
  return files;
}

bool has_same_files(const Files& some, const Files& others) {
  return std::ranges::equal(some, others, {}, &lake::AddFile::path, &lake::AddFile::path);
}

/// What a commit that replaces partitions of a table at one version is made of.
class Builder {
 public:
  Builder(const RunnableJob& job, const lake::Snapshot& now)
      : job_(job), now_(now), files_(files_by_values(now)) {
    change_.parameters = {{"mode", "Overwrite"}};
    change_.read_version = now.version;
  }

  // None: somebody changed the partition.
  Result<std::optional<Positions>> positions_of(const Replacement& replacement) {
    const auto& pinned = *replacement.computed.pinned;
    auto positions = TRY(job_.marks.after_run(*pinned.output, replacement.partition, pinned.read));
    if (&now_ == pinned.output.get()) return std::optional(std::move(positions));
    const bool is_moved = std::ranges::any_of(positions, [&](const auto& position) {
      return now_.transaction(position.app_id) != position.expected;
    });
    const auto values = values_of(replacement.partition, job_.plan.job.each_column);
    const bool is_same = !is_moved && now_.metadata == pinned.output->metadata &&
                         has_same_files(pinned.output->files_of(values), files_[values]);
    return is_same ? std::optional(std::move(positions)) : std::nullopt;
  }

  void add(const Replacement& replacement, Positions positions) {
    const auto values = values_of(replacement.partition, job_.plan.job.each_column);
    const auto& file = replacement.computed.file;
    if (file) change_.adds.push_back(*file);
    for (const auto& old : files_[values]) {
      change_.removes.push_back(
          {.path = old->path, .partition_values = old->partition_values, .size = old->size});
    }
    for (auto& position : positions) change_.positions.push_back(std::move(position));
    change_.replaced_partitions.push_back(values);
    runs_[replacement.run_id] = file ? file->record_count : 0;
  }

  lake::Transaction finish() {
    std::vector<std::string> texts;
    for (const auto& values : change_.replaced_partitions) {
      for (const auto& [column, value] : values) texts.push_back(base::sql_string(*value));
    }
    if (!texts.empty()) {
      change_.parameters["predicate"] =
          texts.size() == 1
              ? fmt::format("{} = {}", job_.plan.job.each_column, texts.front())
              : fmt::format("{} IN ({})", job_.plan.job.each_column, base::join(texts, ", "));
    }
    change_.extra = Json{{"runs", runs_}}.dump();
    return std::move(change_);
  }

 private:
  const RunnableJob& job_;
  const lake::Snapshot& now_;
  FilesByValues files_;
  lake::Transaction change_{.operation = "WRITE"};
  std::map<std::string, std::int64_t> runs_;
};

using Pending = std::vector<Replacement*>;

template <class Outcome>
void set_all(const Pending& replacements, const Outcome& outcome) {
  for (auto* one : replacements) one->outcome = outcome;
}

void set_done(const Pending& replacements) {
  for (auto* one : replacements) {
    const auto& file = one->computed.file;
    one->outcome = Replacement::Done{file ? file->record_count : 0};
  }
}

// Those that can still be replaced at this version; the outcome of others is set.
Pending build(Builder& builder, std::vector<Replacement>& replacements,
              const std::string& conflict) {
  Pending pending;
  for (auto& one : replacements) {
    if (!std::holds_alternative<Replacement::Pending>(one.outcome)) continue;
    auto positions = builder.positions_of(one);
    if (!positions) {
      one.outcome = std::move(positions).error();
    } else if (!*positions) {
      one.outcome = lake::Conflict{lake::Conflict::What::Partition, conflict};
    } else {
      builder.add(one, std::move(**positions));
      pending.push_back(&one);
    }
  }
  return pending;
}

// Errors  Unknown: it may have been committed.
Result<std::optional<lake::Conflict>> commit(lake::Table& output, const lake::Transaction& change) {
  auto outcome = output.commit(change);
  if (outcome) {
    auto* conflict = std::get_if<lake::Conflict>(&*outcome);
    return conflict ? std::optional(std::move(*conflict)) : std::nullopt;
  }
  if (outcome.error().code != Code::Unknown) return std::move(outcome).error();
  const auto now = output.refresh();
  const bool is_there = now && std::ranges::all_of(change.positions, [&](const auto& position) {
                          return (*now)->transaction(position.app_id) == position.next;
                        });
  if (is_there) return std::optional<lake::Conflict>();
  return std::move(outcome).error();
}

void replace_all(const RunnableJob& job, std::vector<Replacement>& replacements) {
  auto now = job.output.snapshot();
  std::string conflict = "others changed the partition";
  for (int i = 0; i < kCommitsMax; ++i) {
    Builder builder(job, *now);
    const auto pending = build(builder, replacements, conflict);
    if (pending.empty()) return;
    const auto done = commit(job.output, builder.finish());
    if (!done) return set_all(pending, done.error());
    if (!*done) return set_done(pending);
    conflict = (*done)->detail;
    const auto refreshed = job.output.refresh();
    if (!refreshed) return set_all(pending, refreshed.error());
    now = *refreshed;
  }
  for (auto& one : replacements) {
    if (!std::holds_alternative<Replacement::Pending>(one.outcome)) continue;
    one.outcome = Error{Code::Unavailable, conflict};
  }
}

}  // namespace

void replace_partitions(const RunnableJob& job, std::vector<Replacement>& replacements) {
  replace_all(job, replacements);
  for (const auto& one : replacements) {
    const auto* error = std::get_if<Error>(&one.outcome);
    const bool is_gone = (error && error->code != Code::Unknown) ||
                         std::holds_alternative<lake::Conflict>(one.outcome);
    if (is_gone && one.computed.file) job.output.discard_file(one.computed.file->path);
  }
  // It comes again with the next run.
  (void)job.output.maintain(job.output.snapshot()->version).has_value();
}

std::map<std::string, std::int64_t> committed_runs(const lake::Table& output) {
  std::map<std::string, std::int64_t> found;
  const auto history = output.history(kHistoryMax);
  if (!history) return found;
  for (const auto& info : *history) {
    const auto extra = Json::parse(info.extra, nullptr, false);
    if (!extra.is_object() || !extra.contains("runs")) continue;
    for (const auto& [run_id, rows] : extra.at("runs").items()) {
      found.emplace(run_id, rows.get<std::int64_t>());
    }
  }
  return found;
}

}  // namespace millrace::batch
