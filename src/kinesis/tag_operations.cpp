#include <fmt/format.h>

#include <map>
#include <utility>

#include "kinesis/fault.hpp"
#include "kinesis/operations.hpp"

namespace millrace::kinesis {

using base::Result;

namespace {

constexpr std::size_t kTagsMax = 50;
constexpr std::size_t kTagsListed = 50;

Result<void> add(const Call& call, const Subject& subject) {
  const Value& tags = *call.input().find("Tags");
  return subject.stream->change([&](log::StreamFile& file) -> Result<void> {
    for (std::size_t i = 0; i < tags.keys.size(); ++i) file.tags[tags.keys[i]] = tags.items[i].text;
    if (file.tags.size() <= kTagsMax) return {};
    return fault(kInvalidArgument,
                 fmt::format("Failed to add tags to stream {} under account {} because a given "
                             "stream cannot have more than {} tags associated with it.",
                             subject.name, call.account().id, kTagsMax));
  });
}

Result<void> remove(const Call& call, const Subject& subject) {
  return subject.stream->change([&](log::StreamFile& file) -> Result<void> {
    for (const auto& key : call.input().find("TagKeys")->items) file.tags.erase(key.text);
    return {};
  });
}

void write_tag(const std::pair<const std::string, std::string>& tag, DocumentWriter& out) {
  out.begin_object();
  out.text("Key", tag.first);
  out.text("Value", tag.second);
  out.end_object();
}

}  // namespace

Result<void> add_tags(const Context& context, const Call& call, DocumentWriter& /*out*/) {
  return add(call, TRY(subject_of(context, call)));
}

Result<void> remove_tags(const Context& context, const Call& call, DocumentWriter& /*out*/) {
  return remove(call, TRY(subject_of(context, call)));
}

Result<void> tag_resource(const Context& context, const Call& call, DocumentWriter& /*out*/) {
  return add(call, TRY(subject_of_arn(context, *call.text("ResourceARN"))));
}

Result<void> untag_resource(const Context& context, const Call& call, DocumentWriter& /*out*/) {
  return remove(call, TRY(subject_of_arn(context, *call.text("ResourceARN"))));
}

Result<void> list_tags(const Context& context, const Call& call, DocumentWriter& out) {
  const auto subject = TRY(subject_of(context, call));
  const auto limit = static_cast<std::size_t>(call.integer("Limit").value_or(kTagsListed));
  const auto file = subject.stream->description();
  const auto* start = call.text("ExclusiveStartTagKey");
  auto tag = start ? file->tags.upper_bound(*start) : file->tags.begin();
  out.begin_object();
  out.begin_list("Tags");
  for (std::size_t i = 0; i < limit && tag != file->tags.end(); ++i, ++tag) write_tag(*tag, out);
  out.end_list();
  out.boolean("HasMoreTags", tag != file->tags.end());
  out.end_object();
  return {};
}

Result<void> list_resource_tags(const Context& context, const Call& call, DocumentWriter& out) {
  const auto subject = TRY(subject_of_arn(context, *call.text("ResourceARN")));
  const auto file = subject.stream->description();
  out.begin_object();
  out.begin_list("Tags");
  for (const auto& tag : file->tags) write_tag(tag, out);
  out.end_list();
  out.end_object();
  return {};
}

}  // namespace millrace::kinesis
