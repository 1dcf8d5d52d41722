#include "flow/account.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/text.hpp"
#include "flow/account_walk.hpp"
#include "flow/rejects_table.hpp"
#include "lake/retention.hpp"
#include "source/handed_source.hpp"

namespace millrace::flow {
namespace {

using base::Code;
using base::Error;
using base::Result;

// What of a table is looked at: it is written meanwhile.
struct TableView {
  const lake::Table* table = nullptr;
  std::shared_ptr<const lake::Snapshot> snapshot;
  PositionScan::Files files;

  PositionScan scan() const { return {table->root(), snapshot->metadata, files}; }
};

TableView view_of(const lake::Table& table) {
  TableView view{&table, table.snapshot(), {}};
  for (const auto& [path, file] : view.snapshot->files) view.files.push_back(file);
  return view;
}

// Files that are named and not there, or of another size.
Result<std::vector<std::string>> lost_files(const TableView& view, const AccountParts& parts) {
  std::vector<std::string> lost;
  for (const auto& file : view.files) {
    TRY(parts.go_on());
    const auto path = view.table->root() / lake::uri_decoded(file->path);
    const auto there = TRY(view.table->store().stat(path));
    if (!there) {
      lost.push_back(fmt::format("a data file is lost: {}", path.string()));
    } else if (static_cast<std::int64_t>(there->size) != file->size) {
      lost.push_back(fmt::format("a data file has {} bytes, and the commit says {}: {}",
                                 there->size, file->size, path.string()));
    }
  }
  return lost;
}

std::string name_of(std::string_view source, std::string_view incarnation, std::int32_t shard) {
  return fmt::format("{}/{}/{}", source, incarnation, shard);
}

/// Takes one account.
class Accountant {
 public:
  explicit Accountant(const AccountParts& parts) : parts_(parts) {}
  Result<TableAccount> take();

 private:
  struct Window {
    std::vector<std::pair<PositionSlice, std::size_t>> slices;  // with its group
    std::vector<PositionSlice> plain() const {
      std::vector<PositionSlice> some;
      for (const auto& [slice, group] : slices) some.push_back(slice);
      return some;
    }
  };

  Result<void> look();
  Result<void> read_all();
  Result<void> read_replays();
  void find_outside(const std::map<std::int32_t, PositionScan::Extent>& extents);
  std::vector<Window> windows(const std::map<std::int32_t, PositionScan::Extent>& extents) const;
  static std::vector<Window> halves(const Window& window);
  Result<std::optional<WindowRows>> read(const Window& window);
  Result<std::optional<std::vector<RejectKey>>> read_rejects(
      const std::vector<PositionSlice>& slices);
  AccountContext context() const;
  bool has_whole_parent(const ShardLife& life) const;

