#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "deploy/cost.hpp"
#include "deploy/options.hpp"
#include "deploy/variables.hpp"

namespace millrace::deploy {

/// What a pipeline becomes on AWS.
struct Deployment {
  /// `AWS::Kinesis::Stream`, and its id.
  struct Resource {
    std::string type;
    std::string id;
  };
  struct File {
    std::string name;
    std::string text;
  };
  std::vector<Resource> resources;
  std::vector<Cost> costs;
  std::vector<std::string> warnings;
  std::vector<File> files;  ///< `template.json`, `parameters.json`, `README.md`
};

/// What is written first into each of the files but JSON, and what tells ours from others'.
inline constexpr std::string_view kOurs = "Written by `millrace deploy aws`";

/// The template of a pipeline whose file's text is `text`. The same input gives the same bytes.
/// Shape   what cannot run there, is named too long or cannot be scheduled: all of it, each with
/// its
///         place.
std::variant<Deployment, std::vector<base::Error>> deployment_of(std::string_view text,
                                                                 const DeployedFile& file,
                                                                 const Options& options);

/// New parameters with the values that somebody wrote into an earlier file.
std::string kept_values(std::string_view parameters, std::string_view earlier);

/// True if `text` is a file that an earlier call wrote.
bool is_ours(std::string_view text);

}  // namespace millrace::deploy
