// The honest peer of a bulk load: DuckDB's own read_json with declared columns, a join with the
// lookups, the flag, and a partitioned COPY, by the same library that Millrace is linked with.
//
//     duckdb_bulk FOLDER OUT THREADS
//
// reads FOLDER/orders.ndjson, customers.csv and fraud_rules.csv and writes OUT/day=…/*.parquet.
// Bad records are dropped (DuckDB has no place for them).
#include "engine.hpp"

namespace {

std::string copy_statement(const std::string& folder, const std::string& out) {
  const std::string columns =
      "{order_id: 'VARCHAR', customer_id: 'VARCHAR', amount: 'DECIMAL(12,2)', currency: 'VARCHAR', "
      "country: 'VARCHAR', ts: 'TIMESTAMPTZ'}";
  return "COPY (SELECT o.*, c.segment AS segment, "
         "o.amount > coalesce(r.max_amount, 1000) AS is_fraud, "
         "CAST(o.ts AT TIME ZONE 'Europe/Berlin' AS DATE) AS day "
         "FROM read_json('" +
         folder +
         "/orders.ndjson', format = 'newline_delimited', ignore_errors = true, columns = " +
         columns + ") o LEFT JOIN read_csv('" + folder +
         "/customers.csv') c USING (customer_id) LEFT JOIN read_csv('" + folder +
         "/fraud_rules.csv') r USING (currency) "
         "WHERE o.order_id <> '' AND o.ts IS NOT NULL AND o.amount > 0) TO '" +
         out + "' (FORMAT parquet, COMPRESSION zstd, PARTITION_BY (day))";
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fputs("usage: duckdb_bulk FOLDER OUT THREADS\n", stderr);
    return 2;
  }
  Engine engine(argv[3]);
  engine.run("SET TimeZone = 'Europe/Berlin'");
  engine.run(copy_statement(argv[1], argv[2]));
  return 0;
}
