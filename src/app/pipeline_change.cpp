#include "app/pipeline_change.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "app/lake_place.hpp"
#include "app/lookups.hpp"
#include "app/s3_lake.hpp"
#include "app/scratch_folder.hpp"
#include "base/text.hpp"
#include "batch/age.hpp"
#include "config/differences.hpp"
#include "config/read.hpp"
#include "flow/check.hpp"

namespace millrace::app {
namespace {

using base::Code;
using base::Result;
using Kind = PipelineChange::Kind;

Kind kind_of(config::Difference::Kind kind) {
  switch (kind) {
    case config::Difference::Kind::Added:
      return Kind::Added;
    case config::Difference::Kind::Removed:
      return Kind::Removed;
    case config::Difference::Kind::Changed:
      break;
  }
  return Kind::Changed;
}

// Of the file that last ran; none if it cannot be read today.
std::optional<std::string> name_of(const PipelineRecord& record) {
  auto parsed = config::parse_pipeline(record.text, record.file);
  if (const auto* pipeline = std::get_if<config::Pipeline>(&parsed)) return pipeline->name;
  return std::nullopt;
}

// `tables` -> `table`
std::string one_of(const std::string& section) {
  return section.substr(0, section.size() - 1);
}

/// The tables where the pipeline has them, to look at.
struct Lake {
  std::unique_ptr<S3Lake> s3;  // none: in the data folder
  std::unique_ptr<sql::Instance> engine;
  os::Path tables;

  static Result<Lake> open(const config::Pipeline& pipeline, const os::Path& data,
                           const os::Path& scratch, World& world) {
    Lake lake;
    lake.tables = pipeline.lake.empty() ? data / "tables" : os::Path(pipeline.lake);
    sql::InstanceOptions options{.scratch = scratch, .time_zone = pipeline.timezone};
    if (!pipeline.is_lake_on_s3()) {
      lake.engine = TRY(sql::Instance::open(options));
      return lake;
    }
    lake.s3 = TRY(S3Lake::open(pipeline.lake, scratch, {}, world));
    lake.tables = lake.s3->tables();
    options.httpfs = lake.s3->httpfs();
    options.ca_file = lake.s3->ca_file();
    lake.engine = TRY(sql::Instance::open(options));
    const auto access = TRY(lake.s3->access());
    TRY(lake.engine->read_s3(access));
    return lake;
  }
  lake::Tools tools(World& world) const {
    lake::Tools tools{world.disk, *engine, world.clock, world.random, world.telemetry()};
    if (s3) tools.store = &s3->store();
    return tools;
  }
};

/// Gathers what changes, thing by thing.
class Comparison {
 public:
  Comparison(const config::Pipeline& pipeline, const config::TimeZone& zone, World& world)
      : pipeline_(pipeline), zone_(zone), world_(world) {}

  void add_differences(std::string_view before, std::string_view after) {
    for (auto& one : config::differences(before, after)) {
      if (one.section == "tests") continue;  // they change nothing that runs
      auto& change = changes_.emplace_back();
      change.kind = kind_of(one.kind);
      change.what = one.name.empty() ? one.section : one_of(one.section);
      change.name = std::move(one.name);
      change.keys = std::move(one.keys);
    }
  }

  PipelineChange& change_of(const std::string& what, const std::string& name) {
    const auto found = std::ranges::find_if(
        changes_, [&](const auto& change) { return change.what == what && change.name == name; });
    if (found != changes_.end()) return *found;
    auto& change = changes_.emplace_back();
    change.what = what;
    change.name = name;
    return change;
  }

  bool tells_of(std::string_view what, const std::string& name) const {
    return std::ranges::any_of(
        changes_, [&](const auto& change) { return change.what == what && change.name == name; });
  }

  Result<void> compare_tables(const Lake& lake, const std::vector<flow::TablePlan>& plans) {
    for (const auto& plan : plans) {
      const auto table = TRY(find(lake, plan.table.name));
      if (!table) continue;
      const auto& metadata = *table->snapshot()->metadata;
      auto difference = lake::schema_change(plan.output, metadata.schema);
      if (metadata.partition_columns != plan.table.partition_by) {
        difference.refused.push_back(
            fmt::format("it is partitioned by [{}], not by [{}]; give it a new name",
                        base::join(metadata.partition_columns, ", "),
                        base::join(plan.table.partition_by, ", ")));
      }
      if (!tells_of("table", plan.table.name) && difference.is_none()) continue;
      auto& change = change_of("table", plan.table.name);
      note(change, difference, plan.output, *table);
      const auto age = batch::Age::of(pipeline_, plan.table, metadata, zone_);
      TRY(note_unkept(change, *table, age, plan.table.keep, *lake.engine));
    }
    return {};
  }

