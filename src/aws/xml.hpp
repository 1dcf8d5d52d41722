#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace millrace::aws {

/// An element of a small document: either text or children. Attributes are passed over.
struct XmlElement {
  std::string name;
  std::string text;
  std::vector<XmlElement> children;

  /// The first child of that name, or null.
  const XmlElement* child(std::string_view child_name) const;
  /// The text of the first child of that name; empty if there is none.
  std::string_view value(std::string_view child_name) const;
};

/// Errors  Corrupt: it is no such document.
base::Result<XmlElement> parse_xml(std::string_view document);

/// `text` as it may stand in an element.
std::string xml_escaped(std::string_view text);

}  // namespace millrace::aws
