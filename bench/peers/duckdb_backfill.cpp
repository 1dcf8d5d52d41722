// The honest peer of a backfill: one query of DuckDB over all files of the lake, whose result it
// writes as Parquet, partitioned by day, with the settings of our own files.
//
//     duckdb_backfill FILES KEY OUT THREADS
//
// FILES names one Parquet file a line; KEY is the column whose values are summed up; OUT gets
// day=…/*.parquet.
#include <fstream>

#include "engine.hpp"

namespace {

std::string copy_statement(const std::string& list, const std::string& key,
                           const std::string& out) {
  std::ifstream lines(list);
  std::string files;
  for (std::string line; std::getline(lines, line);) {
    files += (files.empty() ? "'" : ", '") + line + "'";
  }
  return "COPY (SELECT day, " + key +
         ", count(*) AS orders, sum(amount) AS total "
         "FROM read_parquet([" +
         files + "], hive_partitioning = true, hive_types = {'day': DATE}) GROUP BY ALL) TO '" +
         out +
         "' (FORMAT parquet, PARQUET_VERSION V2, COMPRESSION zstd, COMPRESSION_LEVEL 1, "
         "PARTITION_BY (day))";
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) {
    std::fputs("usage: duckdb_backfill FILES KEY OUT THREADS\n", stderr);
    return 2;
  }
  Engine engine(argv[4]);
  engine.run(copy_statement(argv[1], argv[2], argv[3]));
  return 0;
}
