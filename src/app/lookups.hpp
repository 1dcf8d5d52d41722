#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "app/world.hpp"
#include "config/pipeline.hpp"
#include "lookup/lookup.hpp"
#include "sql/instance.hpp"

namespace millrace::app {

/// Opens where a lookup's data come from. What is brought from elsewhere lies in `scratch`, which
/// is made when it is needed. `world` must outlive what it opens.
lookup::OpenOrigin origins_of(World& world, const os::Path& scratch);

/// All lookups of a pipeline.
class Lookups {
 public:
  /// Loads them; `loader` and `world` must outlive them.
  Lookups(const config::Pipeline& pipeline, sql::Instance& loader, World& world,
          const os::Path& scratch);

  /// Of those that could not be loaded, with their places in the pipeline file.
  const std::vector<base::Error>& errors() const { return errors_; }
  /// Those that were loaded.
  std::map<std::string, lookup::Lookup*> by_name() const;

  /// Keeps them fresh in the background from now on.
  void start_refreshing();

 private:
  std::map<std::string, std::unique_ptr<lookup::Lookup>> lookups_;
  std::vector<base::Error> errors_;
  std::unique_ptr<lookup::Refresher> refresher_;
};

}  // namespace millrace::app
