#pragma once

#include <string>
#include <vector>

#include "deploy/site.hpp"

namespace millrace::deploy {

/// What a part costs in a month, and how that is computed.
struct Cost {
  std::string what;
  std::string formula;
  double dollars = 0;
};

/// An estimate at the rate that was stated, all hours of the month.
std::vector<Cost> costs_of(const Site& site, const Json& root);

}  // namespace millrace::deploy
