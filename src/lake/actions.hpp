#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "lake/schema.hpp"

namespace millrace::lake {

/// Values of the partition columns, as Delta writes them; none is NULL.
using PartitionValues = std::map<std::string, std::optional<std::string>>;

/// The actions of a commit, in the words of the Delta protocol.
/// Source  Delta protocol, "Actions"; docs/formats/lake.md.
struct AddFile {
  std::string path;  ///< relative to the table, as it stands in the log (URI-encoded)
  PartitionValues partition_values;
  std::int64_t size = 0;
  std::int64_t modified_ms = 0;
  bool is_data_change = true;
  std::string stats;               ///< JSON; empty if unknown
  std::int64_t record_count = -1;  ///< out of `stats`; -1 if unknown
};

struct RemoveFile {
  std::string path;
  PartitionValues partition_values;
  std::int64_t size = 0;
  std::int64_t deleted_ms = 0;
  bool is_data_change = true;
};

struct Metadata {
  /// The key of `configuration` that names the columns which were added to the table after it was
  /// made, as a JSON list: files may lack them, and their rows have NULL there.
  static constexpr const char* kAddedColumns = "millrace.addedColumns";

  std::string id;
  Schema schema;
  std::vector<std::string> partition_columns;
  std::map<std::string, std::string> configuration;
  std::int64_t created_ms = 0;
};

struct Protocol {
  int reader_version = 1;
  int writer_version = 2;
};

struct SetTransaction {
  std::string app_id;
  std::int64_t version = 0;
  std::int64_t updated_ms = 0;
};

/// What stands about a commit in its first line.
struct CommitInfo {
  std::int64_t version = -1;
  std::int64_t timestamp_ms = 0;
  std::string operation;
  std::map<std::string, std::string> parameters;
  std::string transaction_id;
  bool is_blind_append = false;
  std::string extra = "{}";  ///< our own object, JSON
};

/// One commit file, read.
struct Commit {
  CommitInfo info;
  std::optional<Protocol> protocol;
  std::optional<Metadata> metadata;
  std::vector<AddFile> adds;
  std::vector<RemoveFile> removes;
  std::vector<SetTransaction> transactions;
};

/// Writes the lines of a commit file.
base::Result<std::string> encode_commit(const Commit& commit);

/// Reads a commit file. Unknown actions and fields are passed over, as the protocol asks.
/// Errors  Corrupt: not JSON, with the line. Invalid: a feature that we do not read.
base::Result<Commit> decode_commit(std::string_view bytes, std::int64_t version);

/// One add action as JSON and back: how a commit names the reject files that belong to it.
std::string encode_add(const AddFile& add);
base::Result<AddFile> decode_add(std::string_view json);

/// The two encodings of a partition's folder, `day=2026-11-20/`: as it is on the disk, and as it
/// stands in the log. Source  Hive's path escaping; Delta protocol, "Add File": paths are
/// URI-encoded.
std::string partition_folder(const std::vector<std::string>& columns,
                             const PartitionValues& values);
std::string uri_encoded(std::string_view path);
std::string uri_decoded(std::string_view path);

}  // namespace millrace::lake
