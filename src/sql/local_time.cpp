#include "sql/local_time.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <mutex>
#include <vector>

#include "base/text.hpp"
#include "sql/chunk.hpp"
#include "sql/error.hpp"

namespace millrace::sql {
namespace {

using base::Code;
using base::Error;
using base::Result;

constexpr std::int64_t kSecond = 1'000'000;
// No zone has ever set its clocks twice within this time.
constexpr std::int64_t kStep = 6 * 3600 * kSecond;
constexpr std::int64_t kStretch = 8192 * kStep;  // that is asked for at once
// The instants that DuckDB knows, and its two infinities, which are the same in all zones.
constexpr std::int64_t kInstantMin = -9'223'372'022'400'000'000;
constexpr std::int64_t kInstantMax = INT64_MAX - 1;
constexpr std::int64_t kInfinity = INT64_MAX;
constexpr std::size_t kSpansMax = 100'000;  // 10 MB

/// A DuckDB whose clock is in one zone; it lives for a few milliseconds.
class Icu {
 public:
  Icu() = default;
  Icu(const Icu&) = delete;
  Icu& operator=(const Icu&) = delete;
  ~Icu() {
    if (connection_) duckdb_disconnect(&connection_);
    if (database_) duckdb_close(&database_);
  }

  Result<void> open(std::string_view zone) {
    duckdb_config config{};
    duckdb_create_config(&config);
    duckdb_set_config(config, "threads", "1");
    const auto state = duckdb_open_ext(nullptr, &database_, config, nullptr);
    duckdb_destroy_config(&config);
    if (state != DuckDBSuccess || duckdb_connect(database_, &connection_) != DuckDBSuccess) {
      return Error{Code::Unavailable, "DuckDB does not start to tell of time zones"};
    }
    TRY(run("SET TimeZone = " + base::sql_string(std::string(zone))));
    return {};
  }

  /// `instants` is a relation with a column `us`.
  Result<std::vector<std::int64_t>> offsets(const std::string& instants) {
    return run(
        "SELECT CAST(date_part('timezone', make_timestamptz(us)) * 1000000 AS BIGINT) FROM " +
        instants);
  }

 private:
  Result<std::vector<std::int64_t>> run(const std::string& sql) {
    duckdb_result result{};
    std::vector<std::int64_t> values;
    if (duckdb_query(connection_, sql.c_str(), &result) != DuckDBSuccess) {
      const Error error =
          error_from(duckdb_result_error(&result), duckdb_result_error_type(&result));
      duckdb_destroy_result(&result);
      return error;
    }
    while (duckdb_data_chunk handle = duckdb_fetch_chunk(result)) {
      const Chunk chunk(handle);
      const auto* found = chunk.column(0).data<std::int64_t>();
      values.insert(values.end(), found, found + chunk.row_count());
    }
    duckdb_destroy_result(&result);
    return values;
  }

  duckdb_database database_ = nullptr;
  duckdb_connection connection_ = nullptr;
};

struct Change {
  std::int64_t before = 0;  // the offset there is the old one
  std::int64_t at = 0;      // the offset there is the new one
  std::int64_t old_offset = 0;
  std::int64_t new_offset = 0;
};

// Halves all intervals at once until each is a second: clocks are set at whole seconds.
Result<std::vector<Change>> narrowed(Icu& icu, std::vector<Change> wide) {
  std::vector<Change> found;
  while (!wide.empty()) {
    std::vector<std::int64_t> middles;
    for (const auto& change : wide) {
      middles.push_back(change.before + (change.at - change.before) / kSecond / 2 * kSecond);
    }
    const auto offsets =
        TRY(icu.offsets(fmt::format("(SELECT unnest([{}]) AS us)", fmt::join(middles, ", "))));
    std::vector<Change> next;
    const auto keep = [&](const Change& change) {
      if (change.old_offset == change.new_offset) return;
      (change.at - change.before <= kSecond ? found : next).push_back(change);
    };
    for (std::size_t i = 0; i < wide.size(); ++i) {
      keep({wide[i].before, middles[i], wide[i].old_offset, offsets[i]});
      keep({middles[i], wide[i].at, offsets[i], wide[i].new_offset});
    }
    wide = std::move(next);
  }
  std::ranges::sort(found, {}, &Change::at);
  return found;
}

// The stretch of time around `instant`, in spans without a change.
Result<std::vector<UtcOffsets::Span>> ask(std::string_view zone, std::int64_t instant) {
  const std::int64_t index = instant / kStretch - (instant < 0 ? 1 : 0);
  std::int64_t from = kInstantMin, until = kInfinity;
  if (index > kInstantMin / kStretch) from = index * kStretch;
  if (index < kInstantMax / kStretch) until = (index + 1) * kStretch;
  Icu icu;
  TRY(icu.open(zone));
  const auto offsets = TRY(
      icu.offsets(fmt::format("range({}, {}, {}) t(us) ORDER BY us", from, until - kStep, kStep)));
  const std::int64_t last = until - kSecond;
  const auto last_offset = TRY(icu.offsets(fmt::format("(SELECT {} AS us)", last))).at(0);
  std::vector<Change> wide;
  for (std::size_t i = 0; i < offsets.size(); ++i) {
    const auto at = from + static_cast<std::int64_t>(i) * kStep;
    const bool is_last = i + 1 == offsets.size();
    const Change change{at, is_last ? last : at + kStep, offsets[i],
                        is_last ? last_offset : offsets[i + 1]};
    if (change.old_offset != change.new_offset) wide.push_back(change);
  }
  std::vector<UtcOffsets::Span> spans;
  for (const auto& change : TRY(narrowed(icu, std::move(wide)))) {
    spans.push_back({from, change.at, change.old_offset});
    from = change.at;
  }
  spans.push_back({from, until, last_offset});
  return spans;
}

/// `timezone(zone, instant)` over a chunk.
class LocalTime {
 public:
  explicit LocalTime(UtcOffsets& offsets) : offsets_(offsets) {}

