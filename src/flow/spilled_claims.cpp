#include "flow/spilled_claims.hpp"

#include <fmt/format.h>
#include <lmdb.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <tuple>

namespace millrace::flow {
namespace {

using base::Code;
using base::Error;
using base::Result;

constexpr std::size_t kMapBytes = std::size_t{1} << 36;  // address space, not memory
constexpr MDB_dbi kBucketsMax = 4096;
constexpr std::size_t kPutsMax = 50'000;

// Key, then time, both so that LMDB's byte order is theirs.
using StoredKey = std::array<unsigned char, 24>;
struct StoredValue {
  std::int64_t offset;
  std::int64_t shard;
};

void put_number(unsigned char* into, std::uint64_t value) {
  for (int i = 7; i >= 0; --i, value >>= 8) into[i] = static_cast<unsigned char>(value);
}
std::uint64_t number_at(const unsigned char* from) {
  std::uint64_t value = 0;
  for (int i = 0; i < 8; ++i) value = (value << 8) | from[i];
  return value;
}
// Negative times sort before positive ones.
constexpr std::uint64_t kSign = std::uint64_t{1} << 63;

StoredKey stored_key(Key128 key, std::int64_t time) {
  StoredKey stored;
  put_number(stored.data(), key.high);
  put_number(stored.data() + 8, key.low);
  put_number(stored.data() + 16, static_cast<std::uint64_t>(time) ^ kSign);
  return stored;
}

Result<void> checked(int code, const char* what) {
  if (code == 0) return {};
  const bool is_full = code == ENOSPC || code == MDB_MAP_FULL || code == ENOMEM;
  return Error{is_full ? Code::Exhausted : Code::Unavailable,
               fmt::format("the keys of `unique` on disk: {}: {}", what, mdb_strerror(code))};
}

struct Transaction {
  explicit Transaction(MDB_txn* handle_) : handle(handle_) {}
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  ~Transaction() {
    if (handle) mdb_txn_abort(handle);
  }
  Result<void> commit() {
    MDB_txn* done = handle;
    handle = nullptr;
    return checked(mdb_txn_commit(done), "commit");
  }
  MDB_txn* handle;
};

}  // namespace

struct SpilledClaims::State {
  MDB_env* env = nullptr;
  MDB_txn* look = nullptr;  // at rest between reads: to make one costs more than to read
  std::map<std::int64_t, MDB_dbi> buckets;

  ~State() {
    if (look) mdb_txn_abort(look);
    if (env) mdb_env_close(env);
  }
  Result<void> begin_look() {
    if (look) return checked(mdb_txn_renew(look), "begin");
    look = TRY(begin(MDB_RDONLY));
    return {};
  }
  Result<MDB_txn*> begin(unsigned flags) {
    MDB_txn* handle = nullptr;
    TRY(checked(mdb_txn_begin(env, nullptr, flags, &handle), "begin"));
    return handle;
  }
};

SpilledClaims::SpilledClaims(std::unique_ptr<State> state) : state_(std::move(state)) {}
SpilledClaims::~SpilledClaims() = default;

Result<std::unique_ptr<SpilledClaims>> SpilledClaims::open(const std::filesystem::path& folder) {
  std::error_code failed;
  std::filesystem::remove_all(folder, failed);
  if (!failed) std::filesystem::create_directories(folder, failed);
  if (failed) return Error{Code::Unavailable, failed.message(), folder.string()};
  auto state = std::make_unique<State>();
  TRY(checked(mdb_env_create(&state->env), "open"));
  TRY(checked(mdb_env_set_mapsize(state->env, kMapBytes), "open"));
  TRY(checked(mdb_env_set_maxdbs(state->env, kBucketsMax), "open"));
  TRY(checked(
      mdb_env_open(state->env, folder.c_str(),
                   MDB_NOSYNC | MDB_NOMETASYNC | MDB_NOLOCK | MDB_NORDAHEAD | MDB_NOTLS, 0600),
      "open"));
  return std::unique_ptr<SpilledClaims>(new SpilledClaims(std::move(state)));
}

// In the tree's order, so that each of its pages is changed once; a part at a time, for a
// transaction holds the pages that it changed in memory.
Result<void> SpilledClaims::add(std::int64_t bucket, std::vector<Claim> claims) {
  std::ranges::sort(claims, {}, [](const Claim& claim) {
    return std::tuple(claim.key.high, claim.key.low, claim.time);
  });
  for (std::size_t at = 0; at < claims.size(); at += kPutsMax) {
    const auto count = std::min(kPutsMax, claims.size() - at);
    TRY(add_part(bucket, std::span(claims).subspan(at, count)));
  }
  return {};
}

Result<void> SpilledClaims::add_part(std::int64_t bucket, std::span<const Claim> claims) {
  Transaction change(TRY(state_->begin(0)));
  MDB_dbi database = 0;
  TRY(checked(mdb_dbi_open(change.handle, std::to_string(bucket).c_str(), MDB_CREATE, &database),
              "open a bucket"));
  for (const auto& claim : claims) {
    auto key = stored_key(claim.key, claim.time);
    StoredValue value{claim.offset, claim.shard};
    MDB_val stored_at{key.size(), key.data()}, stored{sizeof value, &value};
    TRY(checked(mdb_put(change.handle, database, &stored_at, &stored, 0), "write"));
  }
  TRY(change.commit());
  state_->buckets[bucket] = database;
  return {};
}

Result<std::optional<Claim>> SpilledClaims::find(std::int64_t bucket, Key128 key, std::int64_t from,
                                                 std::int64_t until) {
  const auto database = state_->buckets.find(bucket);
  if (database == state_->buckets.end()) return std::optional<Claim>();
  TRY(state_->begin_look());
  MDB_cursor* cursor = nullptr;
  if (const int code = mdb_cursor_open(state_->look, database->second, &cursor); code != 0) {
    mdb_txn_reset(state_->look);
    return checked(code, "read").error();
  }
  auto first = stored_key(key, from);
  MDB_val at{first.size(), first.data()}, stored{};
  const int code = mdb_cursor_get(cursor, &at, &stored, MDB_SET_RANGE);
  std::optional<Claim> found;
  if (code == 0 && std::memcmp(at.mv_data, first.data(), 16) == 0) {
    const auto time = static_cast<std::int64_t>(
        number_at(static_cast<const unsigned char*>(at.mv_data) + 16) ^ kSign);
    StoredValue value;
    std::memcpy(&value, stored.mv_data, sizeof value);
    if (time <= until) {
      found = Claim{key, time, value.offset, static_cast<std::int32_t>(value.shard)};
    }
  }
  mdb_cursor_close(cursor);
  mdb_txn_reset(state_->look);
  if (code != MDB_NOTFOUND) TRY(checked(code, "read"));
  return found;
}

Result<void> SpilledClaims::drop_before(std::int64_t bucket) {
  while (!state_->buckets.empty() && state_->buckets.begin()->first < bucket) {
    Transaction change(TRY(state_->begin(0)));
    TRY(checked(mdb_drop(change.handle, state_->buckets.begin()->second, 1), "drop"));
    TRY(change.commit());
    state_->buckets.erase(state_->buckets.begin());
  }
  return {};
}

}  // namespace millrace::flow
