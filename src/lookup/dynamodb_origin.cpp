#include "lookup/dynamodb_origin.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <mutex>
#include <thread>

#include "base/text.hpp"
#include "lookup/item_rows.hpp"

namespace millrace::lookup {
namespace {

using base::Code;
using base::Error;
using base::Result;
using config::LookupDynamoDb;

// With a limit of read units: about what a segment's first page costs, until items are known.
constexpr int kFirstItems = 100;

bool is_nested(const config::ColumnType& type) {
  return type.kind == config::ColumnType::Kind::Struct ||
         type.kind == config::ColumnType::Kind::List;
}

std::vector<std::string> nested_of(const config::Lookup& lookup) {
  std::vector<std::string> names;
  for (const auto& column : lookup.columns) {
    if (is_nested(column.type)) names.push_back(column.name);
  }
  return names;
}

/// Lets so many read units a second be used, by all segments together.
/// Threads: safe from any.
class ReadPace {
 public:
  ReadPace(int units_per_second, aws::Pause pause)
      : units_per_second_(units_per_second), pause_(std::move(pause)) {}

  /// Waits for as long as `units` take that were used just now, behind those of all others.
  /// False if asked to stop.
  bool wait_for(double units, const std::stop_token& stop) {
    if (units_per_second_ == 0) return !stop.stop_requested();
    std::chrono::duration<double> wait{};
    {
      const std::lock_guard lock(mutex_);
      const auto now = std::chrono::steady_clock::now();
      free_at_ =
          std::max(free_at_, now) + std::chrono::duration_cast<std::chrono::steady_clock::duration>(
                                        std::chrono::duration<double>(units / units_per_second_));
      wait = free_at_ - now;
    }
    return pause_(std::chrono::ceil<std::chrono::milliseconds>(wait), stop);
  }
  bool is_limited() const { return units_per_second_ > 0; }
  int units_per_second() const { return units_per_second_; }

 private:
  const int units_per_second_;  // 0: no limit
  const aws::Pause pause_;
  std::mutex mutex_;
  base::SteadyTime free_at_;  // Guarded by mutex_.
};

/// One scan of a table into a file.
class ParallelScan {
 public:
  struct Parts {
    const config::Lookup& lookup;
    aws::DynamoDb& table;
    const OriginLimits& limits;
    os::File& file;
    aws::Pause pause;
  };

  explicit ParallelScan(Parts parts)
      : parts_(std::move(parts)),
        from_(std::get<LookupDynamoDb>(parts_.lookup.from)),
        pace_(from_.read_units, parts_.pause),
        rows_(nested_of(parts_.lookup)) {}

  Result<void> run(const std::stop_token& stop) {
    {
      std::vector<std::jthread> threads;
      for (int segment = 1; segment < from_.segments; ++segment) {
        threads.emplace_back([this, segment, &stop] { end(scan_segment(segment, stop)); });
      }
      end(scan_segment(0, stop));
    }
    if (outcome_ && stop.stop_requested()) return Error{Code::Cancelled, "the scan was stopped"};
    return outcome_;
  }

  const ItemRows& rows() const { return rows_; }

 private:
  Result<void> scan_segment(int segment, const std::stop_token& stop) {
    aws::ScanOptions options{.table = from_.table,
                             .segment = segment,
                             .segments = from_.segments,
                             .is_consistent = from_.is_consistent};
    for (const auto& column : parts_.lookup.columns) options.attributes.push_back(column.name);
    if (pace_.is_limited()) options.items_max = kFirstItems;
    do {
      auto page = TRY(parts_.table.scan(options, stop));
      if (!TRY(take(page.items))) return {};
      if (!page.next.empty() && !pace_.wait_for(page.units_used, stop)) return {};
      if (pace_.is_limited()) options.items_max = next_items(page, options.items_max);
      options.after = std::move(page.next);
    } while (!options.after.empty());
    return {};
  }

