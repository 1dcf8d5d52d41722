#include "verify/select_text.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <optional>

#include "base/text.hpp"

namespace millrace::verify {
namespace {

// What can follow a FROM clause.
constexpr std::array<std::string_view, 9> kAfterFrom{
    "where", "group", "having", "window", "qualify", "order", "limit", "offset", "union"};

bool is_word(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
}

struct Word {
  std::string_view text;
  std::size_t at = 0;
};

/// Walks over the words of SQL that are outside of quotes, comments and parentheses.
class Words {
 public:
  explicit Words(std::string_view sql) : sql_(sql) {}

  std::optional<Word> next() {
    int depth = 0;
    while (at_ < sql_.size()) {
      const char c = sql_[at_];
      if (c == '\'' || c == '"') {
        skip_past(std::string_view(&sql_[at_], 1), at_ + 1);
      } else if (sql_.compare(at_, 2, "--") == 0) {
        skip_past("\n", at_ + 2);
      } else if (sql_.compare(at_, 2, "/*") == 0) {
        skip_past("*/", at_ + 2);
      } else if (is_word(c)) {
        const std::size_t from = at_;
        while (at_ < sql_.size() && is_word(sql_[at_])) ++at_;
        if (depth == 0) return Word{sql_.substr(from, at_ - from), from};
      } else {
        depth += c == '(' ? 1 : c == ')' ? -1 : 0;
        ++at_;
      }
    }
    return std::nullopt;
  }

 private:
  void skip_past(std::string_view end, std::size_t from) {
    const auto found = sql_.find(end, from);
    at_ = found == std::string_view::npos ? sql_.size() : found + end.size();
  }

  const std::string_view sql_;
  std::size_t at_ = 0;
};

}  // namespace

std::size_t WholeSelect::byte_in_file(std::size_t byte) const {
  if (byte < added_at) return byte;
  return byte < added_at + added_bytes ? added_at : byte - added_bytes;
}

WholeSelect whole_select(std::string_view text, std::string_view table) {
  WholeSelect whole{.sql = std::string(text)};
  std::size_t add_at = std::string(text).find_last_not_of(" \t\r\n;") + 1;
  bool has_from = false, has_end = false;
  Words words(text);
  while (const auto word = words.next()) {
    const auto is = [&](std::string_view other) {
      return base::equal_ignoring_case(word->text, other);
    };
    has_from = has_from || is("from");
    whole.is_ordered = whole.is_ordered || is("order");
    if (!has_end && std::ranges::any_of(kAfterFrom, is)) {
      has_end = true;
      add_at = word->at;
    }
  }
  if (has_from) return whole;
  const std::string added =
      has_end ? "FROM " + base::sql_name(table) + " " : " FROM " + base::sql_name(table);
  whole.sql.insert(add_at, added);
  whole.added_at = add_at;
  whole.added_bytes = added.size();
  return whole;
}

}  // namespace millrace::verify
