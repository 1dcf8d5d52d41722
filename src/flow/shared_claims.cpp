#include "flow/shared_claims.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <set>

#include "base/text.hpp"
#include "flow/events.hpp"
#include "flow/position_scan.hpp"
#include "sql/render.hpp"

namespace millrace::flow {

using base::Code;
using base::Error;
using base::Result;

namespace {

// So often a key's claims may change under our hands.
constexpr int kRoundsMax = 50;
constexpr std::size_t kKeyShown = 60;

// Those that follow each other are one slice.
std::vector<PositionSlice> slices_of(
    const std::set<std::pair<std::int32_t, std::int64_t>>& positions) {
  std::vector<PositionSlice> slices;
  for (const auto& [shard, offset] : positions) {
    if (!slices.empty() && slices.back().shard == shard && slices.back().until == offset) {
      ++slices.back().until;
    } else {
      slices.push_back({shard, offset, offset + 1});
    }
  }
  return slices;
}

}  // namespace

SharedClaims::SharedClaims(const TablePlan& plan, lake::Table& table, SharedClaimsParts parts)
    : plan_(plan),
      table_(table),
      parts_(std::move(parts)),
      terms_{plan.table.unique->within, parts_.lateness} {}

bool SharedClaims::is_near(base::Time a, base::Time b) const {
  return std::chrono::abs(a - b) <= terms_.within;
}

std::string SharedClaims::app_id(const ClaimOwner& owner) const {
  return fmt::format("{}{}/{}", parts_.app_prefix, owner.life, owner.shard);
}

// A table that was deleted and made anew has another id: what the old one's rows claimed is void.
std::string SharedClaims::store_key(const std::string& key) const {
  auto text = plan_.output[*plan_.unique_column].name;
  text += '\0';
  text += key;
  const auto hash = key_of(text);
  return fmt::format("{}/{:016x}{:016x}", table_.snapshot()->metadata->id, hash.high, hash.low);
}

// True for good: rows of the record are in the table, or will never be.
bool SharedClaims::is_decided(const ClaimOwner& owner) const {
  return table_.snapshot()->transaction(app_id(owner)).value_or(0) > owner.offset;
}

Result<std::vector<bool>> SharedClaims::claim(const Rows& rows, const std::string& life) {
  std::vector<bool> kept(rows.size(), true);
  Indexes open;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (rows[i]) open.push_back(i);
  }
  abandoned_.clear();
  waits_.reset();
  is_fresh_ = false;
  for (int round = 0; !open.empty(); ++round) {
    if (round > kRoundsMax + static_cast<int>(rows.size())) {
      return Error{Code::Unavailable, "claims of keys change again and again under our hands"};
    }
    Indexes now, later;
    std::set<std::string_view> keys;
    for (const auto i : open) {
      // Rows of one key in their order: what the first does with it decides about the others.
      if (keys.contains(rows[i]->key)) {
        later.push_back(i);
      } else if (const auto known = remembered(*rows[i])) {
        kept[i] = *known;
      } else {
        keys.insert(rows[i]->key);
        now.push_back(i);
      }
    }
    auto asked = TRY(ask(rows, std::move(now), life));
    TRY(decide(rows, asked));
    const auto again = TRY(settle(rows, asked, kept));
    if (waits_) return *waits_;
    later.insert(later.end(), again.begin(), again.end());
    std::ranges::sort(later);
    open = std::move(later);
  }
  return kept;
}

std::optional<bool> SharedClaims::remembered(const KeyedRow& row) const {
  if (const auto found = mine_.find(row.key); found != mine_.end()) {
    for (const auto& mine : found->second) {
      if (is_near(mine.time, row.time)) return mine.position == row.position;
    }
  }
  if (const auto found = others_.find(row.key); found != others_.end()) {
    for (const auto time : found->second) {
      if (is_near(time, row.time)) return false;
    }
  }
  return std::nullopt;
}

