// DuckDB as anybody would use it, by the same library that Millrace is linked with.
#pragma once

#include <duckdb.h>

#include <cstdio>
#include <cstdlib>
#include <string>

class Engine {
 public:
  explicit Engine(const std::string& threads) {
    duckdb_config config = nullptr;
    duckdb_create_config(&config);
    duckdb_set_config(config, "threads", threads.c_str());
    const auto opened = duckdb_open_ext(nullptr, &database_, config, nullptr);
    duckdb_destroy_config(&config);
    if (opened != DuckDBSuccess || duckdb_connect(database_, &connection_) != DuckDBSuccess) {
      std::fputs("DuckDB does not open\n", stderr);
      std::exit(1);
    }
  }
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;
  ~Engine() {
    duckdb_disconnect(&connection_);
    duckdb_close(&database_);
  }

  void run(const std::string& sql) {
    duckdb_result result;
    const auto state = duckdb_query(connection_, sql.c_str(), &result);
    if (state != DuckDBSuccess) std::fprintf(stderr, "%s\n", duckdb_result_error(&result));
    duckdb_destroy_result(&result);
    if (state != DuckDBSuccess) std::exit(1);
  }

 private:
  duckdb_database database_ = nullptr;
  duckdb_connection connection_ = nullptr;
};