  Result<void> compare_jobs(const Lake& lake, const batch::JobPlans& plans,
                            const os::Path& scratch) {
    auto forecasts = TRY(batch::foresee({pipeline_, plans.plans, lake.tables, lake.tools(world_)}));
    for (std::size_t i = 0; i < forecasts.size(); ++i) {
      auto& forecast = forecasts[i];
      const auto& job = plans.plans[i].job;
      const bool is_told =
          tells_of("job", job.name) || (job.load && tells_of("warehouse", job.load->warehouse));
      if (!is_told && forecast.columns.is_none() && forecast.anew.empty()) continue;
      auto& change = change_of("job", job.name);
      const auto table = TRY(find(lake, job.name));
      if (table) {
        note(change, forecast.columns, plans.plans[i].schema, *table);
        TRY(note_unkept(change, *table, batch::Age::of(job, zone_), job.keep, *lake.engine));
      }
      if (job.load) {
        const auto& one =
            *std::ranges::find(pipeline_.warehouses, job.load->warehouse, &config::Warehouse::name);
        const auto warehouse = batch::make_warehouse(
            {one, lake.tools(world_), scratch / "load",
             [this]() -> Result<aws::Client*> { return &TRY(world_.aws.session())->client(); }});
        change.load = batch::foresee_load(
            {pipeline_, plans.plans[i], forecast, table.get(), zone_, *warehouse});
      }
      change.runs = std::move(forecast);
    }
    return {};
  }

  // What is left of those that are gone.
  Result<void> count_removed(const Lake& lake) {
    for (auto& change : changes_) {
      if (change.kind != Kind::Removed || (change.what != "table" && change.what != "job"))
        continue;
      if (const auto table = TRY(find(lake, change.name))) change.stored = stored_of(*table);
    }
    return {};
  }

  std::vector<PipelineChange> take() { return std::move(changes_); }

 private:
  Result<std::unique_ptr<lake::Table>> find(const Lake& lake, const std::string& name) const {
    auto table = lake::Table::open(lake.tables / name, lake.tools(world_));
    if (!table && table.error().code == Code::NotFound) return std::unique_ptr<lake::Table>();
    return table;
  }

  static PipelineChange::Stored stored_of(const lake::Table& table) {
    const auto snapshot = table.snapshot();
    return {snapshot->record_count(), snapshot->bytes()};
  }

  static void note(PipelineChange& change, const lake::SchemaChange& difference,
                   const lake::Schema& schema, const lake::Table& table) {
    change.stored = stored_of(table);
    change.refusals = difference.refused;
    for (const auto& name : difference.added) {
      change.columns.push_back(*std::ranges::find(schema, name, &sql::Column::name));
    }
  }

  // Files whose rows all are older, as maintenance takes them.
  Result<void> note_unkept(PipelineChange& change, const lake::Table& table, const batch::Age& age,
                           std::chrono::microseconds keep, sql::Instance& engine) const {
    const bool is_told = std::ranges::find(change.keys, "keep") != change.keys.end();
    if (!is_told || keep == std::chrono::microseconds(0)) return {};
    const auto horizon = world_.clock.now() - keep;
    auto connection = TRY(engine.connect());
    PipelineChange::Stored unkept;
    for (const auto& [path, file] : table.snapshot()->files) {
      const auto end = age.end_of(*file, table.root(), connection);
      if (!end || *end > horizon) continue;
      unkept.rows += file->record_count;
      unkept.bytes += file->size;
    }
    change.unkept = unkept;
    return {};
  }

  const config::Pipeline& pipeline_;
  const config::TimeZone& zone_;
  World& world_;
  std::vector<PipelineChange> changes_;
};

}  // namespace

Result<std::vector<PipelineChange>> changes_of(const PipelineFile& file,
                                               const std::optional<PipelineRecord>& before,
                                               const os::Path& data, World& world) {
  const auto& pipeline = *file.pipeline();
  const auto zone = TRY(config::TimeZone::find(pipeline.timezone));
  Comparison comparison(pipeline, zone, world);
  comparison.add_differences(before ? before->text : "", file.text);
  if (const auto name = before ? name_of(*before) : std::nullopt; name && *name != pipeline.name) {
    comparison.change_of("pipeline", "")
        .refusals.push_back(fmt::format(
            "the tables were written by the pipeline '{}': by another name it would read its "
            "sources again from their beginning",
            *name));
  }
  if (const auto place = check_lake_place(world.disk, data, pipeline.lake); !place) {
    comparison.change_of("lake", "").refusals.push_back(place.error().message);
    return comparison.take();
  }
  const auto scratch = TRY(ScratchFolder::make(world.disk, world.random));
  const auto lake = TRY(Lake::open(pipeline, data, scratch.path(), world));
  const Lookups lookups(pipeline, *lake.engine, world, scratch.path());
  if (!lookups.errors().empty()) return lookups.errors().front();
  auto plans = flow::plan_tables(pipeline, lookups.by_name(), *lake.engine);
  if (!plans.errors.empty()) return plans.errors.front();
  TRY(comparison.compare_tables(lake, plans.tables));
  batch::TableSchemas tables;
  for (auto& [name, columns] : plans.columns) tables[name] = std::move(columns);
  const auto jobs = batch::plan_jobs(pipeline, tables, *lake.engine);
  if (!jobs.errors.empty()) return jobs.errors.front();
  TRY(comparison.compare_jobs(lake, jobs, scratch.path()));
  TRY(comparison.count_removed(lake));
  return comparison.take();
}

}  // namespace millrace::app