  /// As many as one second allows, so that waits are short.
  int next_items(const aws::ScanPage& page, int asked) const {
    if (page.items.empty() || page.units_used <= 0) return asked;
    const double each = page.units_used / static_cast<double>(page.items.size());
    return static_cast<int>(std::clamp(pace_.units_per_second() / each, 1.0, 100'000.0));
  }

  // False: another segment failed.
  Result<bool> take(const std::vector<aws::Item>& items) {
    ItemRows rows(nested_of(parts_.lookup));
    std::string lines;
    for (const auto& item : items) rows.append(item, lines);
    const std::lock_guard lock(mutex_);
    if (!outcome_) return false;
    rows_.merge(rows);
    const auto& limits = parts_.limits;
    if (rows_.count() > limits.rows_max) {
      return Error{Code::Exhausted,
                   fmt::format("it has more than {} rows, the limit of a lookup, which is held in "
                               "memory",
                               limits.rows_max)};
    }
    if (parts_.file.size() + lines.size() > limits.file_bytes_max) {
      return too_large(parts_.file.size() + lines.size(), limits);
    }
    if (!lines.empty()) TRY(parts_.file.append(lines));
    return true;
  }

  void end(Result<void> segment) {
    const std::lock_guard lock(mutex_);
    if (outcome_ && !segment) outcome_ = std::move(segment);
  }

  const Parts parts_;
  const LookupDynamoDb& from_;
  ReadPace pace_;
  std::mutex mutex_;
  ItemRows rows_;         // Guarded by mutex_.
  Result<void> outcome_;  // Guarded by mutex_: the first error.
};

class DynamoDbOrigin final : public Origin {
 public:
  DynamoDbOrigin(const config::Lookup& lookup, aws::DynamoDb table, os::Disk& disk,
                 const os::Path& scratch, aws::Pause pause)
      : lookup_(lookup),
        from_(std::get<LookupDynamoDb>(lookup_.from)),
        table_(std::move(table)),
        disk_(disk),
        path_(scratch / lookup.name),
        pause_(std::move(pause)) {}

  std::string place() const override { return "dynamodb://" + from_.table; }

  // What DescribeTable counts is hours old.
  Result<std::optional<std::string>> version(const OriginLimits& /*limits*/,
                                             const std::stop_token& /*stop*/) override {
    return std::optional<std::string>();
  }

  Result<LocalCopy> bring(const OriginLimits& limits, const std::stop_token& stop) override {
    const auto described = TRY(table_.describe(from_.table, stop));
    TRY(check(described));
    TRY(disk_.remove(path_));
    const auto file = TRY(disk_.open(path_, os::OpenMode::CreateNew));
    LocalCopy copy{
        .path = path_, .format = config::LookupFormat::Json, .keeper = remove_with(disk_, path_)};
    ParallelScan scan({lookup_, table_, limits, *file, pause_});
    TRY(scan.run(stop));
    copy.columns = TRY(scan.rows().columns(named_first(described)));
    copy.version = scan.rows().fingerprint();
    return copy;
  }

 private:
  Result<void> check(const aws::TableDescription& table) const {
    if (!table.is_ready) {
      return Error{Code::Unavailable,
                   fmt::format("the table is {}: wait until it is ACTIVE", table.status)};
    }
    std::vector<std::string> names;
    for (const auto& attribute : table.declared) names.push_back(attribute.name);
    for (const auto& column : lookup_.columns) names.push_back(column.name);
    if (std::ranges::find(names, lookup_.key) != names.end()) return {};
    return Error{Code::Invalid,
                 fmt::format("the table has no key attribute '{}'{}; its key is {}. Name it as "
                             "`key`, or one that each item has once, declared in `columns`",
                             base::printable(lookup_.key), base::did_you_mean(lookup_.key, names),
                             key_of(table))};
  }

  static std::string key_of(const aws::TableDescription& table) {
    std::vector<std::string> names;
    for (const auto& key : table.keys) names.push_back("'" + base::printable(key.name) + "'");
    return base::join(names, " and ");
  }

  // Columns that are there whatever the items have.
  std::vector<aws::TableDescription::Key> named_first(const aws::TableDescription& table) const {
    if (lookup_.columns.empty()) return table.keys;
    std::vector<aws::TableDescription::Key> first;
    for (const auto& column : lookup_.columns) {
      first.push_back({column.name, aws::Attribute::Kind::Null});
    }
    return first;
  }

  const config::Lookup lookup_;
  const LookupDynamoDb& from_;
  aws::DynamoDb table_;
  os::Disk& disk_;
  const os::Path path_;
  const aws::Pause pause_;
};

}  // namespace

std::unique_ptr<Origin> make_dynamodb_origin(const config::Lookup& lookup, aws::DynamoDb table,
                                             os::Disk& disk, const os::Path& scratch,
                                             aws::Pause pause) {
  return std::make_unique<DynamoDbOrigin>(lookup, std::move(table), disk, scratch,
                                          std::move(pause));
}

}  // namespace millrace::lookup
