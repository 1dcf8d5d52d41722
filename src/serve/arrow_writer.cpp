#include "serve/arrow_writer.hpp"

#include <utility>

#include "serve/arrow_ipc.hpp"
#include "sql/arrow.hpp"

namespace millrace::serve {
namespace {

using base::Result;

class ArrowWriter final : public RowsWriter {
 public:
  ArrowWriter(flow::Query& query, sql::ArrowOwned<ArrowSchema> schema)
      : query_(query), schema_(std::move(schema)) {}

  Result<void> begin(std::string& out) override { return append_arrow_schema(schema_.get(), out); }

  Result<void> rows(sql::Chunk& chunk, std::size_t /*from*/, std::size_t count,
                    std::string& out) override {
    chunk.set_row_count(count);
    const auto array = TRY(sql::arrow_array_of(query_.rows(), chunk));
    return append_arrow_batch(schema_.get(), array.get(), out);
  }

  void end(const AnswerEnd& /*end*/, std::string& out) override { append_arrow_end(out); }
  bool is_columnar() const override { return true; }

 private:
  flow::Query& query_;
  sql::ArrowOwned<ArrowSchema> schema_;
};

}  // namespace

Result<std::unique_ptr<RowsWriter>> make_arrow_writer(flow::Query& query) {
  auto schema = TRY(sql::arrow_schema_of(query.rows()));
  std::unique_ptr<RowsWriter> writer = std::make_unique<ArrowWriter>(query, std::move(schema));
  return writer;
}

}  // namespace millrace::serve
