#include "app/dynamodb_claims.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <mutex>
#include <thread>

#include "base/text.hpp"

namespace millrace::app {

using aws::Attribute;
using base::Code;
using base::Error;
using base::Result;
using flow::HeldClaims;
using flow::MadeClaim;
using flow::WantedClaim;
using Kind = Attribute::Kind;
using namespace std::chrono_literals;

namespace {

// Records may wait in their stream before they come to us: so much longer than `within` and the
// lateness a claim is kept.
constexpr auto kWait = 24h * 7;
// DynamoDB takes items of 400 KB; a claim has 100 bytes, or a few more.
constexpr std::size_t kClaimsMax = 1000;
// As often others may be faster with one key.
constexpr int kAttempts = 20;

Attribute number(std::int64_t value) {
  return {.kind = Kind::Number, .text = std::to_string(value)};
}

Attribute text(std::string value) {
  return {.kind = Kind::Text, .text = std::move(value)};
}

const Attribute* find(const std::vector<aws::NamedAttribute>& fields, std::string_view name) {
  const auto found = std::ranges::find(fields, name, &aws::NamedAttribute::name);
  return found == fields.end() ? nullptr : &found->value;
}

std::optional<std::int64_t> number_of(std::string_view digits) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return value;
}

std::optional<std::int64_t> number_in(const std::vector<aws::NamedAttribute>& fields,
                                      std::string_view name) {
  const auto* attribute = find(fields, name);
  if (attribute == nullptr || attribute->kind != Kind::Number) return std::nullopt;
  return number_of(attribute->text);
}

base::Time time_of(std::int64_t microseconds) {
  return base::Time(std::chrono::microseconds(microseconds));
}

// `orders/1795435200000/3/42`
std::string owner_text(const flow::ClaimOwner& owner) {
  return fmt::format("{}/{}/{}", owner.life, owner.shard, owner.offset);
}

std::optional<flow::ClaimOwner> owner_of(std::string_view text) {
  const auto last = text.rfind('/');
  if (last == std::string_view::npos || last == 0) return std::nullopt;
  const auto before = text.rfind('/', last - 1);
  if (before == std::string_view::npos) return std::nullopt;
  const auto shard = number_of(text.substr(before + 1, last - before - 1));
  const auto offset = number_of(text.substr(last + 1));
  if (!shard || !offset) return std::nullopt;
  return flow::ClaimOwner{std::string(text.substr(0, before)), static_cast<std::int32_t>(*shard),
                          *offset};
}

std::optional<MadeClaim> claim_of(const Attribute& attribute) {
  const auto* owner = find(attribute.fields, "owner");
  const auto time = number_in(attribute.fields, "time");
  const auto until = number_in(attribute.fields, "until");
  if (owner == nullptr || !time || !until) return std::nullopt;
  auto read = owner_of(owner->text);
  if (!read) return std::nullopt;
  return MadeClaim{std::move(*read), time_of(*time), time_of(*until)};
}

// The last one is the one that is made now.
void drop_oldest(std::vector<MadeClaim>& claims) {
  while (claims.size() > kClaimsMax) {
    claims.erase(std::ranges::min_element(claims.begin(), claims.end() - 1, {}, &MadeClaim::time));
  }
}

/// What the item of a key says.
struct ClaimsOfKey {
  std::vector<MadeClaim> claims;
  std::int64_t version = 0;
};

Result<ClaimsOfKey> claims_of(const aws::Item& item, const std::string& table) {
  const auto* list = find(item, "claims");
  const auto version = number_in(item, "version");
  ClaimsOfKey read{.claims = {}, .version = version.value_or(0)};
  for (const auto& element : list == nullptr ? std::vector<Attribute>() : list->elements) {
    auto claim = claim_of(element);
    if (!claim) break;
    read.claims.push_back(std::move(*claim));
  }
  if (list == nullptr || !version || read.claims.size() != list->elements.size()) {
    return Error{Code::Invalid,
                 fmt::format("the DynamoDB table {} has an item that is no claim of ours: let "
                             "MILLRACE_CLAIMS_TABLE name a table that nobody else writes",
                             base::printable(table))};
  }
  return read;
}

}  // namespace

DynamoDbClaims::DynamoDbClaims(aws::DynamoDb dynamodb, DynamoDbClaimsOptions options,
                               const base::Clock& clock)
    : dynamodb_(std::move(dynamodb)), options_(std::move(options)), clock_(clock) {}

