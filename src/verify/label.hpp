#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "config/time_zone.hpp"

namespace millrace::verify {

enum class Kind : std::uint8_t {
  Valid,      ///< belongs into the table
  Late,       ///< too, though its event time is long ago
  Duplicate,  ///< the same bytes as an earlier record: one of the two belongs into the table
  Invalid,    ///< belongs into the rejects
};
std::string_view name_of(Kind kind);

/// What is wrong with an invalid record.
enum class Flaw : std::uint8_t {
  None,
  NoId,
  NullId,
  EmptyId,
  TextAmount,
  HugeAmount,      ///< a number that no column holds: 1e400
  NegativeAmount,  ///< orders
  ZeroAmount,      ///< orders, payments
  Implausible,     ///< sensors: 999.99 degrees
  Broken,          ///< JSON that ends too early or lacks a sign; CSV with a stray quote
  InvalidUtf8,
  NoTime,
};
/// `no_id`, `broken`, …
std::string_view name_of(Flaw flaw);

/// What is true of a record, known from how it was made and from nothing else.
struct Label {
  std::uint64_t index = 0;
  Kind kind = Kind::Valid;
  Flaw flaw = Flaw::None;
  std::uint64_t original = 0;  ///< of a duplicate: the index of the record that it repeats
  std::string key;             ///< its id; empty if it has none
  std::string owner;           ///< the customer, device or account
  std::string currency;        ///< empty for sensors
  std::int64_t cents = 0;      ///< the amount in hundredths; 0 if it has none
  bool flag = false;           ///< what the pipeline must say about it
  base::Time time;             ///< its event time
  config::CalendarDay day;     ///< of the event time, in the generator's time zone

  bool is_row() const { return kind == Kind::Valid || kind == Kind::Late; }
};

/// Appends the label as one line of JSON: `{"index":0,"kind":"valid","key":"ord-…",
/// "owner":"customer-0000007","currency":"EUR","cents":92051,"flag":true,
/// "ts":"2026-11-20T12:00:00.000000Z","day":"2026-11-20"}`. Invalid records have `reason` instead
/// of `flag`, `ts` and `day`; duplicates have `of` too.
void append_line(const Label& label, std::string& into);

}  // namespace millrace::verify
