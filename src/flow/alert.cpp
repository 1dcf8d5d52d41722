#include "flow/alert.hpp"

#include <fmt/format.h>

#include <charconv>

#include "base/md5.hpp"
#include "sql/render.hpp"

namespace millrace::flow {
namespace {

std::string incarnation_of(const DeliveryName& name, std::int32_t shard) {
  return shard < 0 ? fmt::format("replay-{}", -static_cast<std::int64_t>(shard)) : name.incarnation;
}

// Version 3 of RFC 9562: a UUID made of a name.
std::string uuid_of(std::string_view text) {
  auto digest = base::md5(text);
  digest[6] = static_cast<std::uint8_t>((digest[6] & 0x0FU) | 0x30U);
  digest[8] = static_cast<std::uint8_t>((digest[8] & 0x3FU) | 0x80U);
  std::string out;
  for (std::size_t i = 0; i < digest.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) out += '-';
    out += fmt::format("{:02x}", digest[i]);
  }
  return out;
}

}  // namespace

std::string_view name_of(AlertOutcome outcome) {
  if (outcome == AlertOutcome::Sent) return "sent";
  return outcome == AlertOutcome::Dead ? "dead" : "suppressed";
}

std::size_t AlertMessage::bytes() const {
  constexpr std::size_t kRowBytes = 200;  // ids, times, what holds them
  std::size_t bytes = 0;
  for (const auto& row : rows) bytes += row.data.size() + kRowBytes;
  return bytes;
}

std::string DeliveryName::marker() const {
  return fmt::format("millrace/{}/_alerts/{}/{}/{}", pipeline, alert, target, table);
}

std::string DeliveryName::position_id(std::int32_t shard) const {
  return fmt::format("{}/{}/{}/{}", marker(), source, incarnation_of(*this, shard), shard);
}

std::string DeliveryName::table_prefix() const {
  return fmt::format("millrace/{}/{}/{}/{}/", pipeline, table, source, incarnation);
}

std::string DeliveryName::table_replay_prefix() const {
  return fmt::format("millrace/{}/{}/{}/replay-", pipeline, table, source);
}

std::map<std::int32_t, std::int64_t> positions_below(
    const std::map<std::string, std::int64_t>& transactions, const std::string& prefix) {
  std::map<std::int32_t, std::int64_t> positions;
  for (auto at = transactions.lower_bound(prefix);
       at != transactions.end() && at->first.starts_with(prefix); ++at) {
    const auto last = std::string_view(at->first).substr(at->first.rfind('/') + 1);
    std::int32_t shard = 0;
    const auto read = std::from_chars(last.data(), last.data() + last.size(), shard);
    if (read.ec == std::errc{} && read.ptr == last.data() + last.size()) {
      positions[shard] = at->second;
    }
  }
  return positions;
}

std::string alert_id(const DeliveryName& name, const RowPosition& at) {
  return uuid_of(fmt::format("millrace/{}/{}/{}/{}/{}/{}/{}", name.pipeline, name.alert,
                             name.source, incarnation_of(name, at.shard), at.shard, at.offset,
                             at.row));
}

std::string message_id(const std::vector<AlertRow>& rows) {
  if (rows.size() == 1) return rows.front().id;
  std::string ids;
  for (const auto& row : rows) ids += row.id + ' ';
  return uuid_of(ids);
}

std::string encode_body(const DeliveryName& name, const AlertMessage& message, bool is_bare) {
  if (is_bare) return message.rows.front().data;
  std::string out;
  const auto text = [&](std::string_view key, std::string_view value) {
    out += fmt::format(R"(,"{}":)", key);
    sql::append_json_string(value, out);
  };
  out += R"({"id":)";
  sql::append_json_string(message.id, out);
  text("pipeline", name.pipeline);
  text("alert", name.alert);
  text("table", name.table);
  if (message.group) {
    text("group", *message.group);
  } else {
    out += R"(,"group":null)";
  }
  out += fmt::format(R"(,"suppressed":{},"rows":[)", message.suppressed);
  for (const auto& row : message.rows) {
    if (out.back() != '[') out += ',';
    out += fmt::format(R"({{"id":"{}","received_at":"{}","data":{}}})", row.id,
                       base::format_time(row.received_at), row.data);
  }
  out += "]}";
  return out;
}

}  // namespace millrace::flow
