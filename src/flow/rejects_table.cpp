#include "flow/rejects_table.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "flow/reject.hpp"

namespace millrace::flow {
namespace {

using base::Code;
using base::Error;
using base::Result;
using Json = nlohmann::json;

// Without rejects the followed version moves only now and then: it is a commit each time.
constexpr std::int64_t kIdleVersions = 50;
constexpr int kRollAttempts = 10;

std::string app_id_of(const std::string& pipeline, const std::string& table) {
  return fmt::format("millrace/{}/{}/{}", pipeline, kRejectsTable, table);
}

}  // namespace

Result<std::unique_ptr<RejectsTable>> RejectsTable::open(const os::Path& tables,
                                                         const std::string& pipeline,
                                                         const lake::Tools& tools,
                                                         CutBoard& board) {
  auto table =
      TRY(lake::Table::open_or_create(tables / kRejectsTable, reject_columns(), {"day"}, tools));
  std::unique_ptr<RejectsTable> rejects(new RejectsTable(pipeline, std::move(table)));
  board.add_table(kRejectsTable, rejects->table());
  return rejects;
}

std::string RejectsTable::app_id(const std::string& table) const {
  return app_id_of(pipeline_, table);
}

base::TableVersion followed_version(const lake::Snapshot& rejects, const std::string& pipeline,
                                    const std::string& table) {
  return base::TableVersion(rejects.transaction(app_id_of(pipeline, table)).value_or(-1));
}

// Whoever comes first does it, this worker or another.
Result<base::TableVersion> RejectsTable::roll_forward(const std::string& name,
                                                      const lake::Table& table) {
  for (int attempt = 0; attempt < kRollAttempts; ++attempt) {
    if (const auto followed = TRY(try_roll_forward(name, table))) return *followed;
    TRY(table_->refresh());
  }
  return Error{Code::Unavailable, "other workers were faster again and again",
               table_->root().string()};
}

Result<void> RejectsTable::follow(const std::string& name, const lake::Table& table) {
  if (TRY(coming(name, table)).adds.empty()) return {};
  TRY(table_->refresh());
  TRY(roll_forward(name, table));
  return {};
}

// A commit without rejects is looked at once.
Result<RejectsTable::Coming> RejectsTable::coming(const std::string& name,
                                                  const lake::Table& table) {
  Coming coming{.stood = table_->snapshot()->transaction(app_id(name)), .adds = {}, .until = {}};
  const base::TableVersion after(coming.stood.value_or(-1));
  {
    const std::lock_guard lock(mutex_);
    const auto plain = plain_until_.find(name);
    coming.until = plain == plain_until_.end() ? after : std::max(after, plain->second);
  }
  auto commits = table.commits_after(coming.until);
  if (!commits && commits.error().code == Code::NotFound) {
    return Error{Code::Corrupt,
                 fmt::format("commits after version {} are gone, and rejects with them",
                             coming.until.value()),
                 table.root().string()};
  }
  for (const auto& commit : TRY(std::move(commits))) {
    for (auto& add : TRY(rejects_of(commit.info.extra))) coming.adds.push_back(std::move(add));
    coming.until = base::TableVersion(commit.info.version);
  }
  if (coming.adds.empty()) {
    const std::lock_guard lock(mutex_);
    plain_until_[name] = coming.until;
  }
  return coming;
}

// None if another was faster.
Result<std::optional<base::TableVersion>> RejectsTable::try_roll_forward(const std::string& name,
                                                                         const lake::Table& table) {
  auto next = TRY(coming(name, table));
  const base::TableVersion after(next.stood.value_or(-1));
  if (next.until == after) return std::optional(after);
  if (next.adds.empty() && next.until.value() - after.value() < kIdleVersions) {
    return std::optional(after);
  }
  lake::Transaction change{.operation = "STREAMING UPDATE", .adds = std::move(next.adds)};
  change.positions.push_back({app_id(name), next.stood, next.until.value()});
  const auto outcome = TRY(table_->commit(change));
  if (std::holds_alternative<lake::Conflict>(outcome)) return std::optional<base::TableVersion>();
  return std::optional(next.until);
}

std::string encode_extra(const std::vector<lake::AddFile>& rejects,
                         const std::map<std::string, base::Time>& newest_events,
                         const std::map<std::string, std::int64_t>& counts) {
  Json extra{{"rejects", Json::array()}, {"counts", counts}, {"newest_events", Json::object()}};
  for (const auto& add : rejects) extra["rejects"].push_back(Json::parse(lake::encode_add(add)));
  for (const auto& [id, time] : newest_events) {
    extra["newest_events"][id] = base::format_time(time);
  }
  return extra.dump();
}

Result<std::vector<lake::AddFile>> rejects_of(const std::string& text) {
  const auto extra = Json::parse(text, nullptr, false);
  std::vector<lake::AddFile> adds;
  if (!extra.is_object() || !extra.contains("rejects")) return adds;
  for (const auto& add : extra["rejects"]) adds.push_back(TRY(lake::decode_add(add.dump())));
  return adds;
}

std::map<std::string, base::Time> newest_events_of(const std::string& text) {
  const auto extra = Json::parse(text, nullptr, false);
  std::map<std::string, base::Time> times;
  if (!extra.is_object() || !extra.contains("newest_events")) return times;
  for (const auto& [id, time] : extra["newest_events"].items()) {
    const auto parsed = base::parse_time(time.is_string() ? time.get<std::string>() : "");
    if (parsed) times.emplace(id, *parsed);
  }
  return times;
}

}  // namespace millrace::flow
