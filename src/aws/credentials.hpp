#pragma once

#include <optional>
#include <string>

#include "base/clock.hpp"

namespace millrace::aws {

/// What requests are signed with. None of it but the id may be shown or logged.
struct Credentials {
  std::string access_key_id;
  std::string secret_access_key;
  std::string session_token = {};  ///< empty: none
  std::optional<base::Time> expires_at = {};

  bool operator==(const Credentials&) const = default;
};

}  // namespace millrace::aws