  Result<void> run(duckdb_data_chunk input, Vector output) {
    const Vector zones(duckdb_data_chunk_get_vector(input, 0));
    const Vector instants(duckdb_data_chunk_get_vector(input, 1));
    const auto* from = instants.data<std::int64_t>();
    auto* to = output.data<std::int64_t>();
    const idx_t count = duckdb_data_chunk_get_size(input);
    for (idx_t row = 0; row < count; ++row) {
      if (zones.is_null(row) || instants.is_null(row)) {
        output.set_null(row);
      } else if (from[row] == kInfinity || from[row] == -kInfinity) {
        to[row] = from[row];
      } else {
        to[row] = TRY(local(zones.text(row), from[row]));
      }
    }
    return {};
  }

 private:
  Result<std::int64_t> local(std::string_view zone, std::int64_t instant) {
    if (!span_.holds(instant) || zone != zone_) {
      span_ = TRY(offsets_.find(zone, instant));
      zone_ = zone;
    }
    std::int64_t local = 0;
    if (__builtin_add_overflow(instant, span_.offset, &local) || local < kInstantMin ||
        local > kInstantMax) {
      return Error{Code::Invalid, "the time is out of range in its zone"};
    }
    return local;
  }

  UtcOffsets& offsets_;
  UtcOffsets::Span span_;
  std::string_view zone_;
};

void run_local_time(duckdb_function_info info, duckdb_data_chunk input, duckdb_vector output) {
  auto* offsets = static_cast<UtcOffsets*>(duckdb_scalar_function_get_extra_info(info));
  if (auto ran = LocalTime(*offsets).run(input, Vector(output)); !ran) {
    duckdb_scalar_function_set_error(info, ran.error().message.c_str());
  }
}

}  // namespace

Result<UtcOffsets::Span> UtcOffsets::find(std::string_view zone, std::int64_t instant) {
  const auto known = [&]() -> const Span* {
    const auto spans = zones_.find(zone);
    if (spans == zones_.end()) return nullptr;
    const auto span = spans->second.upper_bound(instant);
    if (span == spans->second.end() || !span->second.holds(instant)) return nullptr;
    return &span->second;
  };
  {
    std::shared_lock lock(mutex_);
    if (const auto* span = known()) return *span;
  }
  std::unique_lock lock(mutex_);
  if (const auto* span = known()) return *span;
  const auto asked = TRY(ask(zone, instant));
  if (span_count_ + asked.size() > kSpansMax) {
    zones_.clear();
    span_count_ = 0;
  }
  auto& spans = zones_[std::string(zone)];
  for (const auto& span : asked) spans[span.until] = span;
  span_count_ += asked.size();
  const auto* span = known();
  CHECK(span != nullptr);
  return *span;
}

Result<void> add_local_time(duckdb_connection connection) {
  duckdb_scalar_function function = duckdb_create_scalar_function();
  duckdb_scalar_function_set_name(function, "timezone");
  duckdb_scalar_function_add_parameter(function, Type(DUCKDB_TYPE_VARCHAR).handle());
  duckdb_scalar_function_add_parameter(function, Type(DUCKDB_TYPE_TIMESTAMP_TZ).handle());
  duckdb_scalar_function_set_return_type(function, Type(DUCKDB_TYPE_TIMESTAMP).handle());
  duckdb_scalar_function_set_function(function, run_local_time);
  duckdb_scalar_function_set_extra_info(
      function, new UtcOffsets, [](void* offsets) { delete static_cast<UtcOffsets*>(offsets); });
  const auto state = duckdb_register_scalar_function(connection, function);
  duckdb_destroy_scalar_function(&function);
  if (state != DuckDBSuccess) {
    return Error{Code::Invalid, "DuckDB refuses the function timezone"};
  }
  return {};
}

}  // namespace millrace::sql