Result<SharedClaims::Round> SharedClaims::ask(const Rows& rows, Indexes indexes,
                                              const std::string& life) {
  Round round{.rows = std::move(indexes), .wanted = {}, .held = {}, .fates = {}};
  if (round.rows.empty()) return round;
  for (const auto i : round.rows) {
    const auto& row = *rows[i];
    round.wanted.push_back({.key = store_key(row.key),
                            .time = row.time,
                            .owner = {life, row.position.shard, row.position.offset}});
  }
  const auto begun = parts_.clock->steady_now();
  round.held = TRY(parts_.store->claim(round.wanted, terms_));
  CHECK(round.held.size() == round.wanted.size());
  events::claimed(parts_.telemetry, plan_.table.name, round.wanted.size(),
                  parts_.clock->steady_now() - begun);
  return round;
}

Result<void> SharedClaims::decide(const Rows& rows, Round& round) {
  bool has_arrivals = false;
  for (std::size_t i = 0; i < round.rows.size(); ++i) {
    auto& held = round.held[i];
    if (!held) {
      round.fates.push_back(Fate::Kept);
    } else if (parts_.keeps_positions) {
      round.fates.push_back(fate_of_kept(round.wanted[i], *held));
    } else {
      round.fates.push_back(TRY(fate_of_arrival(*held)));
      has_arrivals = true;
    }
  }
  return has_arrivals ? find_stored(rows, round) : Result<void>();
}

// A record that comes again has its old position, and comes until it is committed. So whoever holds
// the key gets a row, or did. Two exceptions: what our own shard has not committed is decided here,
// in its order, and is another's only if it was claimed in this run; and nobody repeats records of
// a stream that is gone. Of a duplicate those stay `near` that make it one.
SharedClaims::Fate SharedClaims::fate_of_kept(const WantedClaim& wanted, HeldClaims& held) const {
  const auto is_of_our_stream = [&](const MadeClaim& claim) {
    return claim.owner.life == wanted.owner.life;
  };
  const auto has_row = [&](const MadeClaim& claim) {
    return is_decided(claim.owner) ||
           (is_of_our_stream(claim) && claim.owner.shard != wanted.owner.shard);
  };
  if (std::ranges::any_of(held.near, has_row)) {
    std::erase_if(held.near, std::not_fn(has_row));
    return Fate::Duplicate;
  }
  // One behind us would find itself as the owner when its turn comes.
  const bool is_in_our_way = std::ranges::any_of(held.near, [&](const MadeClaim& claim) {
    return !is_of_our_stream(claim) || claim.owner.offset > wanted.owner.offset;
  });
  return is_in_our_way ? Fate::TakeOver : Fate::Kept;
}

// A record that comes again has another position, so the table has to say what became of the one
// that holds the key: `TakeOver` here means that its position is decided.
Result<SharedClaims::Fate> SharedClaims::fate_of_arrival(const HeldClaims& held) {
  for (const auto& claim : held.near) {
    if (is_decided(claim.owner)) continue;
    if (!std::exchange(is_fresh_, true)) TRY(table_.refresh());
    if (is_decided(claim.owner)) continue;
    const auto now = parts_.clock->now();
    if (claim.until < now) {
      auto& until = abandoned_[app_id(claim.owner)];
      until = std::max(until, claim.owner.offset + 1);
    }
    waits_ = Error{
        Code::Unavailable,
        fmt::format("table '{}': a record with the same {} is being worked on, until {} "
                    "at the latest; come again then",
                    plan_.table.name, plan_.table.unique->key, base::format_time(claim.until))};
    return Fate::Waits;
  }
  return Fate::TakeOver;
}

