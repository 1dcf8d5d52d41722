#include "serve/run_json.hpp"

#include <nlohmann/json.hpp>
#include <utility>

#include "serve/answer.hpp"

namespace millrace::serve {

using Json = nlohmann::ordered_json;

Json time_or_null(const std::optional<base::Time>& time) {
  return time ? Json(base::format_time(*time)) : Json(nullptr);
}

Json run_json(const batch::RunRow& run) {
  const bool has_run =
      run.status == batch::RunStatus::Succeeded || run.status == batch::RunStatus::Failed;
  return {{"run_id", text_or_null(run.run_id)},
          {"job", run.job},
          {"partition", run.partition},
          {"status", name_of(run.status)},
          {"trigger", name_of(run.trigger)},
          {"attempt", run.attempt},
          {"rows", run.rows},
          {"started_at", has_run ? Json(base::format_time(run.started_at)) : Json(nullptr)},
          {"ended_at", has_run ? Json(base::format_time(run.ended_at)) : Json(nullptr)},
          {"duration_ms", std::chrono::duration<double, std::milli>(run.duration).count()},
          {"error", text_or_null(run.error)}};
}

http::Response runs_answer(const std::vector<batch::RunRow>& runs) {
  Json list = Json::array();
  for (const auto& run : runs) list.push_back(run_json(run));
  return json_answer({{"runs", std::move(list)}});
}

}  // namespace millrace::serve
