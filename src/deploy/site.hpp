#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "config/pipeline.hpp"
#include "deploy/capacity.hpp"
#include "deploy/document.hpp"
#include "deploy/options.hpp"
#include "deploy/variables.hpp"

namespace millrace::deploy {

/// A bucket, stream, table, job or workgroup that the pipeline uses.
struct Thing {
  Part part = Part::None;
  std::string of;              ///< the source, lookup or warehouse that names it
  std::string given_name;      ///< as the file says; empty if a variable decides
  std::string variable;        ///< that decides its name; empty: none
  std::string id = {};         ///< of the resource that is made; empty: it is there already
  std::string made_name = {};  ///< of that resource, as of `sub`; empty: another one makes it
  std::string name = {};       ///< as of `sub`, to be used by others: `${OrdersStream}`

  bool is_made() const { return !id.empty() && !made_name.empty(); }
};

/// What the parts of a template are made from.
struct Site {
  const config::Pipeline& pipeline;
  const std::vector<Variable>& variables;
  const Options& options;
  Capacity capacity;
  std::string prefix;        ///< `shop-prod`
  std::string small_prefix;  ///< of names with small letters only
  std::vector<Thing> things;
  std::vector<std::pair<std::string, std::string>> tags;

  bool is_lambda() const { return options.worker == Worker::Lambda; }
  /// The one that the source, lookup or warehouse `of` names.
  const Thing* thing(Part part, const std::string& of = "") const;
  std::string lake_prefix() const;  ///< `tables/`, or empty
  bool has_jobs_function() const;
  /// Functions claim the keys of `unique` in a table of DynamoDB.
  bool has_claims() const;
  /// Where the numbers go: what the file says, or the program's own way.
  config::MetricsExport metrics() const;
  /// DeletionPolicy and its like for what holds data.
  void keep_data(Json& resource) const;
};

/// Errors  Invalid: names that are too long, each with its place.
std::variant<Site, std::vector<base::Error>> make_site(const DeployedFile& file,
                                                       const Options& options,
                                                       const Capacity& capacity);

/// A variable's value where the program runs, out of parameters and resources.
Json value_of(const Site& site, const Variable& variable);
/// The parameters that variables become, with their conditions.
void put_variables(Json& root, const Site& site);
/// `{NAME: value}` of all of them.
Json environment_of(const Site& site);

// The parts of a template; each puts in what it is named for, if the pipeline has it.
void put_lake(Json& root, const Site& site);
void put_streams(Json& root, const Site& site);
void put_lookup_tables(Json& root, const Site& site);
void put_claims(Json& root, const Site& site);
void put_topics(Json& root, const Site& site);
void put_functions(Json& root, const Site& site);
void put_schedules(Json& root, const Site& site);
void put_task(Json& root, const Site& site);
void put_glue(Json& root, const Site& site);
void put_redshift(Json& root, const Site& site);
void put_alarms(Json& root, const Site& site);
void put_dashboard(Json& root, const Site& site);

// What the program may do, by what it does.
void allow_lake(std::vector<Statement>& statements, const Site& site);
void allow_inputs(std::vector<Statement>& statements, const Site& site);
void allow_alerts(std::vector<Statement>& statements, const Site& site);
void allow_streams(std::vector<Statement>& statements, const Site& site, bool reads_records);
void allow_jobs(std::vector<Statement>& statements, const Site& site);
void allow_metrics(std::vector<Statement>& statements, const Site& site);

}  // namespace millrace::deploy
