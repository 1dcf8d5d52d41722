#include "batch/redshift_staging.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/text.hpp"

namespace millrace::batch {
namespace {

using base::Result;

// Several files let several slices of Redshift read at once.
constexpr std::string_view kFileBytes = "64MB";
constexpr std::size_t kLeftoversMax = 100'000;

}  // namespace

Result<Staging> Staging::open(aws::Client& client, StagingParts parts, const LoadTarget& target,
                              const std::string& load) {
  const auto& place = parts.redshift.staging;
  auto s3 = TRY(aws::S3::open(client, {.bucket = place.bucket, .region = parts.redshift.region}));
  auto prefix = fmt::format("{}millrace/{}/{}/", place.key, target.pipeline, target.table);
  return Staging(std::move(s3), std::move(parts), std::move(prefix), load);
}

Result<void> Staging::clean(const std::stop_token& stop) {
  const auto found = TRY(s3_.list_all({.prefix = table_prefix_}, kLeftoversMax, stop));
  std::vector<std::string> keys;
  for (const auto& object : found.objects) keys.push_back(object.key);
  if (!keys.empty()) TRY(s3_.remove_all(keys, stop));
  return {};
}

Result<std::vector<os::FileInfo>> Staging::write_files(const std::vector<RedshiftColumn>& columns,
                                                       const std::string& select) {
  TRY(os::remove_all(parts_.disk, parts_.scratch));
  TRY(parts_.disk.make_directories(parts_.scratch.parent_path()));
  // COPY goes by the order of columns, not by their names.
  std::vector<std::string> list;
  for (const auto& column : columns) {
    list.push_back(staged_expression(column) + " AS " + base::sql_name(column.name));
  }
  auto connection = TRY(parts_.engine.connect());
  TRY(connection.run(fmt::format(
      "COPY (SELECT {} FROM ({})) TO {} (FORMAT parquet, COMPRESSION snappy, "
      "FILE_SIZE_BYTES '{}')",
      base::join(list, ", "), select, base::sql_string(parts_.scratch.string()), kFileBytes)));
  return parts_.disk.list(parts_.scratch);
}

Result<void> Staging::upload(const os::FileInfo& file, const std::stop_token& stop) {
  const auto opened = TRY(parts_.disk.open(parts_.scratch / file.name, os::OpenMode::Read));
  const auto read = [&](std::uint64_t offset, std::uint64_t size) -> Result<std::string> {
    std::string bytes(size, '\0');
    bytes.resize(TRY(opened->read_at(offset, bytes.data(), bytes.size())));
    return bytes;
  };
  return s3_.upload(keys_.back(), file.size, read, stop);
}

Result<std::string> Staging::put(const std::vector<RedshiftColumn>& columns,
                                 const std::string& select, const std::stop_token& stop) {
  const auto address = [&](const std::string& key) {
    return fmt::format("s3://{}/{}", s3_.bucket(), key);
  };
  auto entries = nlohmann::json::array();
  for (const auto& file : TRY(write_files(columns, select))) {
    keys_.push_back(prefix_ + file.name);
    TRY(upload(file, stop));
    entries.push_back({{"url", address(keys_.back())},
                       {"mandatory", true},
                       {"meta", {{"content_length", file.size}}}});
  }
  (void)os::remove_all(parts_.disk, parts_.scratch).has_value();
  keys_.push_back(prefix_ + "manifest");
  TRY(s3_.put(keys_.back(), nlohmann::json{{"entries", std::move(entries)}}.dump(), stop));
  return address(keys_.back());
}

void Staging::remove() {
  (void)os::remove_all(parts_.disk, parts_.scratch).has_value();
  if (!keys_.empty()) (void)s3_.remove_all(keys_).has_value();
}

}  // namespace millrace::batch
