#include "verify/label.hpp"

#include "verify/append.hpp"

namespace millrace::verify {
namespace {

// Keys, owners and currencies are made of letters, digits and `-`: nothing to escape.
void append_text(std::string& into, std::string_view name, std::string_view value) {
  into.append(",\"").append(name).append("\":\"").append(value).append("\"");
}

}  // namespace

std::string_view name_of(Kind kind) {
  switch (kind) {
    case Kind::Valid:
      return "valid";
    case Kind::Late:
      return "late";
    case Kind::Duplicate:
      return "duplicate";
    case Kind::Invalid:
      return "invalid";
  }
  return "";
}

std::string_view name_of(Flaw flaw) {
  switch (flaw) {
    case Flaw::None:
      return "none";
    case Flaw::NoId:
      return "no_id";
    case Flaw::NullId:
      return "null_id";
    case Flaw::EmptyId:
      return "empty_id";
    case Flaw::TextAmount:
      return "text_amount";
    case Flaw::HugeAmount:
      return "huge_amount";
    case Flaw::NegativeAmount:
      return "negative_amount";
    case Flaw::ZeroAmount:
      return "zero_amount";
    case Flaw::Implausible:
      return "implausible";
    case Flaw::Broken:
      return "broken";
    case Flaw::InvalidUtf8:
      return "invalid_utf8";
    case Flaw::NoTime:
      return "no_time";
  }
  return "";
}

void append_line(const Label& label, std::string& into) {
  into += "{\"index\":";
  append_number(into, label.index);
  append_text(into, "kind", name_of(label.kind));
  if (label.kind == Kind::Invalid) append_text(into, "reason", name_of(label.flaw));
  if (label.kind == Kind::Duplicate) {
    into += ",\"of\":";
    append_number(into, label.original);
  }
  append_text(into, "key", label.key);
  append_text(into, "owner", label.owner);
  if (!label.currency.empty()) append_text(into, "currency", label.currency);
  if (label.kind != Kind::Invalid) {
    into += ",\"cents\":";
    if (label.cents < 0) into += '-';
    append_number(into, static_cast<std::uint64_t>(label.cents < 0 ? -label.cents : label.cents));
    into += label.flag ? ",\"flag\":true,\"ts\":\"" : ",\"flag\":false,\"ts\":\"";
    append_time(into, label.time);
    into += "\",\"day\":\"";
    append_day(into, label.day);
    into += '"';
  }
  into += "}\n";
}

}  // namespace millrace::verify
