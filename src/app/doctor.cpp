#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>

#include "app/commands.hpp"
#include "app/finding.hpp"
#include "app/pipeline_file.hpp"
#include "app/text_width.hpp"
#include "os/real_disk.hpp"

namespace millrace::app {
namespace {

using base::Error;
using Json = nlohmann::ordered_json;
using enum Finding::Level;

std::string_view name_of(Finding::Level level) {
  return level == Ok ? "ok" : level == Warn ? "warn" : "fail";
}

Colour colour_of(Finding::Level level) {
  return level == Ok ? Colour::Green : level == Warn ? Colour::Yellow : Colour::Red;
}

std::vector<Finding> examine_file(const base::Result<PipelineFile>& file, const os::Path& path) {
  if (!file) return {{Fail, "file", file.error().text(), "name the pipeline file"}};
  const auto* errors = std::get_if<std::vector<Error>>(&file->outcome);
  if (!errors) return {{Ok, "file", path.string() + " is valid", ""}};
  std::vector<Finding> findings;
  for (const auto& error : *errors) {
    findings.push_back(
        {Fail, "file", error.text(), "see `millrace validate " + path.string() + "`"});
  }
  return findings;
}

void print_table(const std::vector<Finding>& findings, Screen& screen) {
  std::size_t width = 0;
  for (const auto& finding : findings) width = std::max(width, text_width(finding.check));
  for (const auto& finding : findings) {
    const auto level = padded(name_of(finding.level), 4);
    screen.line(fmt::format("{}  {}  {}", screen.paint()(colour_of(finding.level), level),
                            padded(finding.check, width), finding.detail));
    if (!finding.mend.empty()) {
      screen.line(std::string(width + 8, ' ') + screen.paint()(Colour::Bold, "→ " + finding.mend));
    }
  }
}

void print_json(const std::vector<Finding>& findings, Screen& screen) {
  Json list = Json::array();
  for (const auto& finding : findings) {
    list.push_back({{"check", finding.check},
                    {"level", name_of(finding.level)},
                    {"detail", finding.detail},
                    {"mend", finding.mend}});
  }
  screen.line(Json{{"checks", list}}.dump(2, ' ', false, Json::error_handler_t::replace));
}

}  // namespace

Exit examine(const DoctorOptions& options, Screen& screen) {
  os::RealDisk disk;
  std::vector<Finding> findings;
  const auto add = [&](std::vector<Finding> some) {
    std::ranges::move(some, std::back_inserter(findings));
  };
  const config::Pipeline* pipeline = nullptr;
  std::optional<base::Result<PipelineFile>> file;
  if (!options.file.empty()) {
    file = read_pipeline_file(options.file, Check::All);
    add(examine_file(*file, options.file));
    if (*file) pipeline = (*file)->pipeline();
  }
  add(examine_folder(disk, options.data));
  add(examine_time(pipeline));
  add(examine_machine());
  add(examine_ports(options.data, options.listen));
  World world(base::LogFormat::Text, base::Level::Error);
  add(examine_event_sources(pipeline, world));
  if (options.output == Output::Json) {
    print_json(findings, screen);
  } else {
    print_table(findings, screen);
  }
  const bool has_failed = std::ranges::count(findings, Fail, &Finding::level) > 0;
  return has_failed ? Exit::Failed : Exit::Fine;
}

}  // namespace millrace::app
