#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <stop_token>
#include <string_view>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "verify/generator.hpp"

namespace millrace::verify {

/// Takes bytes to a file, a pipe, or anywhere.
using Sink = std::function<base::Result<void>(std::string_view bytes)>;

struct WriteOptions {
  Sink records;
  Sink labels = {};                    ///< none: no labels are wanted
  std::optional<std::uint64_t> count;  ///< none: until the stop token says so
  bool is_live = false;  ///< each record not before it is due; else as fast as `records` takes them
};

/// Writes records one a line, CSV with its header first, and their labels. Labels of a piece are
/// written before its records: no record is out there whose truth is unknown. Returns how many.
/// Errors  those of the sinks. Being stopped is no error.
base::Result<std::uint64_t> write_records(Generator generator, const WriteOptions& options,
                                          const base::Clock& clock,
                                          const std::stop_token& stop = {});

/// Writes the labels of the first `count` records alone.
base::Result<void> write_labels(Generator generator, std::uint64_t count, const Sink& labels,
                                const std::stop_token& stop = {});

/// Sleeps until `time`; false if it was stopped before.
bool wait_until(base::Time time, const base::Clock& clock, const std::stop_token& stop);

}  // namespace millrace::verify
