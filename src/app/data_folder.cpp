#include "app/data_folder.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

namespace millrace::app {

using base::Code;
using base::Error;
using base::Result;
using Json = nlohmann::ordered_json;

namespace {
constexpr const char* kName = "pipeline.json";
}  // namespace

Result<PipelineRecord> read_pipeline_record(os::Disk& disk, const os::Path& data) {
  const auto path = data / kName;
  auto text = os::read_file(disk, path);
  if (!text && text.error().code == Code::NotFound) {
    return Error{Code::NotFound,
                 fmt::format("no pipeline has run in {} yet: start one with `millrace run FILE "
                             "--data {}`, or name another folder with --data",
                             data.string(), data.string())};
  }
  if (!text) return text.error();
  const auto document = Json::parse(*text, nullptr, false);
  const auto is_text = [&](const char* key) {
    return document.is_object() && document.contains(key) && document[key].is_string();
  };
  if (!is_text("file") || !is_text("text")) {
    return Error{Code::Corrupt, "damaged: the next `millrace run` writes it anew", path.string()};
  }
  return PipelineRecord{document["file"].get<std::string>(), document["text"].get<std::string>()};
}

Result<void> write_pipeline_record(os::Disk& disk, const os::Path& data,
                                   const PipelineRecord& record) {
  const Json document{{"file", record.file.string()}, {"text", record.text}};
  return os::write_file(disk, data / kName,
                        document.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
}

Result<os::FileLock> take_data_folder(os::Disk& disk, const os::Path& data) {
  TRY(os::make_directories_durably(disk, data));
  // A life that was killed may have left folders in it that are not yet synced. The data folder's
  // own name lies where we may not look.
  TRY(disk.sync_directory(data));
  (void)disk.sync_directory(data.parent_path()).has_value();
  return os::FileLock::take(data / "lock");
}

}  // namespace millrace::app
