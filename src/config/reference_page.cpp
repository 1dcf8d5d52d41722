#include <fmt/format.h>

#include "config/schema.hpp"

namespace millrace::config {
namespace {

using enum ValueKind;

constexpr std::string_view kExample = R"(pipeline: shop
timezone: Europe/Berlin

sources:
  orders:
    from: log
    shards: 2
    partition_key: customer_id
    format: json
    schema:
      order_id: varchar
      customer_id: varchar
      amount: decimal(12,2)
      currency: varchar
      country: varchar
      ts: timestamptz
    unknown_fields: ignore
    event_time: {column: ts, lateness: 10m}

lookups:
  customers:
    from: data/customers.csv
    key: customer_id
    refresh: 5m
  fraud_rules:
    from: data/fraud_rules.csv
    key: currency

tables:
  checked_orders:
    from: orders
    lookups:
      customers: customer_id
      fraud_rules: currency
    unique: {key: order_id, within: 24h}
    expect:
      has_order_id: {check: order_id IS NOT NULL, otherwise: reject}
      positive_amount: {check: amount > 0, otherwise: reject}
      known_customer: {check: customers IS NOT NULL, otherwise: warn}
    sql: |
      SELECT * EXCLUDE (customers, fraud_rules), customers.segment AS segment,
             amount > coalesce(fraud_rules.max_amount, 1000) AS is_fraud,
             CAST(ts AT TIME ZONE 'Europe/Berlin' AS DATE) AS day
      FROM orders
    partition_by: [day]
    commit: {every: 1m, bytes: 128MB}

alerts:
  fraud:
    from: checked_orders
    when: is_fraud
    send: {log: warn, webhook: "${FRAUD_WEBHOOK:-}"}

jobs:
  daily_sales:
    at: "0 1 * * *"
    each: day
    sql: |
      SELECT customer_id, count(*) AS orders, sum(amount) AS total
      FROM checked_orders WHERE day = $day GROUP BY ALL
    reconcile:
      - - SELECT sum(total) FROM daily_sales WHERE day = $day
        - SELECT sum(amount) FROM checked_orders WHERE day = $day

reports:
  top_customers:
    sql: |
      SELECT customer_id, sum(total) AS total FROM daily_sales
      GROUP BY ALL ORDER BY total DESC LIMIT $limit
    parameters: {limit: 20}
    chart: {bar: total, by: customer_id}

tests:
  - name: an order above the limit is flagged
    given:
      orders:
        - '{"order_id":"o1","customer_id":"c1","amount":1000.01,
          "currency":"USD","ts":"2026-11-20T12:00:00Z"}'
    expect: {checked_orders: "SELECT order_id, is_fraud", rows: [[o1, true]]}
)";

constexpr std::string_view kStart = R"(# The pipeline file

One YAML file says what comes in, what becomes of it, and what is computed from that.
`millrace validate FILE` reports everything that is wrong with it at once, each with its place.

This page is made from the table that checks the file, and so is `docs/millrace.schema.json`, a
JSON Schema: an editor with a YAML language server completes and checks a file that starts with
`# yaml-language-server: $schema=` and the path of that schema.

## Example

```yaml
)";

constexpr std::string_view kBasics = R"(```

## Values

- **Names** of sources, lookups, tables, jobs, reports, alerts, expectations and parameters: a small
  letter, then small letters, digits and `_`, at most 64. A source, a lookup, a table and a job
  cannot have the same name.
- **Variables**: `${NAME}` and `${NAME:-default}` in a value come from the environment, the
  default if the variable is unset or empty. `$$` is a plain `$`. A value is put in after the file
  was parsed: it cannot add keys.
- **Durations**: `500ms`, `10s`, `5m`, `24h`, `7d`, and sums of them, `1h30m`.
- **Sizes**: `128MB` (powers of 1000), `1GiB` (powers of 1024), or bytes.
- **SQL** is DuckDB's dialect. That of a table works row by row: no aggregates, no windows, no
  ORDER BY, LIMIT or DISTINCT, and only functions whose answer depends on their arguments alone.
- Paths are relative to the file.

## Types

`varchar`, `boolean`, `tinyint`, `smallint`, `integer`, `bigint`, `float`, `double`,
`decimal(precision,scale)` up to 38 digits, `date`, `timestamptz` (a moment), `timestamp` (a
clock's reading without a zone), `json`, `struct(name type, …)`, and `type[]` or `list(type)`.
Which value becomes what: [decoding](decoding.md). A column's name has at most 128 bytes and
starts with no `_`: such names are the pipeline's own.

## Schedules

`at` has the five fields of crontab: minute, hour, day of month, month, day of week (0 or 7 is
Sunday). Each is `*`, a number, a name (`jan`, `mon`), a range `1-5`, a step `*/15` or `10-40/10`,
or a list of those. If both days are restricted, that is, do not start with `*`, either fits.
Also: `@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly`.

When clocks are put forward, a time that is left out fires at the change. When they are put back,
a time that is repeated fires once. Schedules with `*` in the minute or the hour follow the real
time instead: nothing in the gap, and both of the repeated hours.
)";

std::string range_text(const KeyRule& rule) {
  const auto [first, last] = ends_of(rule.of);
  return fmt::format("{} to {}", first, last);
}

std::string kind_text(const KeyRule& rule) {
  switch (rule.kind) {
    case Text:
      return "text";
    case Integer:
      return "whole number, " + range_text(rule);
    case Boolean:
      return "`true`, `false`";
    case Duration:
      return "duration, " + range_text(rule);
    case Bytes:
      return "size, " + range_text(rule);
    case Sql:
      return "SQL";
    case Words: {
      std::string words;
      for (const auto& word : words_of(rule.of)) {
        words += fmt::format("{}`{}`", words.empty() ? "" : ", ", word);
      }
      return words;
    }
    case Object:
      return fmt::format("[{0}](#{0})", rule.of);
    case TextOrObject:
      return fmt::format("text, or [{0}](#{0})", rule.of);
    case MapOf:
      return fmt::format("name: [{0}](#{0})", rule.of);
    case ListOf:
      return fmt::format("list of [{0}](#{0})", rule.of);
    case TextList:
      return "list of texts";
    case TextMap:
      return "name: text";
    case Columns:
      return "name: [type](#types)";
    case SqlPairs:
      return "list of [SQL, SQL]";
    case Parameters:
      return "name: default";
    case Records:
      return "name: list of texts";
    case Expected:
      return "table: SQL, rows";
    case Any:
      break;
  }
  return "";
}

}  // namespace

std::string_view example_pipeline() {
  return kExample;
}

std::string reference_page() {
  std::string page = fmt::format("{}{}{}", kStart, kExample, kBasics);
  for (const auto& section : section_rules()) {
    page += fmt::format("\n## {}\n\n{}\n\n| key | value | if left out | |\n|---|---|---|---|\n",
                        section.name, section.doc);
    for (const auto& rule : section.keys) {
      if (!rule.is_available) continue;
      const std::string fallback = rule.is_required       ? "**required**"
                                   : rule.fallback == "," ? "`,`"
                                                          : std::string(rule.fallback);
      page +=
          fmt::format("| `{}` | {} | {} | {} |\n", rule.key, kind_text(rule), fallback, rule.doc);
    }
  }
  return page;
}

}  // namespace millrace::config
