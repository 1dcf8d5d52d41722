#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "verify/label.hpp"

namespace millrace::verify {

/// Scatters a number over all 64 bits; different numbers stay different.
std::uint64_t mixed(std::uint64_t number);

/// The random numbers of one record: they depend on the seed and the record's index alone, so that
/// any record can be made without the ones before it.
class Draw {
 public:
  Draw(std::uint64_t seed, std::uint64_t index) : state_(mixed(seed ^ mixed(index + 1))) {}
  std::uint64_t next() { return mixed(state_ += 0x9E37'79B9'7F4A'7C15ULL); }
  /// From 0 to `bound` - 1.
  std::uint64_t below(std::uint64_t bound);
  /// True once in `count` times.
  bool once_in(std::uint64_t count) { return below(count) == 0; }

 private:
  std::uint64_t state_;
};

/// What the generator decided about a record before its dataset writes it.
struct Slot {
  std::uint64_t index = 0;
  std::uint64_t id_high = 0;  ///< of the record's id: no two records have the same
  std::uint64_t id_low = 0;
  Flaw flaw = Flaw::None;
  base::Time time;
  Draw draw;
};

/// A file that a pipeline of the examples looks values up in.
struct LookupFile {
  std::string name;
  std::string text;
};

/// How the records of one example look, and what is true of them.
/// Threads: safe from any.
class Dataset {
 public:
  virtual ~Dataset() = default;

  /// CSV: the line that names the columns; empty for JSON.
  virtual std::string_view header() const = 0;
  /// What can be wrong with a record.
  virtual std::span<const Flaw> flaws() const = 0;
  /// Appends a record without a line break and says what is true of it: key, owner, currency,
  /// cents, flag.
  virtual void write(Slot slot, Label& label, std::string& into) const = 0;
  virtual std::vector<LookupFile> lookup_files() const = 0;
};

/// `owners`: how many customers, devices or accounts the lookups know. One record in fifty is of
/// one that they do not know.
std::unique_ptr<Dataset> make_orders(std::uint64_t owners);
std::unique_ptr<Dataset> make_sensors(std::uint64_t owners);
std::unique_ptr<Dataset> make_payments(std::uint64_t owners);

/// Some owner's number, low ones more often; from `owners` on: unknown to the lookups.
std::uint64_t draw_owner(Draw& draw, std::uint64_t owners);

/// An amount whose limit is `limit` cents: one in five exactly at the limit or a cent beside it,
/// the others from a cent to five times the limit, small ones more often.
std::int64_t draw_cents(Draw& draw, std::int64_t limit);

/// An amount in one of the ways in which programs write the same number: `12.50`, `12.5`, `12`.
void append_amount(std::string& into, std::int64_t cents, Draw& draw);

/// Damages the record of JSON that starts at `from`, so that it is none any more.
void break_json(std::string& into, std::size_t from, Draw& draw);

}  // namespace millrace::verify
