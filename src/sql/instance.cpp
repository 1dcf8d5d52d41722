#include "sql/instance.hpp"

#include <fmt/format.h>

#include "base/text.hpp"
#include "sql/error.hpp"
#include "sql/local_time.hpp"

namespace millrace::sql {
namespace {

using base::Code;
using base::Error;
using base::Result;

// Files on S3 never change under their name, so that what is cached of them stays true.
std::vector<std::string> s3_settings(const InstanceOptions& options) {
  return {
      fmt::format("LOAD {}", base::sql_string(options.httpfs.string())),
      "SET GLOBAL enable_global_s3_configuration = false",
      "SET GLOBAL s3_url_compatibility_mode = true",  // `?` and `*` are parts of names
      "SET GLOBAL httpfs_connection_caching = true",
      "SET GLOBAL validate_external_file_cache = 'NO_VALIDATION'",
      "SET GLOBAL enable_server_cert_verification = true",
      fmt::format("SET GLOBAL ca_cert_file = {}", base::sql_string(options.ca_file)),
  };
}

std::string readable_folder(const std::filesystem::path& folder) {
  const bool is_s3 = folder.string().starts_with("s3://");
  return (is_s3 ? folder : std::filesystem::absolute(folder)).string() + "/";
}

std::vector<std::string> settings_of(const InstanceOptions& options) {
  const std::string scratch = options.scratch.string();
  std::vector<std::string> settings{
      "SET GLOBAL errors_as_json = true",
      fmt::format("SET GLOBAL TimeZone = {}", base::sql_string(options.time_zone)),
      fmt::format("SET GLOBAL memory_limit = '{}B'", options.memory_bytes_max),
      fmt::format("SET GLOBAL preserve_insertion_order = {}", options.keeps_order),
      "SET GLOBAL autoinstall_known_extensions = false",
      "SET GLOBAL autoload_known_extensions = false",
      "SET GLOBAL parquet_metadata_cache = true",
      fmt::format("SET GLOBAL temp_directory = {}", base::sql_string(scratch)),
      fmt::format("SET GLOBAL max_temp_directory_size = '{}B'",
                  scratch.empty() ? 0 : options.scratch_bytes_max),
  };
  if (!options.httpfs.empty()) {
    const auto more = s3_settings(options);
    settings.insert(settings.end(), more.begin(), more.end());
  }
  if (!options.is_locked) return settings;
  std::vector<std::string> folders;
  for (const auto& folder : options.readable) {
    folders.push_back(base::sql_string(readable_folder(folder)));
  }
  settings.push_back(
      fmt::format("SET GLOBAL allowed_directories = [{}]", base::join(folders, ", ")));
  // One way from here on: each next line can no longer be undone.
  settings.push_back("SET GLOBAL allow_community_extensions = false");
  settings.push_back("SET GLOBAL allow_persistent_secrets = false");
  settings.push_back("SET GLOBAL enable_external_access = false");
  settings.push_back("SET GLOBAL lock_configuration = true");
  return settings;
}

}  // namespace

Result<std::unique_ptr<Instance>> Instance::open(const InstanceOptions& options) {
  duckdb_config config{};
  duckdb_create_config(&config);
  duckdb_set_config(config, "threads", std::to_string(options.threads).c_str());
  duckdb_database handle{};
  char* message = nullptr;
  const auto state = duckdb_open_ext(nullptr, &handle, config, &message);
  duckdb_destroy_config(&config);
  if (state != DuckDBSuccess) {
    Error error{Code::Unavailable, fmt::format("DuckDB does not start: {}", message)};
    duckdb_free(message);
    return error;
  }
  std::unique_ptr<Instance> instance(new Instance(handle));
  auto connection = TRY(instance->connect());
  TRY(add_local_time(connection.handle()));
  for (const auto& setting : settings_of(options)) {
    TRY(connection.run(setting).context("setting up DuckDB"));
  }
  return instance;
}

Instance::~Instance() {
  duckdb_close(&handle_);
}

Result<Connection> Instance::connect() {
  duckdb_connection handle{};
  if (duckdb_connect(handle_, &handle) != DuckDBSuccess) {
    return Error{Code::Unavailable, "DuckDB does not take another connection"};
  }
  return Connection(handle);
}

Result<void> Instance::read_s3(const S3Access& access) {
  auto connection = TRY(connect());
  const auto text = [](const std::string& value) { return base::sql_string(value); };
  const auto made = connection.run(fmt::format(
      "CREATE OR REPLACE TEMPORARY SECRET lake (TYPE s3, SCOPE {}, KEY_ID {}, SECRET {}, "
      "SESSION_TOKEN {}, REGION {}, ENDPOINT {}, URL_STYLE {}, USE_SSL {})",
      text(access.scope), text(access.key_id), text(access.secret), text(access.session_token),
      text(access.region), text(access.endpoint), text(access.is_in_path ? "path" : "vhost"),
      access.is_tls));
  if (made) return {};
  // What DuckDB says could quote the secret.
  return Error{made.error().code, "DuckDB does not take the credentials for " + access.scope};
}

namespace {

// What DuckDB hands back to us as an opaque pointer at each step of a table function.
struct Function {
  ScanTableFinder finder;
};
struct Bound {
  std::shared_ptr<ScanTable> table;
};
struct Running {
  std::unique_ptr<Scan> scan;
  std::vector<idx_t> columns;
};

template <class T>
void destroy(void* object) {
  delete static_cast<T*>(object);
}

void bind_function(duckdb_bind_info info) {
  const auto* function = static_cast<const Function*>(duckdb_bind_get_extra_info(info));
  duckdb_value parameter = duckdb_bind_get_parameter(info, 0);
  char* argument = duckdb_get_varchar(parameter);
  auto table = function->finder(argument ? argument : "");
  duckdb_free(argument);
  duckdb_destroy_value(&parameter);
  if (!table) {
    duckdb_bind_set_error(info, table.error().text().c_str());
    return;
  }
  for (const auto& column : (*table)->columns()) {
    duckdb_bind_add_result_column(info, column.name.c_str(), column.type.handle());
  }
  if (const auto rows = (*table)->row_count(); rows > 0) {
    duckdb_bind_set_cardinality(info, rows, false);
  }
  duckdb_bind_set_bind_data(info, new Bound{*table}, destroy<Bound>);
}

void init_function(duckdb_init_info info) {
  const auto* bound = static_cast<const Bound*>(duckdb_init_get_bind_data(info));
  auto running = std::make_unique<Running>();
  running->scan = bound->table->scan();
  for (idx_t i = 0; i < duckdb_init_get_column_count(info); ++i) {
    running->columns.push_back(duckdb_init_get_column_index(info, i));
  }
  duckdb_init_set_max_threads(info, running->scan->threads_max());
  duckdb_init_set_init_data(info, running.release(), destroy<Running>);
}

void run_function(duckdb_function_info info, duckdb_data_chunk output) {
  const auto* running = static_cast<const Running*>(duckdb_function_get_init_data(info));
  ScanPart part;
  if (!running->scan->next(part)) {
    duckdb_data_chunk_set_size(output, 0);
    return;
  }
  for (idx_t i = 0; i < running->columns.size(); ++i) {
    // Past the last column DuckDB asks for the row number (count(*) needs no column at all).
    if (running->columns[i] >= part.chunk->column_count()) continue;
    const Vector target(duckdb_data_chunk_get_vector(output, i));
    target.reference(part.chunk->column(running->columns[i]));
    if (part.rows) target.slice(*part.rows);
  }
  duckdb_data_chunk_set_size(output, part.rows ? part.rows->count() : part.chunk->row_count());
}

}  // namespace

Result<void> Instance::add_table_function(const std::string& name, ScanTableFinder finder) {
  auto connection = TRY(connect());
  duckdb_table_function function = duckdb_create_table_function();
  const Type text(DUCKDB_TYPE_VARCHAR);
  duckdb_table_function_set_name(function, name.c_str());
  duckdb_table_function_add_parameter(function, text.handle());
  duckdb_table_function_set_extra_info(function, new Function{std::move(finder)},
                                       destroy<Function>);
  duckdb_table_function_set_bind(function, bind_function);
  duckdb_table_function_set_init(function, init_function);
  duckdb_table_function_set_function(function, run_function);
  duckdb_table_function_supports_projection_pushdown(function, true);
  const auto state = duckdb_register_table_function(connection.handle(), function);
  duckdb_destroy_table_function(&function);
  if (state != DuckDBSuccess) {
    return Error{Code::Invalid, fmt::format("DuckDB refuses the table function {}", name)};
  }
  return {};
}

}  // namespace millrace::sql
