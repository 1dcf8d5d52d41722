#include "serve/rows_writer.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

#include "base/text.hpp"
#include "serve/arrow_writer.hpp"
#include "serve/request.hpp"

namespace millrace::serve {
namespace {

using base::Code;
using base::Error;
using base::Result;

struct NamedFormat {
  AnswerFormat format;
  std::string_view name;
  std::string_view media_type;
  std::string_view content_type;
};

constexpr std::array<NamedFormat, 4> kFormats{{
    {AnswerFormat::Json, "json", "application/json", "application/json"},
    {AnswerFormat::Ndjson, "ndjson", "application/x-ndjson", "application/x-ndjson"},
    {AnswerFormat::Csv, "csv", "text/csv", "text/csv; charset=utf-8; header=present"},
    {AnswerFormat::Arrow, "arrow", "application/vnd.apache.arrow.stream",
     "application/vnd.apache.arrow.stream"},
}};

std::vector<sql::Renderer> renderers_of(const std::vector<sql::Column>& columns) {
  std::vector<sql::Renderer> renderers;
  for (const auto& column : columns) renderers.emplace_back(column.type);
  return renderers;
}

// `,"workers":{"orders":{"fresh_shards":[0,2],"other_shards":[1],"others_until":…}}`
void append_shares(const std::vector<TableShares>& shares, std::string& out) {
  out += R"(,"workers":{)";
  for (std::size_t i = 0; i < shares.size(); ++i) {
    const auto& one = shares[i];
    if (i > 0) out += ',';
    sql::append_json_string(one.table, out);
    fmt::format_to(std::back_inserter(out),
                   R"(:{{"fresh_shards":[{}],"other_shards":[{}],"others_until":)",
                   fmt::join(one.fresh_shards, ","), fmt::join(one.other_shards, ","));
    if (one.others_until) {
      sql::append_json_string(base::format_time(*one.others_until), out);
    } else {
      out += "null";
    }
    out += '}';
  }
  out += '}';
}

/// `{"columns":[…],"rows":[[…],…],"row_count":…}`: what is known only at the end stands there.
class JsonWriter final : public RowsWriter {
 public:
  JsonWriter(const std::vector<sql::Column>& columns,
             const std::map<std::string, base::TableVersion>& versions)
      : columns_(columns), versions_(versions), renderers_(renderers_of(columns)) {}

  Result<void> begin(std::string& out) override {
    out += R"({"columns":[)";
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      const auto& column = columns_[i];
      out += i > 0 ? R"(,{"name":)" : R"({"name":)";
      sql::append_json_string(column.name, out);
      out += R"(,"type":)";
      sql::append_json_string(column.type.text(), out);
      out += '}';
    }
    out += R"(],"rows":[)";
    return {};
  }

  Result<void> rows(sql::Chunk& chunk, std::size_t from, std::size_t count,
                    std::string& out) override {
    for (std::size_t row = from; row < from + count; ++row) {
      if (std::exchange(has_rows_, true)) out += ',';
      out += '[';
      for (std::size_t i = 0; i < renderers_.size(); ++i) {
        if (i > 0) out += ',';
        renderers_[i].append_json(chunk.column(i), row, out);
      }
      out += ']';
    }
    return {};
  }

  void end(const AnswerEnd& end, std::string& out) override {
    const auto to = std::back_inserter(out);
    fmt::format_to(to, R"(],"row_count":{},"is_truncated":{},"versions":{{)", end.row_count,
                   end.is_truncated);
    bool is_first = true;
    for (const auto& [table, version] : versions_) {
      if (!std::exchange(is_first, false)) out += ',';
      sql::append_json_string(table, out);
      fmt::format_to(to, ":{}", version.value());
    }
    fmt::format_to(to, R"(}},"elapsed_ms":{:.1f})", end.elapsed_ms);
    if (!end.shares.empty()) append_shares(end.shares, out);
    if (end.chart) {
      out += R"(,"chart":{)";
      out += end.chart->kind == config::Chart::Kind::Bar ? R"("bar":)" : R"("line":)";
      sql::append_json_string(end.chart->value, out);
      out += R"(,"by":)";
      sql::append_json_string(end.chart->by, out);
      out += '}';
    }
    out += "}\n";
  }

 private:
  const std::vector<sql::Column>& columns_;
  const std::map<std::string, base::TableVersion>& versions_;
  std::vector<sql::Renderer> renderers_;
  bool has_rows_ = false;
};

/// One object a line.
class NdjsonWriter final : public RowsWriter {
 public:
  explicit NdjsonWriter(const std::vector<sql::Column>& columns) : objects_(columns) {}

  Result<void> begin(std::string& /*out*/) override { return {}; }

  Result<void> rows(sql::Chunk& chunk, std::size_t from, std::size_t count,
                    std::string& out) override {
    for (std::size_t row = from; row < from + count; ++row) {
      objects_.append(chunk, row, out);
      out += '\n';
    }
    return {};
  }

  void end(const AnswerEnd& /*end*/, std::string& /*out*/) override {}

 private:
  RowObjects objects_;
};

/// RFC 4180 with a header line. NULL is nothing, the empty text is `""`.
class CsvWriter final : public RowsWriter {
 public:
  explicit CsvWriter(const std::vector<sql::Column>& columns)
      : columns_(columns), renderers_(renderers_of(columns)) {}

