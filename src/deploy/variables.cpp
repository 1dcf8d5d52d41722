#include "deploy/variables.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <set>

namespace millrace::deploy {
namespace {

using config::Environment;
using config::Pipeline;
using config::Problems;
using Values = std::map<std::string, std::string>;

// A variable may stand where only some of these are allowed; `@` is a mark.
constexpr std::array<std::string_view, 8> kStandIns{
    "@",
    "arn:aws:sns:us-east-1:123456789012:@",
    "arn:aws:iam::123456789012:role/@",
    "https://sqs.us-east-1.amazonaws.com/123456789012/@",
    "postgres://@:password@localhost/database",
    "s3://@/key",
    "1",
    "1h"};
// Of the one that is looked at.
constexpr std::string_view kMark = "millrace-examined";

std::string marked(std::string_view stand_in, std::string_view mark) {
  std::string value(stand_in);
  const auto at = value.find('@');
  return at == std::string::npos ? value : value.replace(at, 1, mark);
}

class Reader {
 public:
  Reader(std::string_view text, const std::filesystem::path& file, const Environment& environment)
      : text_(text), file_(file), environment_(environment) {}

  /// With `values` before the environment; remembers which variables are asked for.
  std::variant<Pipeline, Problems> read(const Values& values) {
    return config::parse_pipeline(
        text_, file_, [&](const std::string& name) -> std::optional<std::string> {
          names_.insert(name);
          const auto found = values.find(name);
          return found != values.end() ? std::optional(found->second) : environment_(name);
        });
  }

  /// `${NAME:-this}`.
  std::optional<std::string> fallback_of(const std::string& name) const {
    const auto start = "${" + name + ":-";
    const auto at = text_.find(start);
    if (at == std::string_view::npos) return std::nullopt;
    const auto end = text_.find('}', at);
    return std::string(text_.substr(at + start.size(), end - at - start.size()));
  }

  const std::set<std::string>& names() const { return names_; }

 private:
  const std::string_view text_;
  const std::filesystem::path& file_;
  const Environment& environment_;
  std::set<std::string> names_;
};

std::size_t problems_of(const std::variant<Pipeline, Problems>& read) {
  const auto* problems = std::get_if<Problems>(&read);
  return problems ? problems->errors.size() : 0;
}

/// Gives `name` the value that leaves the fewest things wrong.
void stand_in(Reader& reader, const std::string& name, Values& values) {
  std::size_t fewest = std::string::npos;
  std::string best;
  for (const auto stand_in : kStandIns) {
    const auto value = marked(stand_in, kUnset);
    values[name] = value;
    const auto count = problems_of(reader.read(values));
    if (count < fewest) {
      fewest = count;
      best = value;
    }
  }
  values[name] = best;
}

/// False if it is not seen in what the file names.
bool judge(Variable& variable, const std::string& value, const Pipeline& pipeline) {
  bool is_seen = false;
  for (const auto& fact : facts_of(pipeline)) {
    if (fact.value.find(kMark) == std::string::npos) continue;
    is_seen = true;
    if (fact.part == Part::Secret) {
      variable.is_secret = true;
    } else if (fact.value != value || fact.part == Part::Path) {
      variable.is_fixed = true;
    } else {
      variable.names.push_back({fact.part, fact.of, ""});
    }
  }
  return is_seen;
}

/// Set where the program runs, whatever we say.
bool is_given_by_aws(std::string_view name) {
  constexpr std::array<std::string_view, 6> kNames{"AWS_REGION",        "AWS_DEFAULT_REGION",
                                                   "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY",
                                                   "AWS_SESSION_TOKEN", "LAMBDA_TASK_ROOT"};
  return std::ranges::find(kNames, name) != kNames.end();
}

Variable examined(Reader& reader, const std::string& name, Values values,
                  const Environment& environment) {
  Variable variable{.name = name, .fallback = reader.fallback_of(name)};
  variable.is_secret = config::sounds_secret(name);
  for (const auto stand_in : kStandIns) {
    values[name] = marked(stand_in, kMark);
    const auto read = reader.read(values);
    const auto* pipeline = std::get_if<Pipeline>(&read);
    if (pipeline && judge(variable, values[name], *pipeline)) break;
  }
  if (variable.is_fixed) variable.names.clear();
  if (!variable.is_secret) variable.value = environment(name);
  return variable;
}

}  // namespace

std::variant<DeployedFile, Problems> read_deployed(std::string_view text,
                                                   const std::filesystem::path& file,
                                                   const Environment& environment) {
  Reader reader(text, file, environment);
  Values values;
  auto first = reader.read(values);
  if (std::holds_alternative<Problems>(first)) {
    const auto names = reader.names();
    for (const auto& name : names) {
      if (reader.fallback_of(name) || environment(name)) continue;
      stand_in(reader, name, values);
    }
  }
  auto read = values.empty() ? std::move(first) : reader.read(values);
  // What is wrong is told as it is without stand-ins, which nobody wrote.
  if (std::holds_alternative<Problems>(read)) return std::get<Problems>(reader.read({}));
  DeployedFile deployed{.pipeline = std::get<Pipeline>(std::move(read)), .variables = {}};
  const auto names = reader.names();
  for (const auto& name : names) {
    if (is_given_by_aws(name)) continue;
    deployed.variables.push_back(examined(reader, name, values, environment));
  }
  return deployed;
}

}  // namespace millrace::deploy
