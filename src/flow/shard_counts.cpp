#include "flow/shard_counts.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "base/text.hpp"

namespace millrace::flow {
namespace {

struct Number {
  std::string_view name;
  std::int64_t ShardCounts::* value;
};

constexpr Number kFrom{"/count.from", &ShardCounts::from};
constexpr Number kRemoved{"/count.removed", &ShardCounts::removed};
constexpr std::array<Number, 8> kWritten{{kFrom,
                                          {"/count.until", &ShardCounts::until},
                                          {"/count.records", &ShardCounts::records},
                                          {"/count.taken", &ShardCounts::taken},
                                          {"/count.rows", &ShardCounts::rows},
                                          {"/count.rejected", &ShardCounts::rejected},
                                          {"/count.partly", &ShardCounts::partly},
                                          {"/count.filtered", &ShardCounts::filtered}}};

std::string id_of(const std::string& app_id, const Number& number) {
  return app_id + std::string(number.name);
}

std::optional<std::int64_t> find(const Transactions& transactions, const std::string& id) {
  const auto found = transactions.find(id);
  return found == transactions.end() ? std::nullopt : std::optional(found->second);
}

// `millrace/<pipeline>/<table>/<source>/<life>/<shard>`; none: something else.
std::optional<ShardLife> life_of(const std::string& id, std::string_view table) {
  std::vector<std::string_view> parts;
  for (std::size_t at = 0; at <= id.size();) {
    const auto slash = std::min(id.find('/', at), id.size());
    parts.push_back(std::string_view(id).substr(at, slash - at));
    at = slash + 1;
  }
  if (parts.size() != 6 || parts[0] != "millrace" || parts[2] != table) return std::nullopt;
  ShardLife life{.app_id = id,
                 .source = std::string(parts[3]),
                 .incarnation = std::string(parts[4]),
                 .counts = {}};
  const auto* last = parts[5].data() + parts[5].size();
  const auto read = std::from_chars(parts[5].data(), last, life.shard);
  if (read.ec != std::errc{} || read.ptr != last) return std::nullopt;
  return life;
}

}  // namespace

void ShardCounts::add(const ShardCounts& other) {
  records += other.records;
  taken += other.taken;
  rows += other.rows;
  rejected += other.rejected;
  partly += other.partly;
  filtered += other.filtered;
}

std::optional<ShardCounts> counts_of(const Transactions& transactions, const std::string& app_id) {
  if (!transactions.contains(id_of(app_id, kFrom))) return std::nullopt;
  ShardCounts counts;
  for (const auto& number : kWritten) {
    counts.*number.value = find(transactions, id_of(app_id, number)).value_or(0);
  }
  counts.removed = find(transactions, id_of(app_id, kRemoved)).value_or(0);
  return counts;
}

std::vector<std::pair<std::string, std::int64_t>> notes_of(const ShardCounts& counts,
                                                           const Transactions& transactions,
                                                           const std::string& app_id) {
  std::vector<std::pair<std::string, std::int64_t>> notes;
  for (const auto& number : kWritten) {
    auto id = id_of(app_id, number);
    const auto value = counts.*number.value;
    const auto stands = find(transactions, id);
    if (stands == value || (!stands && value == 0 && number.name != kFrom.name)) continue;
    notes.emplace_back(std::move(id), value);
  }
  // What was removed belongs to counts that begin anew.
  const auto removed = find(transactions, removed_id(app_id));
  if (removed.value_or(0) != 0 && counts.from != find(transactions, id_of(app_id, kFrom))) {
    notes.emplace_back(removed_id(app_id), 0);
  }
  return notes;
}

std::string removed_id(const std::string& app_id) {
  return id_of(app_id, kRemoved);
}

std::vector<ShardLife> lives_of(const Transactions& transactions, std::string_view table) {
  std::vector<ShardLife> lives;
  for (const auto& [id, version] : transactions) {
    auto life = life_of(id, table);
    if (!life) continue;
    life->position = version;
    life->counts = counts_of(transactions, id);
    lives.push_back(std::move(*life));
  }
  return lives;
}

base::Result<std::vector<lake::Transaction::Position>> removed_rows(
    const lake::Table& table, const std::string& name, const lake::Snapshot& snapshot,
    const std::vector<std::shared_ptr<const lake::AddFile>>& files, sql::Connection& connection) {
  std::vector<lake::Transaction::Position> moved;
  auto lives = lives_of(snapshot.transactions, name);
  std::erase_if(lives, [](const ShardLife& life) { return !life.counts; });
  if (files.empty() || lives.empty()) return moved;
  // Each row belongs to one life; of those that overlap it does not matter to which.
  std::ranges::sort(lives, {},
                    [](const ShardLife& life) { return std::pair(life.shard, life.counts->from); });
  std::vector<std::string> ranges;
  std::int64_t free_from = INT64_MIN;
  for (std::size_t i = 0; i < lives.size(); ++i) {
    const auto& life = lives[i];
    if (i == 0 || lives[i - 1].shard != life.shard) free_from = INT64_MIN;
    const auto from = std::max(free_from, life.counts->from);
    free_from = std::max(free_from, life.counts->until);
    if (from >= life.counts->until) continue;
    ranges.push_back(fmt::format("({}, {}, CAST({} AS BIGINT), CAST({} AS BIGINT))", i, life.shard,
                                 from, life.counts->until));
  }
  if (ranges.empty()) return moved;
  auto rows = TRY(connection.query(fmt::format(
      "SELECT CAST(l.i AS BIGINT), count(*) FROM ({}) r JOIN (VALUES {}) l(i, s, a, z) "
      "ON r._shard = l.s AND r._offset >= l.a AND r._offset < l.z GROUP BY 1",
      lake::scan_sql(table.root(), *snapshot.metadata, files), base::join(ranges, ", "))));
  while (const auto chunk = TRY(rows.next())) {
    for (std::size_t row = 0; row < chunk->row_count(); ++row) {
      const auto& life =
          lives[static_cast<std::size_t>(chunk->column(0).data<std::int64_t>()[row])];
      const auto id = removed_id(life.app_id);
      const auto stands = snapshot.transaction(id);
      moved.push_back(
          {id, stands, stands.value_or(0) + chunk->column(1).data<std::int64_t>()[row]});
    }
  }
  return moved;
}

}  // namespace millrace::flow
