// `millrace deploy aws`: what a pipeline becomes on AWS, shown or written.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "app/commands.hpp"
#include "app/pipeline_file.hpp"
#include "app/sql_check.hpp"
#include "app/text_table.hpp"
#include "base/text.hpp"
#include "deploy/deployment.hpp"
#include "deploy/prices.hpp"
#include "os/real_disk.hpp"

namespace millrace::app {
namespace {

using base::Code;
using base::Error;
using base::Result;
using deploy::Deployment;
using Json = nlohmann::ordered_json;
using Errors = std::vector<Error>;

constexpr std::uint64_t kFileBytesMax = 16 << 20;

bool has_only_local_lookups(const config::Pipeline& pipeline) {
  return std::ranges::all_of(pipeline.lookups, [](const config::Lookup& lookup) {
    return std::holds_alternative<config::LookupFile>(lookup.from);
  });
}

/// The deployment, or all that is wrong.
std::variant<Deployment, Errors> deployment_of(const std::string& text,
                                               const DeployOptions& options) {
  const auto file = std::filesystem::absolute(options.file);
  auto read = deploy::read_deployed(text, file, config::system_environment);
  if (const auto* problems = std::get_if<config::Problems>(&read)) return problems->errors;
  const auto& deployed = std::get<deploy::DeployedFile>(read);
  auto how = options.how;
  if (how.worker == deploy::Worker::Fargate) how.code = deploy::CodeForm::Image;
  const auto retention = base::parse_duration(options.retention);
  if (!retention)
    return Errors{{retention.error().code, "--retention: " + retention.error().message}};
  how.retention = std::chrono::floor<std::chrono::hours>(*retention);
  auto made = deploy::deployment_of(text, deployed, how);
  auto* deployment = std::get_if<Deployment>(&made);
  if (!deployment) return made;
  if (has_only_local_lookups(deployed.pipeline)) {
    auto errors = check_sql(deployed.pipeline);
    if (!errors.empty()) return errors;
  } else {
    deployment->warnings.emplace_back(
        "the SQL was not checked, because lookups lie elsewhere: run `millrace validate` and "
        "`millrace test` where they can be read");
  }
  return made;
}

void print_json(const Deployment& deployment, Screen& screen) {
  Json resources = Json::array(), costs = Json::array();
  double sum = 0;
  for (const auto& resource : deployment.resources) {
    resources.push_back({{"id", resource.id}, {"type", resource.type}});
  }
  for (const auto& cost : deployment.costs) {
    costs.push_back({{"what", cost.what}, {"formula", cost.formula}, {"dollars", cost.dollars}});
    sum += cost.dollars;
  }
  const Json document{{"resources", resources},
                      {"costs", costs},
                      {"dollars_a_month", sum},
                      {"warnings", deployment.warnings}};
  screen.line(document.dump(2, ' ', false, Json::error_handler_t::replace));
}

void print(const Deployment& deployment, Screen& screen) {
  std::map<std::string, std::vector<std::string>> by_type;
  for (const auto& resource : deployment.resources) {
    by_type[resource.type].push_back(resource.id);
  }
  TextTable resources({{"resource"}, {"count", Align::Right}, {"ids"}});
  for (const auto& [type, ids] : by_type) {
    resources.add({type.substr(5), std::to_string(ids.size()), base::join(ids, " ")});
  }
  screen.print(resources.text(screen.paint(), screen.columns()));
  screen.line("");
  TextTable costs({{"a month"}, {"$", Align::Right}, {"computed"}});
  double sum = 0;
  for (const auto& cost : deployment.costs) {
    costs.add({cost.what, fmt::format("{:.2f}", cost.dollars), cost.formula});
    sum += cost.dollars;
  }
  costs.add({"together", fmt::format("{:.2f}", sum),
             fmt::format("prices of {}, {}, from memory: docs/deploy_aws.md", deploy::kPriceRegion,
                         deploy::kPriceDate)});
  screen.print(costs.text(screen.paint(), screen.columns()));
}

/// Errors  Invalid: there is a file of that name that we did not write.
Result<std::optional<std::string>> earlier_file(os::Disk& disk, const os::Path& path) {
  auto text = os::read_file(disk, path, kFileBytesMax);
  if (!text && text.error().code == Code::NotFound) return std::optional<std::string>();
  if (!text) return text.error();
  if (deploy::is_ours(*text)) return std::optional(std::move(*text));
  return Error{Code::Invalid,
               "this file is there, and `millrace deploy aws` did not write it: move it away, or "
               "choose another --out",
               path.string()};
}

Result<void> write(const Deployment& deployment, const os::Path& out) {
  os::RealDisk disk;
  TRY(disk.make_directories(out));
  std::vector<std::pair<os::Path, std::string>> files;
  for (const auto& file : deployment.files) {
    const auto path = out / file.name;
    const auto earlier = TRY(earlier_file(disk, path));
    const bool has_values = earlier && file.name == "parameters.json";
    files.emplace_back(path, has_values ? deploy::kept_values(file.text, *earlier) : file.text);
  }
  for (const auto& [path, text] : files) TRY(os::write_file(disk, path, text));
  return {};
}

}  // namespace

Exit deploy_to_aws(const DeployOptions& options, Screen& screen) {
  const auto file = read_pipeline_text(options.file);
  if (!file) return fail(screen, file.error());
  const auto made = deployment_of(*file, options);
  if (const auto* errors = std::get_if<Errors>(&made)) {
    print_problems({.text = *file, .outcome = *errors}, screen);
    return Exit::Usage;
  }
  const auto& deployment = std::get<Deployment>(made);
  if (!options.is_plan) {
    const auto written = write(deployment, options.out);
    if (!written) return fail(screen, written.error());
  }
  if (options.output == Output::Json) {
    print_json(deployment, screen);
    return Exit::Fine;
  }
  if (options.is_plan) print(deployment, screen);
  for (const auto& warning : deployment.warnings) screen.note("mind: " + warning);
  if (!options.is_plan) {
    double sum = 0;
    for (const auto& cost : deployment.costs) sum += cost.dollars;
    screen.line(fmt::format("{} wrote {} resources, about ${:.0f} a month: {}",
                            screen.paint()(Colour::Green, "ok"), deployment.resources.size(), sum,
                            (options.out / "README.md").string()));
  }
  return Exit::Fine;
}

}  // namespace millrace::app
