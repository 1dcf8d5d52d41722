#pragma once

#include <chrono>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "app/commands.hpp"
#include "app/companion.hpp"
#include "app/text_table.hpp"
#include "base/clock.hpp"

namespace millrace::app {

/// Readers of the API's answers that take what is absent as NULL, so that a newer or older
/// instance can be asked.

/// Errors  Corrupt: no JSON object.
base::Result<nlohmann::ordered_json> parse_answer(std::string_view body);

/// The array at `key`; an empty one if there is none.
const nlohmann::ordered_json& items_of(const nlohmann::ordered_json& object, const char* key);

/// A scalar at `key` as text; none if it is absent, null or empty.
Cell cell(const nlohmann::ordered_json& object, const char* key);
/// The same with digits in groups: `1,234,567`.
Cell count_cell(const nlohmann::ordered_json& object, const char* key);
/// The same as a size: `1.2 MiB`.
Cell bytes_cell(const nlohmann::ordered_json& object, const char* key);
/// The same as a moment: `2026-11-24 08:30:00Z`.
Cell time_cell(const nlohmann::ordered_json& object, const char* key);
/// Milliseconds as a span: `1.24 s`.
Cell ms_cell(const nlohmann::ordered_json& object, const char* key);

/// The deliveries of an answer of `/v1/alerts`, as a table; nothing if there are none.
void print_deliveries(const nlohmann::ordered_json& answer, Screen& screen);

std::string grouped(std::int64_t number);

/// What a command does with its companion and the answer; the exit code.
/// Opens the companion, runs `work`, closes it; errors are printed.
Exit with_companion(const DataOptions& options, Screen& screen,
                    const std::function<base::Result<Exit>(Companion&)>& work);

}  // namespace millrace::app
