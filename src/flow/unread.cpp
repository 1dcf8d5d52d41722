#include "flow/unread.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <vector>

#include "flow/alert.hpp"
#include "flow/alert_history.hpp"
#include "flow/row_sql.hpp"

namespace millrace::flow {
namespace {

using Json = nlohmann::json;
using Transactions = std::map<std::string, std::int64_t>;

// Positions in the present life of the source, and in replays.
Reached positions_of(const Transactions& transactions, const std::string& source_prefix,
                     const std::string& incarnation) {
  auto positions = positions_below(transactions, source_prefix + incarnation + "/");
  positions.merge(positions_below(transactions, source_prefix + "replay-"));
  return positions;
}

const Transactions& transactions_of(const Cut& cut, const std::string& table) {
  static const Transactions kNone;
  const auto found = cut.tables.find(table);
  return found == cut.tables.end() ? kNone : found->second.snapshot->transactions;
}

}  // namespace

Reached unread_rows(const config::Pipeline& pipeline, const config::Table& table,
                    const std::string& incarnation, const Cut& cut) {
  const auto& source = pipeline.root_source(table).name;
  const auto prefix_of = [&](const std::string& reader) {
    return fmt::format("millrace/{}/{}/{}/", pipeline.name, reader, source);
  };
  Reached unread;
  const auto committed =
      positions_of(transactions_of(cut, table.name), prefix_of(table.name), incarnation);
  // A shard that a table has not come to it begins where the source does, but for replays.
  enum class Missing : std::uint8_t { IsBehind, IsNotWanted };
  const auto compare = [&](const Reached& reader, Missing missing) {
    for (const auto& [shard, end] : committed) {
      const auto found = reader.find(shard);
      const bool is_there = found != reader.end();
      if (!is_there && missing == Missing::IsNotWanted && shard >= 0) continue;
      const auto position = is_there ? found->second : 0;
      if (position >= end) continue;
      auto& from = unread.try_emplace(shard, position).first->second;
      from = std::min(from, position);
    }
  };
  for (const auto& child : pipeline.tables) {
    if (!child.from_is_table || child.from != table.name) continue;
    compare(positions_of(transactions_of(cut, child.name), prefix_of(child.name), incarnation),
            Missing::IsNotWanted);
  }
  for (const auto& alert : pipeline.alerts) {
    if (alert.from != table.name) continue;
    for (const auto& target : alert.targets) {
      const DeliveryName name{pipeline.name, alert.name, target.name,
                              table.name,    source,     incarnation};
      compare(positions_of(transactions_of(cut, kAlertsTable), name.marker() + "/" + source + "/",
                           incarnation),
              Missing::IsBehind);
    }
  }
  return unread;
}

bool may_hold(const lake::AddFile& file, std::int32_t shard, std::int64_t from,
              std::int64_t until) {
  const auto stats = Json::parse(file.stats, nullptr, false);
  const auto bound = [&](const char* which, std::string_view column, std::int64_t otherwise) {
    if (!stats.is_object() || !stats.contains(which)) return otherwise;
    const auto found = stats[which].find(std::string(column));
    return found != stats[which].end() && found->is_number_integer() ? found->get<std::int64_t>()
                                                                     : otherwise;
  };
  return bound("minValues", kOffset, INT64_MIN) < until &&
         bound("maxValues", kOffset, INT64_MAX) >= from &&
         bound("minValues", kShard, INT64_MIN) <= shard &&
         bound("maxValues", kShard, INT64_MAX) >= shard;
}

bool may_hold(const lake::AddFile& file, const Reached& unread) {
  return std::ranges::any_of(
      unread, [&](const auto& from) { return may_hold(file, from.first, from.second, INT64_MAX); });
}

}  // namespace millrace::flow
