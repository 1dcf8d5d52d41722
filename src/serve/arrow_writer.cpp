#include "serve/arrow_writer.hpp"

#include <utility>

#include "serve/arrow_ipc.hpp"

namespace millrace::serve {
namespace {

using base::Result;

class ArrowWriter final : public RowsWriter {
 public:
  ArrowWriter(sql::ArrowOptions options, sql::ArrowOwned<ArrowSchema> schema)
      : options_(std::move(options)), schema_(std::move(schema)) {}

  Result<void> begin(std::string& out) override { return append_arrow_schema(schema_.get(), out); }

  Result<void> rows(sql::Chunk& chunk, std::size_t /*from*/, std::size_t count,
                    std::string& out) override {
    chunk.set_row_count(count);
    const auto array = TRY(sql::arrow_array_of(options_, chunk));
    return append_arrow_batch(schema_.get(), array.get(), out);
  }

  void end(const AnswerEnd& /*end*/, std::string& out) override { append_arrow_end(out); }
  bool is_columnar() const override { return true; }

 private:
  sql::ArrowOptions options_;
  sql::ArrowOwned<ArrowSchema> schema_;
};

}  // namespace

Result<std::unique_ptr<RowsWriter>> make_arrow_writer(sql::ArrowOptions options,
                                                      const std::vector<sql::Column>& columns) {
  auto schema = TRY(sql::arrow_schema_of(options, columns));
  std::unique_ptr<RowsWriter> writer =
      std::make_unique<ArrowWriter>(std::move(options), std::move(schema));
  return writer;
}

}  // namespace millrace::serve