// Whether rows with these keys stand where the claims say, in one look. Of a duplicate those claims
// stay `near` that have one.
Result<void> SharedClaims::find_stored(const Rows& rows, Round& round) const {
  std::set<std::pair<std::int32_t, std::int64_t>> positions;
  for (std::size_t i = 0; i < round.rows.size(); ++i) {
    if (round.fates[i] != Fate::TakeOver) continue;
    for (const auto& claim : round.held[i]->near) {
      positions.insert({claim.owner.shard, claim.owner.offset});
    }
  }
  if (positions.empty()) return {};
  const auto slices = slices_of(positions);
  const auto files = PositionScan(table_.root(), *table_.snapshot()).select(slices);
  if (!files) return {};
  const auto& column = plan_.output[*plan_.unique_column];
  auto connection = TRY(table_.tools().engine.connect());
  auto stored = TRY(connection.query(fmt::format("SELECT _shard, _offset, {} FROM ({}) WHERE {}",
                                                 base::sql_name(column.name), *files,
                                                 PositionScan::condition(slices))));
  std::map<std::pair<std::int32_t, std::int64_t>, std::set<std::string>> keys;
  const sql::Renderer renderer(column.type);
  while (const auto chunk = TRY(stored.next())) {
    for (std::size_t row = 0; row < chunk->row_count(); ++row) {
      if (chunk->column(2).is_null(row)) continue;
      keys[{chunk->column(0).data<std::int32_t>()[row], chunk->column(1).data<std::int64_t>()[row]}]
          .insert(renderer.text(chunk->column(2), row));
    }
  }
  for (std::size_t i = 0; i < round.rows.size(); ++i) {
    if (round.fates[i] != Fate::TakeOver) continue;
    auto& near = round.held[i]->near;
    const auto has_row = [&](const MadeClaim& claim) {
      const auto found = keys.find({claim.owner.shard, claim.owner.offset});
      return found != keys.end() && found->second.contains(rows[round.rows[i]]->key);
    };
    if (std::ranges::none_of(near, has_row)) continue;
    std::erase_if(near, std::not_fn(has_row));
    round.fates[i] = Fate::Duplicate;
  }
  return {};
}

// Returns those whose claims changed meanwhile.
Result<SharedClaims::Indexes> SharedClaims::settle(const Rows& rows, const Round& round,
                                                   std::vector<bool>& kept) {
  Indexes again;
  for (std::size_t i = 0; i < round.rows.size(); ++i) {
    const auto& row = *rows[round.rows[i]];
    if (round.fates[i] == Fate::Waits) continue;
    if (round.fates[i] == Fate::Duplicate) {
      kept[round.rows[i]] = false;
      for (const auto& claim : round.held[i]->near) others_[row.key].push_back(claim.time);
      continue;
    }
    if (round.fates[i] == Fate::TakeOver) {
      if (!TRY(parts_.store->take_over(round.wanted[i], *round.held[i], terms_))) {
        again.push_back(round.rows[i]);
        continue;
      }
      events::claim_taken_over(parts_.telemetry, plan_.table.name,
                               base::printable(row.key, kKeyShown));
    }
    mine_[row.key].push_back({row.time, row.position});
  }
  return again;
}

void SharedClaims::taken() {
  for (auto& [key, claims] : mine_) {
    for (auto& claim : claims) claim.stage = std::max(claim.stage, Stage::Taken);
  }
}

void SharedClaims::seal() {
  for (auto& [key, claims] : mine_) {
    for (auto& claim : claims) {
      if (claim.stage == Stage::Taken) claim.stage = Stage::Sealed;
    }
  }
}

void SharedClaims::committed() {
  others_.clear();
  forget(Stage::Sealed);
}

void SharedClaims::forget_untaken() {
  forget(Stage::Claimed);
}

void SharedClaims::forget(Stage stage) {
  for (auto entry = mine_.begin(); entry != mine_.end();) {
    auto& claims = entry->second;
    std::erase_if(claims, [&](const Mine& claim) { return claim.stage == stage; });
    entry = claims.empty() ? mine_.erase(entry) : std::next(entry);
  }
}

void SharedClaims::drop() {
  mine_.clear();
  others_.clear();
  abandoned_.clear();
}

}  // namespace millrace::flow
