#include "batch/forecast.hpp"

#include <algorithm>
#include <set>

#include "batch/freshness.hpp"

namespace millrace::batch {
namespace {

using base::Code;
using base::Result;
using config::Each;

/// The tables that are there; those that are not yet are null.
class Tables {
 public:
  explicit Tables(const ForecastParts& parts) : parts_(parts) {}

  Result<lake::Table*> find(const std::string& name) {
    const auto known = tables_.find(name);
    if (known != tables_.end()) return known->second.get();
    auto table = lake::Table::open(parts_.tables / name, parts_.tools);
    if (!table && table.error().code != Code::NotFound) return table.error();
    return (tables_[name] = table ? std::move(*table) : nullptr).get();
  }

 private:
  const ForecastParts& parts_;
  std::map<std::string, std::unique_ptr<lake::Table>> tables_;
};

/// What is known of a job's partitions.
struct Stand {
  std::set<Partition> anew, waiting;
};

class Forecaster {
 public:
  explicit Forecaster(const ForecastParts& parts, const config::TimeZone& zone)
      : parts_(parts), zone_(zone), tables_(parts) {}

  Result<JobForecast> foresee(const JobPlan& plan) {
    JobForecast forecast{.job = plan.job.name};
    auto* output = TRY(tables_.find(plan.job.name));
    forecast.is_new = output == nullptr;
    if (output) {
      forecast.columns = lake::schema_change(plan.schema, output->snapshot()->metadata->schema);
    }
    Stand stand = output ? TRY(of_known(plan, *output)) : TRY(of_new(plan));
    forecast.bytes = TRY(bytes_of(plan, stand));
    forecast.anew.assign(stand.anew.begin(), stand.anew.end());
    forecast.waiting.assign(stand.waiting.begin(), stand.waiting.end());
    stands_.emplace(plan.job.name, std::move(stand));
    return forecast;
  }

 private:
  // The inputs that are there, with what the plan says of them.
  Result<JobPlan> with_known_inputs(const JobPlan& plan, std::vector<lake::Table*>& inputs) {
    JobPlan known = plan;
    known.inputs.clear();
    for (const auto& input : plan.inputs) {
      auto* table = TRY(tables_.find(input.table));
      if (!table) continue;
      known.inputs.push_back(input);
      inputs.push_back(table);
    }
    return known;
  }

  Result<Stand> of_known(const JobPlan& plan, lake::Table& output) {
    std::vector<lake::Table*> inputs;
    const auto known = TRY(with_known_inputs(plan, inputs));
    Freshness freshness({parts_.pipeline.name, known, output, inputs, zone_, parts_.tools.engine});
    const auto ran = freshness.marks().partitions(*output.snapshot());
    Stand stand;
    for (const auto& partition : TRY(freshness.partitions(parts_.tools.clock.now()))) {
      if (freshness.is_final(partition)) continue;
      const bool has_run = std::ranges::find(ran, partition) != ran.end();
      const bool is_other = !freshness.marks().has_same_sql(*output.snapshot(), partition);
      if (has_run && (is_other || reads_anew(plan, partition))) {
        stand.anew.insert(partition);
      } else if (TRY(freshness.is_stale(partition))) {
        stand.waiting.insert(partition);
      }
    }
    return stand;
  }

  Result<Stand> of_new(const JobPlan& plan) {
    std::vector<lake::Table*> inputs;
    const auto known = TRY(with_known_inputs(plan, inputs));
    Stand stand;
    if (plan.job.each == Each::None && !inputs.empty()) stand.waiting.emplace();
    if (plan.job.each == Each::None) return stand;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      TableChanges changes(*inputs[i], known.inputs[i], plan.job, zone_, parts_.tools.engine);
      TRY(changes.advance());
      stand.waiting.insert(changes.partitions().begin(), changes.partitions().end());
    }
    return stand;
  }

  // A job that it reads computes what this partition reads anew.
  bool reads_anew(const JobPlan& plan, const Partition& partition) const {
    return std::ranges::any_of(plan.inputs, [&](const JobInput& input) {
      const auto other = stands_.find(input.table);
      if (other == stands_.end() || other->second.anew.empty()) return false;
      const bool is_same = input.by == JobInput::By::Partition && !input.is_wide;
      return !is_same || other->second.anew.contains(partition);
    });
  }

  // Of an input of the same partitions only their files; of any other all, once.
  Result<std::int64_t> bytes_of(const JobPlan& plan, const Stand& stand) {
    std::int64_t bytes = 0;
    if (stand.anew.empty() && stand.waiting.empty()) return bytes;
    for (const auto& input : plan.inputs) {
      const auto* table = TRY(tables_.find(input.table));
      if (!table) continue;
      const bool is_same = input.by == JobInput::By::Partition && !input.is_wide;
      for (const auto& [path, file] : table->snapshot()->files) {
        const auto value = file->partition_values.find(plan.job.each_column);
        const auto partition = is_same && value != file->partition_values.end() && value->second
                                   ? partition_from_value(plan.job.each, *value->second, zone_)
                                   : std::nullopt;
        const bool is_read =
            !is_same ||
            (partition && (stand.anew.contains(*partition) || stand.waiting.contains(*partition)));
        if (is_read) bytes += file->size;
      }
    }
    return bytes;
  }

  const ForecastParts& parts_;
  const config::TimeZone zone_;
  Tables tables_;
  std::map<std::string, Stand> stands_;  // of the jobs before
};

}  // namespace

Result<std::vector<JobForecast>> foresee(const ForecastParts& parts) {
  Forecaster forecaster(parts, TRY(config::TimeZone::find(parts.pipeline.timezone)));
  std::vector<JobForecast> forecasts;
  for (const auto& plan : parts.plans) forecasts.push_back(TRY(forecaster.foresee(plan)));
  return forecasts;
}

}  // namespace millrace::batch
