#include "lake/actions.hpp"

#include <fmt/format.h>

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "base/text.hpp"

namespace millrace::lake {
namespace {

using base::Code;
using base::Error;
using base::Result;
using Json = nlohmann::ordered_json;

constexpr const char* kExtra = "millrace";
constexpr const char* kEngine = "millrace/0.1.0";

Json partition_json(const PartitionValues& values) {
  Json json = Json::object();
  for (const auto& [name, value] : values) json[name] = value ? Json(*value) : Json(nullptr);
  return json;
}

Json add_json(const AddFile& add) {
  Json json{{"path", add.path},
            {"partitionValues", partition_json(add.partition_values)},
            {"size", add.size},
            {"modificationTime", add.modified_ms},
            {"dataChange", add.is_data_change}};
  if (!add.stats.empty()) json["stats"] = add.stats;
  return json;
}

Json remove_json(const RemoveFile& remove) {
  return {{"path", remove.path},
          {"deletionTimestamp", remove.deleted_ms},
          {"dataChange", remove.is_data_change},
          {"extendedFileMetadata", true},
          {"partitionValues", partition_json(remove.partition_values)},
          {"size", remove.size}};
}

Result<Json> metadata_json(const Metadata& metadata) {
  return Json{{"id", metadata.id},
              {"format", {{"provider", "parquet"}, {"options", Json::object()}}},
              {"schemaString", TRY(schema_string(metadata.schema))},
              {"partitionColumns", metadata.partition_columns},
              {"configuration", metadata.configuration},
              {"createdTime", metadata.created_ms}};
}

Json info_json(const CommitInfo& info) {
  return {{"timestamp", info.timestamp_ms},         {"operation", info.operation},
          {"operationParameters", info.parameters}, {"isolationLevel", "Serializable"},
          {"isBlindAppend", info.is_blind_append},  {"engineInfo", kEngine},
          {"txnId", info.transaction_id},           {kExtra, Json::parse(info.extra)}};
}

PartitionValues partition_values(const Json& action) {
  PartitionValues values;
  const auto found = action.find("partitionValues");
  if (found == action.end() || !found->is_object()) return values;
  for (const auto& [name, value] : found->items()) {
    values[name] = value.is_string() && !value.get_ref<const std::string&>().empty()
                       ? std::optional(value.get<std::string>())
                       : std::nullopt;
  }
  return values;
}

AddFile add_from(const Json& json) {
  AddFile add{.path = json.at("path"),
              .partition_values = partition_values(json),
              .size = json.value("size", std::int64_t{0}),
              .modified_ms = json.value("modificationTime", std::int64_t{0}),
              .is_data_change = json.value("dataChange", true)};
  if (const auto stats = json.find("stats"); stats != json.end() && stats->is_string()) {
    add.stats = *stats;
    const Json parsed = Json::parse(add.stats, nullptr, false);
    if (parsed.is_object()) add.record_count = parsed.value("numRecords", std::int64_t{-1});
  }
  return add;
}

// A path of another writer may be absolute or climb out of the table: that is never followed.
Result<void> check_path(const std::string& path) {
  const std::string plain = uri_decoded(path);
  const bool is_outside = plain.starts_with("/") || plain.find("://") != std::string::npos ||
                          ("/" + plain + "/").find("/../") != std::string::npos;
  if (!is_outside && !plain.empty()) return {};
  return Error{Code::Invalid,
               fmt::format("a data file outside of the table is not read: {}", path)};
}

Result<Metadata> metadata_from(const Json& json) {
  return Metadata{
      .id = json.at("id"),
      .schema = TRY(parse_schema_string(json.at("schemaString"))),
      .partition_columns = json.at("partitionColumns"),
      .configuration = json.value("configuration", std::map<std::string, std::string>{}),
      .created_ms = json.value("createdTime", std::int64_t{0})};
}

// What we say of a commit. The package for Spark says it in a tag, as text: Delta's writer there
// has no other place.
std::string extra_from(const Json& json) {
  if (const auto found = json.find(kExtra); found != json.end()) return found->dump();
  const auto tags = json.find("tags");
  if (tags == json.end() || !tags->is_object()) return CommitInfo{}.extra;
  const auto tag = tags->find(kExtra);
  const bool is_ours =
      tag != tags->end() && tag->is_string() && Json::accept(tag->get_ref<const std::string&>());
  return is_ours ? tag->get<std::string>() : CommitInfo{}.extra;
}

CommitInfo info_from(const Json& json) {
  CommitInfo info{.timestamp_ms = json.value("timestamp", std::int64_t{0}),
                  .operation = json.value("operation", ""),
                  .transaction_id = json.value("txnId", ""),
                  .is_blind_append = json.value("isBlindAppend", false),
                  .extra = extra_from(json)};
  if (const auto found = json.find("operationParameters");
      found != json.end() && found->is_object()) {
    for (const auto& [name, value] : found->items()) {
      info.parameters[name] = value.is_string() ? value.get<std::string>() : value.dump();
    }
  }
  return info;
}

Result<void> read_action(const Json& line, Commit& commit) {
  for (const auto& [kind, action] : line.items()) {
    if (kind == "add") {
      commit.adds.push_back(add_from(action));
      TRY(check_path(commit.adds.back().path));
      if (action.contains("deletionVector") && !action.at("deletionVector").is_null()) {
        return Error{Code::Invalid, "deletion vectors are not read"};
      }
    } else if (kind == "remove") {
      commit.removes.push_back({.path = action.at("path"),
                                .partition_values = partition_values(action),
                                .size = action.value("size", std::int64_t{0}),
                                .deleted_ms = action.value("deletionTimestamp", std::int64_t{0}),
                                .is_data_change = action.value("dataChange", true)});
    } else if (kind == "txn") {
      commit.transactions.push_back({.app_id = action.at("appId"),
                                     .version = action.at("version"),
                                     .updated_ms = action.value("lastUpdated", std::int64_t{0})});
    } else if (kind == "metaData") {
      commit.metadata = TRY(metadata_from(action));
    } else if (kind == "protocol") {
      commit.protocol = Protocol{action.at("minReaderVersion"), action.at("minWriterVersion")};
    } else if (kind == "commitInfo") {
      const auto version = commit.info.version;
      commit.info = info_from(action);
      commit.info.version = version;
    }
  }
  return {};
}

}  // namespace

Result<std::string> encode_commit(const Commit& commit) {
  const auto line = [](const char* kind, const Json& action) {
    return Json{{kind, action}}.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
  };
  std::string out = line("commitInfo", info_json(commit.info));
  if (commit.protocol) {
    out += line("protocol", {{"minReaderVersion", commit.protocol->reader_version},
                             {"minWriterVersion", commit.protocol->writer_version}});
  }
  if (commit.metadata) out += line("metaData", TRY(metadata_json(*commit.metadata)));
  for (const auto& txn : commit.transactions) {
    out += line("txn",
                {{"appId", txn.app_id}, {"version", txn.version}, {"lastUpdated", txn.updated_ms}});
  }
  for (const auto& remove : commit.removes) out += line("remove", remove_json(remove));
  for (const auto& add : commit.adds) out += line("add", add_json(add));
  return out;
}

Result<Commit> decode_commit(std::string_view bytes, std::int64_t version) {
  Commit commit;
  commit.info.version = version;
  if (base::trimmed(bytes).empty()) return Error{Code::Corrupt, "the commit is empty"};
  for (int number = 1; !bytes.empty(); ++number) {
    const auto end = std::min(bytes.find('\n'), bytes.size());
    const auto text = bytes.substr(0, end);
    bytes.remove_prefix(std::min(end + 1, bytes.size()));
    if (text.empty()) continue;
    try {
      TRY(read_action(Json::parse(text), commit).context(fmt::format("line {}", number)));
    } catch (const Json::exception& error) {
      return Error{Code::Corrupt, fmt::format("line {}: {}", number, error.what())};
    }
  }
  return commit;
}

std::string encode_add(const AddFile& add) {
  return add_json(add).dump();
}

Result<AddFile> decode_add(std::string_view json) {
  try {
    AddFile add = add_from(Json::parse(json));
    TRY(check_path(add.path));
    return add;
  } catch (const Json::exception& error) {
    return Error{Code::Corrupt, fmt::format("not an add action: {}", error.what())};
  }
}

std::string partition_folder(const std::vector<std::string>& columns,
                             const PartitionValues& values) {
  constexpr std::string_view kEscaped = "\"#%'*/:=?\\{[]^";
  std::string folder;
  for (const auto& column : columns) {
    folder += column + "=";
    const auto found = values.find(column);
    if (found == values.end() || !found->second || found->second->empty()) {
      folder += "__HIVE_DEFAULT_PARTITION__/";
      continue;
    }
    for (const char c : *found->second) {
      const auto byte = static_cast<unsigned char>(c);
      const bool is_escaped =
          byte < 0x20 || byte == 0x7F || kEscaped.find(c) != std::string_view::npos;
      folder += is_escaped ? fmt::format("%{:02X}", byte) : std::string(1, c);
    }
    folder += '/';
  }
  return folder;
}

std::string uri_encoded(std::string_view path) {
  constexpr std::string_view kEncoded = "% <>{}|\\^[]\"#?`";
  std::string out;
  for (const char c : path) {
    const auto byte = static_cast<unsigned char>(c);
    const bool is_encoded =
        byte < 0x21 || byte == 0x7F || kEncoded.find(c) != std::string_view::npos;
    out += is_encoded ? fmt::format("%{:02X}", byte) : std::string(1, c);
  }
  return out;
}

std::string uri_decoded(std::string_view path) {
  const auto digit = [](char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
  };
  std::string out;
  for (std::size_t i = 0; i < path.size(); ++i) {
    if (path[i] == '%' && i + 2 < path.size() && digit(path[i + 1]) >= 0 &&
        digit(path[i + 2]) >= 0) {
      out += static_cast<char>(digit(path[i + 1]) * 16 + digit(path[i + 2]));
      i += 2;
    } else {
      out += path[i];
    }
  }
  return out;
}

}  // namespace millrace::lake
