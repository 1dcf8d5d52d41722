#include "lookup/lookup.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <condition_variable>

#include "base/text.hpp"
#include "lookup/events.hpp"

namespace millrace::lookup {
namespace {

using base::Code;
using base::Error;
using base::Result;
using namespace std::chrono_literals;

// How often the refresher looks at the clock.
constexpr auto kTick = 200ms;

std::string reader_of(const config::Lookup& lookup) {
  const std::string path = base::sql_string(lookup.path.string());
  switch (lookup.format) {
    case config::LookupFormat::Csv:
      return fmt::format("read_csv({}, header = true, strict_mode = true)", path);
    case config::LookupFormat::Parquet:
      return fmt::format("read_parquet({})", path);
    case config::LookupFormat::Json:
      return fmt::format("read_json({})", path);
  }
  return "";
}

}  // namespace

Lookup::Lookup(LookupOptions options, sql::Instance& loader, os::Disk& disk,
               const base::Clock& clock, base::Telemetry telemetry)
    : options_(std::move(options)),
      loader_(loader),
      disk_(disk),
      clock_(clock),
      telemetry_(telemetry) {}

Result<std::unique_ptr<Lookup>> Lookup::open(LookupOptions options, sql::Instance& loader,
                                             os::Disk& disk, const base::Clock& clock,
                                             base::Telemetry telemetry) {
  std::unique_ptr<Lookup> lookup(new Lookup(std::move(options), loader, disk, clock, telemetry));
  const auto stamp = TRY(lookup->stamp());
  lookup->publish(TRY(lookup->load()), stamp);
  return lookup;
}

std::shared_ptr<const Index> Lookup::index() const {
  std::lock_guard lock(mutex_);
  return index_;
}

base::Time Lookup::loaded_at() const {
  std::lock_guard lock(mutex_);
  return loaded_at_;
}

Result<Lookup::Stamp> Lookup::stamp() const {
  const auto info = TRY(disk_.stat(options_.lookup.path));
  if (!info) {
    return Error{Code::NotFound, "the lookup's file is gone", options_.lookup.path.string()};
  }
  return Stamp{info->size, info->modified_at};
}

Result<std::shared_ptr<const Index>> Lookup::load() const {
  const auto& lookup = options_.lookup;
  const auto place = [&](Error error) {
    error.message = fmt::format("lookup '{}': {}", lookup.name, error.message);
    error.place = lookup.path.string();
    return error;
  };
  auto connection = TRY(loader_.connect());
  const std::string reader = reader_of(lookup);
  auto statement = connection.prepare("FROM " + reader);
  if (!statement) return place(statement.error());
  std::vector<std::string> names, columns;
  for (const auto& column : statement->columns()) {
    names.push_back(column.name);
    const auto name = base::sql_name(column.name);
    const bool is_cast = column.name == lookup.key && !options_.key_type.empty();
    columns.push_back(is_cast ? fmt::format("CAST({0} AS {1}) AS {0}", name, options_.key_type)
                              : name);
    if (column.name == lookup.key && !is_cast && !is_key_type(column.type)) {
      return place({Code::Invalid,
                    fmt::format("the key '{}' is {}; text, a whole number or a date is expected",
                                lookup.key, column.type.text())});
    }
  }
  if (std::ranges::find(names, lookup.key) == names.end()) {
    return place({Code::Invalid, fmt::format("there is no column '{}' to be the key{}", lookup.key,
                                             base::did_you_mean(lookup.key, names))});
  }
  auto index =
      Index::load(connection, fmt::format("SELECT {} FROM {}", base::join(columns, ", "), reader),
                  lookup.key, options_.rows_max);
  if (!index) return place(index.error());
  return index;
}

void Lookup::publish(std::shared_ptr<const Index> index, const Stamp& stamp) {
  events::loaded(telemetry_, name(), index->row_count(), clock_.now());
  std::lock_guard lock(mutex_);
  index_ = std::move(index);
  stamp_ = stamp;
  loaded_at_ = checked_at_ = clock_.now();
}

void Lookup::refresh() {
  {
    std::lock_guard lock(mutex_);
    if (refresh_every() == 0us || clock_.now() - checked_at_ < refresh_every()) return;
    checked_at_ = clock_.now();
  }
  const auto now = stamp();
  if (!now) {
    events::load_failed(telemetry_, name(), now.error().text());
    return;
  }
  {
    std::lock_guard lock(mutex_);
    if (*now == stamp_) return;
  }
  auto index = load();
  if (!index) {
    events::load_failed(telemetry_, name(), index.error().text());
    return;
  }
  publish(std::move(index).value(), *now);
}

Refresher::Refresher(std::vector<Lookup*> lookups) : lookups_(std::move(lookups)) {
  std::erase_if(lookups_, [](const Lookup* lookup) { return lookup->refresh_every() == 0us; });
  if (lookups_.empty()) return;
  thread_ = std::jthread([this](const std::stop_token& stop) {
    std::mutex mutex;
    std::condition_variable_any wake;
    std::unique_lock lock(mutex);
    while (!wake.wait_for(lock, stop, kTick, [] { return false; }) && !stop.stop_requested()) {
      for (auto* lookup : lookups_) lookup->refresh();
    }
  });
}

}  // namespace millrace::lookup
