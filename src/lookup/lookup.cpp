#include "lookup/lookup.hpp"

#include <fmt/format.h>

#include <condition_variable>

#include "base/units.hpp"
#include "lookup/events.hpp"
#include "lookup/file_reader.hpp"

namespace millrace::lookup {
namespace {

using base::Code;
using base::Error;
using base::Result;
using namespace std::chrono_literals;

// How often the refresher looks at the clock.
constexpr auto kTick = 200ms;

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

std::string Lookup::last_error() const {
  std::lock_guard lock(mutex_);
  return last_error_;
}

Result<Lookup::Stamp> Lookup::stamp() const {
  const auto& path = options_.lookup.path;
  const auto info = TRY(disk_.stat(path));
  if (!info) {
    return Error{Code::NotFound, fmt::format("lookup '{}': there is no such file", name()),
                 path.string()};
  }
  if (info->size > options_.file_bytes_max) {
    return Error{Code::Exhausted,
                 fmt::format("lookup '{}': the file has {}; {} is the limit, lookups are held in "
                             "memory",
                             name(), base::format_bytes(info->size),
                             base::format_bytes(options_.file_bytes_max)),
                 path.string()};
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
  const auto last = index();
  auto connection = TRY(loader_.connect());
  const auto select = select_of(connection, {.lookup = lookup,
                                             .key_type = options_.key_type,
                                             .kept = last ? &last->struct_type() : nullptr});
  if (!select) return place(select.error());
  auto index = Index::load(connection, *select, lookup.key, options_.rows_max);
  if (!index) return place(index.error());
  return index;
}

void Lookup::publish(std::shared_ptr<const Index> index, const Stamp& stamp) {
  const auto now = clock_.now();
  events::loaded(telemetry_, name(), index->row_count(), now);
  std::lock_guard lock(mutex_);
  index_ = std::move(index);
  stamp_ = stamp;
  loaded_at_ = checked_at_ = now;
  last_error_.clear();
}

void Lookup::note_failure(const Error& error) {
  events::load_failed(telemetry_, name(), error.text());
  std::lock_guard lock(mutex_);
  last_error_ = error.text();
}

bool Lookup::is_due() {
  std::lock_guard lock(mutex_);
  const auto now = clock_.now();
  if (refresh_every() == 0us || now - checked_at_ < refresh_every()) return false;
  checked_at_ = now;
  return true;
}

bool Lookup::is_loaded(const Stamp& stamp) const {
  std::lock_guard lock(mutex_);
  return stamp == stamp_;
}

void Lookup::refresh() {
  if (!is_due()) return;
  const auto now = stamp();
  if (!now) return note_failure(now.error());
  if (is_loaded(*now)) {
    events::found_unchanged(telemetry_, name(), clock_.now());
    // After a failure too: the file is again what it was.
    std::lock_guard lock(mutex_);
    last_error_.clear();
    return;
  }
  auto index = load();
  if (!index) return note_failure(index.error());
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
