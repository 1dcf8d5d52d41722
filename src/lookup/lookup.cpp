#include "lookup/lookup.hpp"

#include <fmt/format.h>

#include <condition_variable>

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

Lookup::Lookup(LookupOptions options, std::unique_ptr<Origin> origin, sql::Instance& loader,
               const base::Clock& clock, base::Telemetry telemetry)
    : options_(std::move(options)),
      origin_(std::move(origin)),
      loader_(loader),
      clock_(clock),
      telemetry_(telemetry) {}

Result<std::unique_ptr<Lookup>> Lookup::open(LookupOptions options, std::unique_ptr<Origin> origin,
                                             sql::Instance& loader, const base::Clock& clock,
                                             base::Telemetry telemetry) {
  std::unique_ptr<Lookup> lookup(
      new Lookup(std::move(options), std::move(origin), loader, clock, telemetry));
  const auto loaded = lookup->load({});
  if (!loaded) return lookup->placed(loaded.error());
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

Error Lookup::placed(Error error) const {
  error.message = fmt::format("lookup '{}': {}", name(), error.message);
  error.place = origin_->place();
  return error;
}

Result<void> Lookup::load(const std::stop_token& stop) {
  const auto copy = TRY(origin_->bring(options_.limits, stop));
  if (is_loaded(copy.version)) {
    note_unchanged();
    return {};
  }
  publish(TRY(read(copy)), copy.version);
  return {};
}

Result<std::shared_ptr<const Index>> Lookup::read(const LocalCopy& copy) const {
  const auto last = index();
  auto connection = TRY(loader_.connect());
  auto file = TRY(reading(connection, {.lookup = options_.lookup,
                                       .copy = copy,
                                       .key_type = options_.key_type,
                                       .kept = last ? &last->struct_type() : nullptr}));
  return Index::load(file, options_.lookup.key, options_.limits.rows_max);
}

void Lookup::publish(std::shared_ptr<const Index> index, const std::string& version) {
  const auto now = clock_.now();
  events::loaded(telemetry_, name(), index->row_count(), now);
  std::lock_guard lock(mutex_);
  index_ = std::move(index);
  version_ = version;
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

bool Lookup::is_loaded(const std::string& version) const {
  std::lock_guard lock(mutex_);
  return index_ && version == version_;
}

void Lookup::note_unchanged() {
  events::found_unchanged(telemetry_, name(), clock_.now());
  // After a failure too: the data are again what they were.
  std::lock_guard lock(mutex_);
  last_error_.clear();
}

Result<void> Lookup::load_if_changed(const std::stop_token& stop) {
  const auto version = TRY(origin_->version(options_.limits, stop));
  if (!version || !is_loaded(*version)) return load(stop);
  note_unchanged();
  return {};
}

void Lookup::refresh(const std::stop_token& stop) {
  if (!is_due()) return;
  const auto refreshed = load_if_changed(stop);
  if (refreshed || stop.stop_requested()) return;
  note_failure(placed(refreshed.error()));
}

Refresher::Refresher(std::vector<Lookup*> lookups) : lookups_(std::move(lookups)) {
  std::erase_if(lookups_, [](const Lookup* lookup) { return lookup->refresh_every() == 0us; });
  if (lookups_.empty()) return;
  thread_ = std::jthread([this](const std::stop_token& stop) {
    std::mutex mutex;
    std::condition_variable_any wake;
    std::unique_lock lock(mutex);
    while (!wake.wait_for(lock, stop, kTick, [] { return false; }) && !stop.stop_requested()) {
      for (auto* lookup : lookups_) lookup->refresh(stop);
    }
  });
}

}  // namespace millrace::lookup
