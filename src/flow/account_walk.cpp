#include "flow/account_walk.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace millrace::flow {
namespace {

// The part of sorted keys that lies in a slice.
std::span<const RowKey> within(const std::vector<RowKey>& keys, const PositionSlice& slice) {
  const RowKey from{slice.shard, slice.from, INT32_MIN};
  const RowKey until{slice.shard, slice.until, INT32_MIN};
  const auto first = std::ranges::lower_bound(keys, from);
  return {first, std::lower_bound(first, keys.end(), until)};
}

std::vector<std::int64_t> offsets_of(std::span<const RowKey> keys) {
  std::vector<std::int64_t> offsets;
  for (const auto& key : keys) {
    if (offsets.empty() || offsets.back() != key.offset) offsets.push_back(key.offset);
  }
  return offsets;
}

std::vector<std::int64_t> rejects_of(const WindowRows& window, std::size_t life,
                                     const PositionSlice& slice) {
  const auto first = std::ranges::lower_bound(window.rejects, RejectKey{life, slice.from});
  std::vector<std::int64_t> offsets;
  for (auto at = first; at != window.rejects.end() && at->life == life && at->offset < slice.until;
       ++at) {
    offsets.push_back(at->offset);
  }
  return offsets;
}

// A row of one position may be there as often as lives have that position.
void find_doubled(std::span<const RowKey> keys, LifeGroup& group,
                  const std::vector<ShardAccount>& accounts) {
  if (group.is_mixed) return;
  for (std::size_t i = 0; i < keys.size();) {
    std::size_t end = i + 1;
    while (end < keys.size() && keys[end] == keys[i]) ++end;
    const auto count = static_cast<std::int64_t>(end - i);
    if (count > 1) {
      const auto may = std::ranges::count_if(group.lives, [&](std::size_t life) {
        const auto& counts = *accounts[life].life.counts;
        return counts.from <= keys[i].offset && keys[i].offset < counts.until;
      });
      if (count > may && !group.first_doubled) group.first_doubled = keys[i];
      group.doubled += std::max<std::int64_t>(0, count - may);
    }
    i = end;
  }
}

std::string plural(std::int64_t count, const char* one, const char* many) {
  return fmt::format("{} {}", count, count == 1 ? one : many);
}

}  // namespace

std::vector<LifeGroup> groups_of(const std::vector<ShardAccount>& accounts) {
  std::vector<LifeGroup> groups;
  for (std::size_t i = 0; i < accounts.size(); ++i) {
    const auto& life = accounts[i].life;
    if (life.counts) {
      groups.push_back({.all = {life.shard, life.counts->from, life.counts->until}, .lives = {i}});
    }
  }
  std::ranges::sort(groups, {}, [](const LifeGroup& group) {
    return std::pair(group.all.shard, group.all.from);
  });
  std::vector<LifeGroup> joined;
  for (auto& group : groups) {
    const bool overlaps = !joined.empty() && joined.back().all.shard == group.all.shard &&
                          group.all.from < joined.back().all.until;
    if (!overlaps) {
      joined.push_back(std::move(group));
      continue;
    }
    joined.back().lives.push_back(group.lives.front());
    joined.back().all.until = std::max(joined.back().all.until, group.all.until);
  }
  for (auto& group : joined) {
    for (std::size_t i = 0; i < accounts.size(); ++i) {
      const auto& life = accounts[i].life;
      const auto uncounted_until = life.counts ? life.counts->from : life.position;
      const bool is_of_group = std::ranges::count(group.lives, i) > 0 && group.is_single();
      if (life.shard == group.all.shard && !is_of_group && uncounted_until > group.all.from) {
        group.is_mixed = true;
      }
    }
  }
  return joined;
}

void walk(const PositionSlice& slice, const WindowRows& window, LifeGroup& group,
          std::vector<ShardAccount>& accounts) {
  const auto keys = within(window.rows, slice);
  const auto taken = offsets_of(keys);
  group.rows += static_cast<std::int64_t>(keys.size());
  group.taken += static_cast<std::int64_t>(taken.size());
  find_doubled(keys, group, accounts);
  for (const auto life : group.lives) {
    const auto rejected = rejects_of(window, life, slice);
    accounts[life].rejected += static_cast<std::int64_t>(rejected.size());
    if (!group.is_single()) continue;
    std::vector<std::int64_t> some;
    std::ranges::set_intersection(taken, rejected, std::back_inserter(some));
    group.partly += static_cast<std::int64_t>(some.size());
    if (!some.empty() && !group.first_partly) group.first_partly = some.front();
    if (!window.parent) continue;
    const auto given = offsets_of(within(*window.parent, slice));
    group.given += static_cast<std::int64_t>(given.size());
    std::vector<std::int64_t> ended;
    some.clear();
    std::ranges::set_union(taken, rejected, std::back_inserter(ended));
    std::ranges::set_difference(ended, given, std::back_inserter(some));
    group.strangers += static_cast<std::int64_t>(some.size());
    if (!some.empty() && !group.first_stranger) group.first_stranger = some.front();
  }
}

