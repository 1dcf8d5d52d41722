#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "config/pipeline.hpp"
#include "config/read.hpp"

namespace millrace::deploy {

/// What a value of the pipeline file names that is a part of AWS.
enum class Part : std::uint8_t {
  None,
  LakeBucket,
  Bucket,       ///< any other; `of` says whose
  Stream,       ///< of a source
  LookupTable,  ///< of DynamoDB
  Topic,        ///< of an alert
  Queue,        ///< of an alert
  AlertStream,
  GlueJob,
  Path,          ///< below a bucket: it is fixed when the template is written
  Workgroup,     ///< of a warehouse
  RedshiftRole,  ///< of a warehouse
  Secret,        ///< it is none, but must not be seen
};

/// A value of the file, and what it names.
struct Fact {
  Part part = Part::None;
  std::string of;  ///< the source, lookup, alert or warehouse
  std::string value;
};
std::vector<Fact> facts_of(const config::Pipeline& pipeline);

/// A variable that the file names, `${ORDERS_BUCKET:-my-orders}`.
struct Variable {
  std::string name;
  std::optional<std::string> fallback = {};  ///< the file's
  std::optional<std::string> value = {};     ///< this environment's; of a secret: none
  bool is_secret = false;
  std::vector<Fact> names = {};  ///< what it names as a whole; `value` says nothing there
  bool is_fixed = false;         ///< it is a piece of a name, which is fixed here and now

  /// What it is here.
  std::string text() const { return value ? *value : fallback.value_or(""); }
};

/// A file as it is deployed.
struct DeployedFile {
  config::Pipeline pipeline;  ///< what is decided by a variable has some value
  std::vector<Variable> variables;
};

/// In what a variable that is not set stands for.
inline constexpr std::string_view kUnset = "millrace-unset";

/// Reads a file whose variables need not be set: what each of them decides is found out by reading
/// it with other values.
std::variant<DeployedFile, config::Problems> read_deployed(std::string_view text,
                                                           const std::filesystem::path& file,
                                                           const config::Environment& environment);

}  // namespace millrace::deploy
