#include "aws/xml.hpp"

#include <gtest/gtest.h>

namespace millrace::aws {
namespace {

TEST(Xml, ReadsWhatS3Answers) {
  const auto document = parse_xml(
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
      "<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>b</Name>"
      "<Prefix/><Marker></Marker>\n"
      "  <Contents><Key>a&amp;b&lt;&#x41;&#233;&#13;</Key><Size>3</Size></Contents>\n"
      "  <Contents><Key>date=1/x y</Key><Owner><ID>o</ID></Owner></Contents>"
      "</ListBucketResult>");
  ASSERT_TRUE(document.has_value()) << document.error().text();
  EXPECT_EQ(document->name, "ListBucketResult");
  EXPECT_EQ(document->value("Name"), "b");
  EXPECT_EQ(document->value("Prefix"), "");
  ASSERT_EQ(document->children.size(), 5u);
  EXPECT_EQ(document->children[3].value("Key"), "a&b<A\xC3\xA9\r");
  EXPECT_EQ(document->children[4].value("Key"), "date=1/x y");
  EXPECT_EQ(document->children[4].child("Owner")->value("ID"), "o");
  EXPECT_EQ(document->child("Absent"), nullptr);
}

TEST(Xml, KeepsWhatIsNoEntity) {
  EXPECT_EQ(parse_xml("<a>&nosuch; & &#0;</a>")->text, "&nosuch; & &#0;");
}

TEST(Xml, RefusesWhatIsNoDocument) {
  for (const auto* bad :
       {"", "text", "<a>", "<a><b></a>", "{\"a\":1}", "<", "<a", "< >x</ >", "<>x</>"}) {
    EXPECT_FALSE(parse_xml(bad).has_value()) << bad;
  }
}

TEST(Xml, RefusesBottomlessNesting) {
  std::string deep;
  for (int i = 0; i < 1000; ++i) deep += "<a>";
  deep += "x";
  for (int i = 0; i < 1000; ++i) deep += "</a>";
  EXPECT_FALSE(parse_xml(deep).has_value());
}

TEST(Xml, EscapesWhatAnElementCannotHold) {
  EXPECT_EQ(xml_escaped("a<b>&\r"), "a&lt;b&gt;&amp;&#13;");
  EXPECT_EQ(parse_xml("<k>" + xml_escaped("a<b>&\r") + "</k>")->text, "a<b>&\r");
}

}  // namespace
}  // namespace millrace::aws