// Each thread takes the next key that nobody took; the first error ends them all.
Result<std::vector<std::optional<HeldClaims>>> DynamoDbClaims::claim(
    std::span<const WantedClaim> wanted, const flow::ClaimTerms& terms) {
  std::vector<std::optional<HeldClaims>> held(wanted.size());
  std::atomic<std::size_t> next{0};
  std::mutex mutex;
  std::optional<Error> failed;  // guarded by mutex
  const auto work = [&] {
    for (auto i = next++; i < wanted.size(); i = next++) {
      auto one = claim_one(wanted[i], terms);
      if (one) {
        held[i] = std::move(*one);
        continue;
      }
      next = wanted.size();
      const std::lock_guard lock(mutex);
      if (!failed) failed = one.error();
    }
  };
  {
    const auto threads = std::min(wanted.size(), static_cast<std::size_t>(options_.connections));
    std::vector<std::jthread> others;
    for (std::size_t i = 1; i < threads; ++i) others.emplace_back(work);
    work();
  }
  if (failed) return *failed;
  return held;
}

Result<std::optional<HeldClaims>> DynamoDbClaims::claim_one(const WantedClaim& wanted,
                                                            const flow::ClaimTerms& terms) {
  auto told = TRY(put(wanted.key, {made(wanted)}, 0, terms));
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    if (std::holds_alternative<aws::ItemPut>(told)) return std::optional<HeldClaims>();
    const auto& item = std::get<aws::ItemNotPut>(told).there;
    if (item.empty()) {  // it expired this moment
      told = TRY(put(wanted.key, {made(wanted)}, 0, terms));
      continue;
    }
    auto there = TRY(claims_of(item, options_.table));
    HeldClaims held{.near = {}, .farther = {}, .version = there.version};
    bool is_ours = false;
    for (auto& claim : there.claims) {
      const bool is_near = std::chrono::abs(claim.time - wanted.time) <= terms.within;
      is_ours = is_ours || (is_near && claim.owner == wanted.owner);
      const bool excludes = is_near && !(claim.owner == wanted.owner);
      (excludes ? held.near : held.farther).push_back(std::move(claim));
    }
    if (!held.near.empty()) return std::optional(std::move(held));
    if (is_ours) return std::optional<HeldClaims>();
    held.farther.push_back(made(wanted));
    told = TRY(put(wanted.key, held.farther, held.version, terms));
  }
  return Error{Code::Unavailable, "others claim the same key again and again"};
}

Result<bool> DynamoDbClaims::take_over(const WantedClaim& wanted, const HeldClaims& from,
                                       const flow::ClaimTerms& terms) {
  auto claims = from.farther;
  std::erase_if(claims, [&](const auto& claim) {
    return claim.owner == wanted.owner && claim.time == wanted.time;
  });
  claims.push_back(made(wanted));
  const auto told = TRY(put(wanted.key, claims, from.version, terms));
  return std::holds_alternative<aws::ItemPut>(told);
}

MadeClaim DynamoDbClaims::made(const WantedClaim& wanted) const {
  return {wanted.owner, wanted.time, std::max(time_of(until_), clock_.now())};
}

// `expected` is the version that must be there; 0: no item.
Result<std::variant<aws::ItemPut, aws::ItemNotPut>> DynamoDbClaims::put(
    const std::string& key, std::vector<MadeClaim> claims, std::int64_t expected,
    const flow::ClaimTerms& terms) {
  Attribute list{.kind = Kind::List};
  base::Time expires{};
  drop_oldest(claims);
  for (const auto& claim : claims) {
    // Of a key that comes again and again, old claims go when new ones come.
    const auto kept_until =
        std::max(claim.time, claim.until) + terms.within + terms.lateness + kWait;
    if (kept_until < clock_.now()) continue;
    list.elements.push_back(
        {.kind = Kind::Map,
         .fields = {{"owner", text(owner_text(claim.owner))},
                    {"time", number(claim.time.time_since_epoch().count())},
                    {"until", number(claim.until.time_since_epoch().count())}}});
    expires = std::max(expires, kept_until);
  }
  const auto seconds = std::chrono::ceil<std::chrono::seconds>(expires.time_since_epoch());
  aws::ConditionalPut wanted{.table = options_.table,
                             .item = {{"key", text(key)},
                                      {"claims", std::move(list)},
                                      {"version", number(expected + 1)},
                                      {"expires", number(seconds.count())}},
                             .key = "key"};
  if (expected > 0) wanted.expected = {"version", number(expected)};
  return dynamodb_.put(wanted);
}

}  // namespace millrace::app
