#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"

namespace millrace::flow {

/// Whose a claim is: a record, by where it stands.
struct ClaimOwner {
  std::string life;  ///< `<source>/<incarnation>`
  std::int32_t shard = 0;
  std::int64_t offset = 0;
  bool operator==(const ClaimOwner&) const = default;
};

/// A key that a record wants.
struct WantedClaim {
  std::string key;  ///< of the table and the row's own: the same in every process
  base::Time time;  ///< of the event
  ClaimOwner owner;
};

/// A claim that is there.
struct MadeClaim {
  ClaimOwner owner;
  base::Time time;
  base::Time until;  ///< before it, whoever made it may still be at work
};

/// Why a claim was not made.
struct HeldClaims {
  std::vector<MadeClaim> near;     ///< others', at most `within` away
  std::vector<MadeClaim> farther;  ///< all others of this key
  std::int64_t version = 0;        ///< of the key's claims, as they were read
};

struct ClaimTerms {
  std::chrono::microseconds within{};    ///< nearer in event time than this they exclude each other
  std::chrono::microseconds lateness{};  ///< how late records of the source may come
};

/// Where keys are claimed that several processes may want: `unique` in a function of AWS Lambda.
/// docs/decisions/014-claims-of-functions.md. `app` supplies it.
/// Threads: safe from any.
class ClaimStore {
 public:
  virtual ~ClaimStore() = default;

  /// Claims the keys, each for its owner, unless others hold it. No key is there twice.
  /// Shape   one for each; none: it is the owner's, now or already.
  /// Errors  Exhausted: slow down. Unavailable. Denied, NotFound, Invalid: as it is set up, with
  ///         the mend. What was claimed by then stays so.
  virtual base::Result<std::vector<std::optional<HeldClaims>>> claim(
      std::span<const WantedClaim> wanted, const ClaimTerms& terms) = 0;

  /// Puts the wanted claim in the place of those that are `near`.
  /// Shape   false: the key's claims are not as they were read; ask again.
  virtual base::Result<bool> take_over(const WantedClaim& wanted, const HeldClaims& from,
                                       const ClaimTerms& terms) = 0;
};

}  // namespace millrace::flow