  const AccountParts& parts_;
  TableView rows_, rejects_;
  std::optional<TableView> parent_;
  std::optional<PositionScan> rows_scan_, rejects_scan_, parent_scan_;
  TableAccount account_;
  std::vector<LifeGroup> groups_;
  std::map<std::string, std::size_t> lives_;  // indices of the accounts
  std::set<std::string> own_replays_;         // incarnations
};

// The order matters, also where other processes write: what `_rejects` has is in a later view of
// the table, and what the table has is in a later view of its parent. Rejects that commits name and
// `_rejects` does not have yet are read from there.
Result<void> Accountant::look() {
  rejects_ = view_of(parts_.rejects);
  const auto followed =
      followed_version(*rejects_.snapshot, parts_.pipeline.name, parts_.table.name);
  TRY(parts_.rows.refresh());
  rows_ = view_of(parts_.rows);
  if (parts_.parent) {
    TRY(parts_.parent->refresh());
    parent_ = view_of(*parts_.parent);
  }
  for (const auto& commit : TRY(parts_.rows.commits_after(followed))) {
    if (commit.info.version > rows_.snapshot->version.value()) break;
    for (auto& add : TRY(rejects_of(commit.info.extra))) {
      rejects_.files.push_back(std::make_shared<const lake::AddFile>(std::move(add)));
    }
  }
  for (auto& life : lives_of(rows_.snapshot->transactions, parts_.table.name)) {
    lives_[name_of(life.source, life.incarnation, life.shard)] = account_.shards.size();
    account_.shards.push_back({.life = std::move(life)});
  }
  groups_ = groups_of(account_.shards);
  rows_scan_.emplace(rows_.scan());
  rejects_scan_.emplace(rejects_.scan());
  if (parent_) parent_scan_.emplace(parent_->scan());
  return {};
}

Result<TableAccount> Accountant::take() {
  TRY(look());
  if (const auto read = read_all(); !read) {
    if (read.error().code == Code::Cancelled) return read.error();
    // Mostly a file that is not there.
    for (const auto* view : {&rows_, &rejects_, parent_ ? &*parent_ : nullptr}) {
      if (!view) continue;
      for (auto& lost : TRY(lost_files(*view, parts_)))
        account_.findings.push_back(std::move(lost));
    }
    if (account_.findings.empty()) return read.error();
    account_.is_compared = false;
    return std::move(account_);
  }
  for (const auto& group : groups_) judge(group, context(), account_.shards);
  for (auto& shard : account_.shards) judge(shard, context());
  return std::move(account_);
}

Result<void> Accountant::read_all() {
  TRY(read_replays());
  const auto extents = TRY(rows_scan_->extents(parts_.connection));
  find_outside(extents);
  auto left = windows(extents);
  std::ranges::reverse(left);
  while (!left.empty()) {
    TRY(parts_.go_on());
    const auto window = std::move(left.back());
    left.pop_back();
    const auto read_rows = TRY(read(window));
    if (!read_rows) {
      for (auto& half : halves(window)) left.push_back(std::move(half));
      continue;
    }
    for (const auto& [slice, group] : window.slices) {
      walk(slice, *read_rows, groups_[group], account_.shards);
    }
  }
  return {};
}

// A reject that was tried again keeps its first position, so those of a replay are only counted.
Result<void> Accountant::read_replays() {
  if (rejects_.files.empty()) return {};
  auto rows = TRY(parts_.connection.query(fmt::format(
      "SELECT source, replay, count(DISTINCT place) FILTER (outcome = 'rejected'), count(DISTINCT "
      "place) "
      "FILTER (outcome = 'accepted'), count(DISTINCT place) FILTER (outcome = 'filtered') FROM "
      "(SELECT *, (incarnation, _shard, _offset) AS place FROM ({})) WHERE \"table\" = {} AND "
      "replay "
      "IS NOT NULL GROUP BY ALL",
      lake::scan_sql(rejects_.table->root(), *rejects_.snapshot->metadata, rejects_.files),
      base::sql_string(parts_.table.name))));
  while (const auto chunk = TRY(rows.next())) {
    for (std::size_t row = 0; row < chunk->row_count(); ++row) {
      const auto count = [&](std::size_t column) {
        return chunk->column(column).data<std::int64_t>()[row];
      };
      const auto incarnation = fmt::format("replay-{}", chunk->column(1).text(row));
      const bool is_own = count(3) + count(4) > 0 || !parts_.table.from_is_table;
      if (is_own) own_replays_.insert(incarnation);
      const auto found = std::ranges::find_if(account_.shards, [&](const ShardAccount& shard) {
        return shard.life.is_replay() && shard.life.source == chunk->column(0).text(row) &&
               shard.life.incarnation == incarnation;
      });
      if (found == account_.shards.end()) continue;
      found->rejected = count(2);
      const auto& counts = found->life.counts;
      const bool is_whole = counts && counts->from == 0;
      if (!is_whole || !is_own) continue;
      if (count(3) != counts->taken - counts->partly || count(4) != counts->filtered) {
        found->findings.push_back(fmt::format(
            "`_rejects` says that {} were accepted and {} filtered, and commits say {} and {}",
            count(3), count(4), counts->taken - counts->partly, counts->filtered));
      }
    }
  }
  return {};
}

// Rows at positions that no commit has come to.
void Accountant::find_outside(const std::map<std::int32_t, PositionScan::Extent>& extents) {
  for (const auto& [shard, extent] : extents) {
    std::optional<std::int64_t> position;
    for (const auto& one : account_.shards) {
      if (one.life.shard == shard) position = std::max(position.value_or(0), one.life.position);
    }
    if (position && extent.offset_max < *position) continue;
    if (shard == INT32_MIN) {
      account_.findings.push_back(
          fmt::format("{} rows do not say where they come from", extent.rows));
      continue;
    }
    account_.findings.push_back(fmt::format(
        "there are rows of shard {} up to offset {}, and {}", shard, extent.offset_max,
        position ? fmt::format("commits came to {} only", *position) : "no commit has read it"));
  }
}

std::vector<Accountant::Window> Accountant::windows(
    const std::map<std::int32_t, PositionScan::Extent>& extents) const {
  // Where rows lie evenly a window is half full, so that few are read twice.
  const auto rows_max = std::max<std::int64_t>(1, static_cast<std::int64_t>(parts_.rows_max) / 2);
  std::vector<Window> windows;
  std::int64_t rows = 0;
  for (std::size_t i = 0; i < groups_.size(); ++i) {
    const auto& all = groups_[i].all;
    const auto extent = extents.find(all.shard);
    const auto count = extent == extents.end() ? 0 : extent->second.rows;
    if (count > rows_max) {
      const auto parts = count / rows_max + 1;
      const auto width = std::max<std::int64_t>(1, (all.until - all.from) / parts + 1);
      for (auto from = all.from; from < all.until; from += width) {
        windows.push_back({{{{all.shard, from, std::min(from + width, all.until)}, i}}});
      }
      rows = INT64_MAX / 2;  // the next begins a window
      continue;
    }
    if (windows.empty() || rows + count > rows_max) windows.emplace_back(), rows = 0;
    windows.back().slices.emplace_back(all, i);
    rows += count;
  }
  return windows;
}

// In their order from behind, as they are worked off.
std::vector<Accountant::Window> Accountant::halves(const Window& window) {
  Window first, second;
  if (window.slices.size() > 1) {
    const auto middle =
        window.slices.begin() + static_cast<std::ptrdiff_t>(window.slices.size() / 2);
    first.slices.assign(window.slices.begin(), middle);
    second.slices.assign(middle, window.slices.end());
  } else {
    const auto& [slice, group] = window.slices.front();
    const auto middle = slice.from + (slice.until - slice.from) / 2;
    first.slices = {{{slice.shard, slice.from, middle}, group}};
    second.slices = {{{slice.shard, middle, slice.until}, group}};
  }
  return {std::move(second), std::move(first)};
}

// None: there are too many.
Result<std::optional<WindowRows>> Accountant::read(const Window& window) {
  using Read = std::optional<WindowRows>;
  const auto slices = window.plain();
  // One record's rows are taken however many they are.
  const bool is_one = slices.size() == 1 && slices[0].until - slices[0].from <= 1;
  const auto rows_max = is_one ? SIZE_MAX : parts_.rows_max;
  WindowRows read;
  auto rows = TRY(rows_scan_->read(parts_.connection, slices, rows_max));
  if (!rows) return Read();
  read.rows = std::move(*rows);
  auto rejects = TRY(read_rejects(slices));
  if (!rejects) return Read();
  read.rejects = std::move(*rejects);
  if (!parent_) return Read(std::move(read));
  auto given = TRY(parent_scan_->read(parts_.connection, slices, rows_max));
  if (!given) return Read();
  read.parent = std::move(*given);
  return Read(std::move(read));
}

Result<std::optional<std::vector<RejectKey>>> Accountant::read_rejects(
    const std::vector<PositionSlice>& slices) {
  std::vector<RejectKey> keys;
  const auto files = rejects_scan_->select(slices);
  if (!files) return std::optional(std::move(keys));
  auto rows = TRY(parts_.connection.query(
      fmt::format("SELECT _shard, _offset, source, incarnation FROM ({}) WHERE \"table\" = {} AND "
                  "replay IS NULL AND {}",
                  *files, base::sql_string(parts_.table.name), PositionScan::condition(slices)),
      sql::Fetch::Streamed));
  while (const auto chunk = TRY(rows.next())) {
    if (keys.size() + chunk->row_count() > parts_.rows_max &&
        (slices.size() > 1 || slices[0].until - slices[0].from > 1)) {
      return std::optional<std::vector<RejectKey>>();
    }
    for (std::size_t row = 0; row < chunk->row_count(); ++row) {
      const auto life = lives_.find(name_of(chunk->column(2).text(row), chunk->column(3).text(row),
                                            chunk->column(0).data<std::int32_t>()[row]));
      if (life == lives_.end()) continue;
      keys.push_back({life->second, chunk->column(1).data<std::int64_t>()[row]});
    }
  }
  std::ranges::sort(keys);
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  return std::optional(std::move(keys));
}

AccountContext Accountant::context() const {
  return {.is_dense =
              [this](const ShardLife& life) {
                if (parts_.table.from_is_table) return own_replays_.contains(life.incarnation);
                const auto* source = parts_.pipeline.source(life.source);
                // Of positions that functions gave away, some belong to nobody.
                return life.is_replay() ||
                       (source && life.incarnation != source::kArrivals &&
                        std::holds_alternative<config::LogSource>(source->from));
              },
          .has_whole_parent = [this](const ShardLife& life) { return has_whole_parent(life); }};
}

bool Accountant::has_whole_parent(const ShardLife& life) const {
  if (!parent_ || own_replays_.contains(life.incarnation)) return false;
  std::optional<ShardLife> above;
  for (auto& one : lives_of(parent_->snapshot->transactions, parts_.table.from)) {
    if (one.shard != life.shard) continue;
    if (above) return false;  // its rows do not say of which life they are
    above = std::move(one);
  }
  if (!above || above->source != life.source || above->incarnation != life.incarnation)
    return false;
  if (!lake::kept_from(*parent_->snapshot)) return true;
  return above->counts && above->counts->from <= life.counts->from && above->counts->removed == 0;
}

}  // namespace

std::string ShardAccount::label() const {
  if (life.is_replay()) return fmt::format("replay {} of {}", -life.shard, life.source);
  return fmt::format("shard {} of {} ({})", life.shard, life.source, life.incarnation);
}

bool TableAccount::holds() const {
  return findings.empty() &&
         std::ranges::all_of(shards, [](const auto& shard) { return shard.findings.empty(); });
}

std::string TableAccount::text() const {
  auto all = findings;
  for (const auto& shard : shards) {
    if (!shard.findings.empty()) {
      all.push_back(shard.label() + ": " + base::join(shard.findings, "; "));
    }
  }
  return base::join(all, "\n");
}

Result<TableAccount> take_account(const AccountParts& parts) {
  return Accountant(parts).take();
}

}  // namespace millrace::flow
