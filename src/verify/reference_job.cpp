#include "verify/reference_job.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace millrace::verify {

using base::Code;
using base::Error;
using base::Result;

Result<void> check_reference_job(const config::Pipeline& pipeline) {
  const auto missing = [&](std::string_view what) {
    return Error{Code::Invalid,
                 fmt::format("this is not the reference job: {} is missing; "
                             "examples/orders/orders.yaml has it",
                             what),
                 pipeline.file.string()};
  };
  const auto* source = pipeline.source(ReferenceJob::kStream);
  if (!source || !std::holds_alternative<config::LogSource>(source->from)) {
    return missing(fmt::format("the source '{}' from log", ReferenceJob::kStream));
  }
  for (const std::string_view name : {"order_id", "customer_id", "amount", "currency", "ts"}) {
    if (std::ranges::find(source->schema, name, &config::Column::name) == source->schema.end()) {
      return missing(fmt::format("the column '{}' of source '{}'", name, ReferenceJob::kStream));
    }
  }
  if (!pipeline.table(ReferenceJob::kTable))
    return missing(fmt::format("the table '{}'", ReferenceJob::kTable));
  const auto* job = pipeline.job(ReferenceJob::kJob);
  if (!job || job->each != config::Each::Day) {
    return missing(fmt::format("the job '{}' for each day", ReferenceJob::kJob));
  }
  if (!pipeline.report(ReferenceJob::kReport))
    return missing(fmt::format("the report '{}'", ReferenceJob::kReport));
  return {};
}

}  // namespace millrace::verify
