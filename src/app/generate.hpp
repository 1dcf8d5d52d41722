#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "app/screen.hpp"
#include "os/disk.hpp"
#include "verify/generator.hpp"

namespace millrace::app {

/// `millrace generate`.
struct GenerateOptions {
  verify::GeneratorOptions generator;
  std::string start;                ///< RFC 3339; empty: now
  std::vector<std::string> bursts;  ///< `10x@20s/5s`
  std::string to = "-";             ///< a file, `-`, `http://host:port`, `kinesis://stream`
  std::string stream;               ///< empty: the dataset's name
  os::Path labels;                  ///< empty: none
  os::Path lookups;                 ///< a folder for the example's lookup files; empty: none
  std::optional<std::uint64_t> count;
  std::string duration;  ///< instead of `count`: as many as are due in it
  bool is_live = false;  ///< to a file: at the rate, not at once
  std::uint64_t records_per_body = 100;
  std::size_t connections = 16;
};
Exit generate(const GenerateOptions& options, Screen& screen);

}  // namespace millrace::app