  Result<void> begin(std::string& out) override {
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      if (i > 0) out += ',';
      append_field(columns_[i].name, out);
    }
    out += '\n';
    return {};
  }

  Result<void> rows(sql::Chunk& chunk, std::size_t from, std::size_t count,
                    std::string& out) override {
    for (std::size_t row = from; row < from + count; ++row) {
      for (std::size_t i = 0; i < renderers_.size(); ++i) {
        if (i > 0) out += ',';
        const auto column = chunk.column(i);
        if (!column.is_null(row)) append_field(renderers_[i].text(column, row), out);
      }
      out += '\n';
    }
    return {};
  }

  void end(const AnswerEnd& /*end*/, std::string& /*out*/) override {}

 private:
  static void append_field(std::string_view text, std::string& out) {
    if (!text.empty() && text.find_first_of("\",\r\n") == text.npos) {
      out += text;
      return;
    }
    out += '"';
    for (const char c : text) {
      if (c == '"') out += '"';
      out += c;
    }
    out += '"';
  }

  const std::vector<sql::Column>& columns_;
  std::vector<sql::Renderer> renderers_;
};

}  // namespace

std::vector<TableShares> shares_of(const std::vector<flow::TableStatus>& statuses,
                                   const std::map<std::string, base::TableVersion>& versions) {
  std::vector<TableShares> shares;
  for (const auto& status : statuses) {
    if (!status.is_shared || !versions.contains(status.name)) continue;
    auto& one = shares.emplace_back();
    one.table = status.name;
    bool is_known = true;
    for (const auto& position : status.positions) {
      auto& shards = position.is_ours ? one.fresh_shards : one.other_shards;
      shards.push_back(position.shard.value());
      if (position.is_ours) continue;
      is_known = is_known && position.until.has_value();
      if (position.until) {
        one.others_until = std::min(one.others_until.value_or(*position.until), *position.until);
      }
    }
    if (!is_known) one.others_until.reset();
  }
  return shares;
}

RowObjects::RowObjects(const std::vector<sql::Column>& columns)
    : renderers_(renderers_of(columns)) {
  for (const auto& column : columns) {
    std::string& key = keys_.emplace_back();
    sql::append_json_string(column.name, key);
    key += ':';
  }
}

void RowObjects::append(const sql::Chunk& chunk, std::size_t row, std::string& out) const {
  out += '{';
  for (std::size_t i = 0; i < renderers_.size(); ++i) {
    if (i > 0) out += ',';
    out += keys_[i];
    renderers_[i].append_json(chunk.column(i), row, out);
  }
  out += '}';
}

Result<AnswerFormat> answer_format(const http::Request& request,
                                   const std::optional<std::string>& named) {
  if (named) {
    for (const auto& known : kFormats) {
      if (known.name == *named) return known.format;
    }
    return Error{Code::Invalid, fmt::format("no format is named '{}'; there are json, ndjson, csv "
                                            "and arrow",
                                            base::printable(*named))};
  }
  std::string_view accept = request.headers.value("Accept");
  if (base::trimmed(accept).empty()) return AnswerFormat::Json;
  while (!accept.empty()) {
    const auto comma = std::min(accept.find(','), accept.size());
    const std::string type = media_type(accept.substr(0, comma));
    for (const auto& known : kFormats) {
      if (type == known.media_type) return known.format;
    }
    if (type == "*/*" || type == "application/*") return AnswerFormat::Json;
    if (type == "text/*") return AnswerFormat::Csv;
    accept.remove_prefix(std::min(comma + 1, accept.size()));
  }
  return Error{Code::NotFound,
               "Accept names no format that there is: application/json, application/x-ndjson, "
               "text/csv, application/vnd.apache.arrow.stream"};
}

std::string_view content_type_of(AnswerFormat format) {
  return std::ranges::find(kFormats, format, &NamedFormat::format)->content_type;
}

Result<std::unique_ptr<RowsWriter>> make_text_writer(
    AnswerFormat format, const std::vector<sql::Column>& columns,
    const std::map<std::string, base::TableVersion>& versions) {
  for (const auto& column : columns) {
    if (sql::can_render(column.type)) continue;
    return Error{Code::Invalid,
                 fmt::format("the column '{}' has the type {}, which cannot be shown; cast it to "
                             "VARCHAR",
                             column.name, column.type.text())};
  }
  std::unique_ptr<RowsWriter> writer;
  switch (format) {
    case AnswerFormat::Ndjson:
      writer = std::make_unique<NdjsonWriter>(columns);
      break;
    case AnswerFormat::Csv:
      writer = std::make_unique<CsvWriter>(columns);
      break;
    default:
      writer = std::make_unique<JsonWriter>(columns, versions);
  }
  return writer;
}

Result<std::unique_ptr<RowsWriter>> make_rows_writer(AnswerFormat format, flow::Query& query) {
  if (format == AnswerFormat::Arrow) {
    return make_arrow_writer(sql::ArrowOptions(query.rows()), query.columns());
  }
  return make_text_writer(format, query.columns(), query.versions());
}

}  // namespace millrace::serve
