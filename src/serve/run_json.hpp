#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <vector>

#include "batch/run_row.hpp"
#include "http/message.hpp"

namespace millrace::serve {

nlohmann::ordered_json time_or_null(const std::optional<base::Time>& time);
nlohmann::ordered_json run_json(const batch::RunRow& run);
http::Response runs_answer(const std::vector<batch::RunRow>& runs);

}  // namespace millrace::serve