namespace {

// What of a group's lives the commits say together.
ShardCounts sum_of(const LifeGroup& group, const std::vector<ShardAccount>& accounts) {
  ShardCounts sum;
  for (const auto life : group.lives) {
    sum.add(*accounts[life].life.counts);
    sum.removed += accounts[life].life.counts->removed;
  }
  return sum;
}

void judge_rows(const LifeGroup& group, const ShardCounts& sum,
                std::vector<std::string>& findings) {
  const auto expected = sum.rows - sum.removed;
  const auto came = fmt::format("commits brought {}, {} were removed because they were old, and {}",
                                plural(sum.rows, "row", "rows"), sum.removed, group.rows);
  if (group.rows < expected) {
    findings.push_back(fmt::format("{} missing: {} are there",
                                   plural(expected - group.rows, "row is", "rows are"), came));
  }
  if (group.rows > expected && !group.is_mixed) {
    findings.push_back(fmt::format("{} too many: {} are there",
                                   plural(group.rows - expected, "row is", "rows are"), came));
  }
  if (group.doubled > 0) {
    findings.push_back(fmt::format("{} there more than once, the first at offset {}, row {}",
                                   plural(group.doubled, "row is", "rows are"),
                                   group.first_doubled->offset, group.first_doubled->row));
  }
}

void judge_records(const LifeGroup& group, const ShardCounts& sum,
                   std::vector<std::string>& findings) {
  // A record may have lost some of its rows, or all.
  const bool is_exact = sum.removed == 0 && group.is_single() && !group.is_mixed;
  const auto least = is_exact ? sum.taken : group.is_single() ? sum.taken - sum.removed : 0;
  const auto most = group.is_mixed ? INT64_MAX : sum.taken;
  if (group.taken < least || group.taken > most) {
    findings.push_back(fmt::format("commits brought rows of {}, and there are rows of {}",
                                   plural(sum.taken, "record", "records"), group.taken));
  }
  // The rejects of a replay do not say where in it they stood.
  if (!group.is_single() || group.is_mixed || group.all.shard < 0) return;
  if (group.partly > sum.partly || (is_exact && group.partly < sum.partly)) {
    findings.push_back(fmt::format(
        "{} rows and rejected{}, and commits say so of {}",
        plural(group.partly, "record has both", "records have both"),
        group.first_partly ? fmt::format(", the first at offset {}", *group.first_partly) : "",
        sum.partly));
  }
}

}  // namespace

void judge(const LifeGroup& group, const AccountContext& context,
           std::vector<ShardAccount>& accounts) {
  auto& first = accounts[group.lives.front()];
  first.rows = group.rows;
  first.taken = group.taken;
  first.partly = group.partly;
  const auto sum = sum_of(group, accounts);
  judge_rows(group, sum, first.findings);
  judge_records(group, sum, first.findings);
  if (!group.is_single() || group.is_mixed || !context.has_whole_parent(first.life)) return;
  if (group.given != sum.records) {
    first.findings.push_back(fmt::format("the table that it reads has rows of {}, and {} came",
                                         plural(group.given, "record", "records"), sum.records));
  }
  if (group.strangers > 0) {
    first.findings.push_back(
        fmt::format("{} not in the table that it reads, the first at offset {}",
                    plural(group.strangers, "record is", "records are"), *group.first_stranger));
  }
}

void judge(ShardAccount& account, const AccountContext& context) {
  const auto& life = account.life;
  if (!life.counts) return;
  const auto& counts = *life.counts;
  auto& findings = account.findings;
  if (counts.until != life.position) {
    findings.push_back(
        fmt::format("the position is {}, but records are counted up to {}: what is between is not "
                    "known; if an older version wrote, the next start counts from there on",
                    life.position, counts.until));
  }
  const bool has_all_rejects = !life.is_replay() || counts.from == 0;
  if (has_all_rejects && account.rejected != counts.rejected) {
    findings.push_back(fmt::format("commits rejected {}, and `_rejects` has {}",
                                   plural(counts.rejected, "record", "records"), account.rejected));
  }
  if (counts.accounted() != counts.records) {
    findings.push_back(fmt::format(
        "of {} that came, {} have rows, {} were rejected ({} of them have both) and {} left out by "
        "the SQL: {} unaccounted for",
        plural(counts.records, "record", "records"), counts.taken, counts.rejected, counts.partly,
        counts.filtered, counts.records - counts.accounted()));
  }
  const auto positions = counts.until - counts.from;
  const bool is_dense = context.is_dense(life);
  if (counts.records > positions || (is_dense && counts.records < positions)) {
    findings.push_back(fmt::format("from position {} to {} there are {}, and {} were counted",
                                   counts.from, counts.until,
                                   plural(positions, "record", "records"), counts.records));
  }
}

}  // namespace millrace::flow
