#include "aws/xml.hpp"

#include <aws/common/xml_parser.h>

#include <algorithm>
#include <charconv>

#include "aws/library.hpp"

namespace millrace::aws {
namespace {

using base::Code;
using base::Error;
using base::Result;

constexpr int kDepthMax = 16;

void append_utf8(std::uint32_t point, std::string& into) {
  const auto put = [&](std::uint32_t byte) { into += static_cast<char>(byte); };
  if (point < 0x80) return put(point);
  if (point < 0x800) {
    put(0xC0 | (point >> 6));
  } else {
    if (point < 0x10000) {
      put(0xE0 | (point >> 12));
    } else {
      put(0xF0 | (point >> 18));
      put(0x80 | ((point >> 12) & 0x3F));
    }
    put(0x80 | ((point >> 6) & 0x3F));
  }
  put(0x80 | (point & 0x3F));
}

/// `&lt;`, `&#13;` and their like as what they stand for; what is no entity stays.
std::string unescaped(std::string_view text) {
  std::string result;
  while (!text.empty()) {
    const auto ampersand = std::min(text.find('&'), text.size());
    result += text.substr(0, ampersand);
    text.remove_prefix(ampersand);
    if (text.empty()) break;
    const auto end = text.find(';');
    const auto name = end == std::string_view::npos ? std::string_view() : text.substr(1, end - 1);
    std::uint32_t point = 0;
    if (name == "lt") point = '<';
    if (name == "gt") point = '>';
    if (name == "amp") point = '&';
    if (name == "quot") point = '"';
    if (name == "apos") point = '\'';
    if (name.starts_with('#')) {
      const bool is_hex = name.substr(1).starts_with('x');
      const auto digits = name.substr(is_hex ? 2 : 1);
      std::from_chars(digits.data(), digits.data() + digits.size(), point, is_hex ? 16 : 10);
    }
    if (point == 0) {
      result += '&';
      text.remove_prefix(1);
    } else {
      append_utf8(point, result);
      text.remove_prefix(end + 1);
    }
  }
  return result;
}

struct Reading {
  XmlElement* into;
  bool is_root;
  int depth;
};

int on_node(aws_xml_node* node, void* user);

/// Reads `document` and puts its elements into `into`: the root itself, or the root's children.
bool read(std::string_view document, const Reading& reading) {
  auto state = reading;
  const aws_xml_parser_options options{.doc = cursor(document),
                                       .max_depth = kDepthMax,
                                       .on_root_encountered = on_node,
                                       .user_data = &state};
  return aws_xml_parse(library(), &options) == AWS_OP_SUCCESS;
}

int on_node(aws_xml_node* node, void* user) {
  auto& reading = *static_cast<Reading*>(user);
  if (!reading.is_root) {
    reading.is_root = true;
    return aws_xml_node_traverse(node, on_node, user);
  }
  XmlElement element{.name = std::string(view(aws_xml_node_get_name(node)))};
  aws_byte_cursor body{};
  if (element.name.empty() || reading.depth > kDepthMax ||
      aws_xml_node_as_body(node, &body) != AWS_OP_SUCCESS) {
    return AWS_OP_ERR;
  }
  const auto inner = view(body);
  if (inner.find('<') == std::string_view::npos) {
    element.text = unescaped(inner);
  } else {
    const auto wrapped = "<r>" + std::string(inner) + "</r>";
    if (!read(wrapped, {.into = &element, .is_root = false, .depth = reading.depth + 1})) {
      return AWS_OP_ERR;
    }
  }
  reading.into->children.push_back(std::move(element));
  return AWS_OP_SUCCESS;
}

}  // namespace

const XmlElement* XmlElement::child(std::string_view child_name) const {
  const auto found = std::ranges::find(children, child_name, &XmlElement::name);
  return found == children.end() ? nullptr : &*found;
}

std::string_view XmlElement::value(std::string_view child_name) const {
  const auto* found = child(child_name);
  return found == nullptr ? std::string_view() : found->text;
}

Result<XmlElement> parse_xml(std::string_view document) {
  XmlElement holder;
  if (!read(document, {.into = &holder, .is_root = true, .depth = 0}) || holder.children.empty()) {
    return Error{Code::Corrupt, "the answer is no XML document"};
  }
  return std::move(holder.children.front());
}

std::string xml_escaped(std::string_view text) {
  std::string result;
  for (const char c : text) {
    if (c == '<') {
      result += "&lt;";
    } else if (c == '>') {
      result += "&gt;";
    } else if (c == '&') {
      result += "&amp;";
    } else if (static_cast<unsigned char>(c) < 0x20) {
      result += "&#" + std::to_string(static_cast<int>(c)) + ";";
    } else {
      result += c;
    }
  }
  return result;
}

}  // namespace millrace::aws
