#include <aws/sdkutils/aws_profile.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "aws/library.hpp"
#include "aws/settings.hpp"

namespace millrace::aws {
namespace {

using base::Code;
using base::Error;
using base::Result;

using Collection = Owned<aws_profile_collection, aws_profile_collection_release>;
using Text = Owned<aws_string, aws_string_destroy>;

Text text_of(std::string_view value) {
  const auto bytes = cursor(value);
  return Text(aws_string_new_from_cursor(library(), &bytes));
}

std::string path_of(const Environment& environment, const char* variable, const char* name) {
  const auto set = environment.find(variable);
  auto path = set != environment.end() ? set->second : std::string("~/.aws/") + name;
  if (!path.starts_with("~/")) return path;
  const auto home = environment.find("HOME");
  return home == environment.end() ? "" : home->second + path.substr(1);
}

Result<Collection> read_file(const std::string& path, aws_profile_source_type type) {
  constexpr std::size_t kBytesMax = 1U << 20;
  std::error_code failed;
  if (path.empty() || !std::filesystem::exists(path, failed)) return Collection();
  std::ifstream file(path, std::ios::binary);
  std::string bytes(kBytesMax + 1, '\0');
  file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  bytes.resize(static_cast<std::size_t>(file.gcount()));
  if (!file.is_open() || file.bad() || std::filesystem::is_directory(path, failed)) {
    return Error{Code::Invalid, "cannot be read", path};
  }
  if (bytes.size() > kBytesMax) return Error{Code::Invalid, "is larger than 1 MiB", path};
  const auto buffer = aws_byte_buf_from_array(bytes.data(), bytes.size());
  Collection collection(aws_profile_collection_new_from_buffer(library(), &buffer, type));
  if (!collection) return Error{Code::Invalid, "is no file of AWS profiles", path};
  return collection;
}

std::optional<std::string> optional_text(const aws_string* text) {
  if (text == nullptr || text->len == 0) return std::nullopt;
  return std::string(aws_string_c_str(text), text->len);
}

}  // namespace

struct Profiles::State {
  Collection collection;

  const aws_profile_property* property(const std::string& profile, const std::string& name) const {
    const auto* found =
        aws_profile_collection_get_profile(collection.get(), text_of(profile).get());
    return found == nullptr ? nullptr : aws_profile_get_property(found, text_of(name).get());
  }
};

Profiles::Profiles(std::unique_ptr<State> state) : state_(std::move(state)) {}
Profiles::~Profiles() = default;

Result<std::shared_ptr<const Profiles>> Profiles::read(const Environment& environment) {
  const auto config =
      TRY(read_file(path_of(environment, "AWS_CONFIG_FILE", "config"), AWS_PST_CONFIG));
  const auto credentials = TRY(read_file(
      path_of(environment, "AWS_SHARED_CREDENTIALS_FILE", "credentials"), AWS_PST_CREDENTIALS));
  auto state = std::make_unique<State>();
  state->collection.reset(
      aws_profile_collection_new_from_merge(library(), config.get(), credentials.get()));
  return std::shared_ptr<const Profiles>(new Profiles(std::move(state)));
}

bool Profiles::has(const std::string& profile) const {
  return aws_profile_collection_get_profile(state_->collection.get(), text_of(profile).get()) !=
         nullptr;
}

std::optional<std::string> Profiles::value(const std::string& profile,
                                           const std::string& property) const {
  const auto* found = state_->property(profile, property);
  return found == nullptr ? std::nullopt : optional_text(aws_profile_property_get_value(found));
}

std::optional<std::string> Profiles::value_below(const std::string& profile,
                                                 const std::string& property,
                                                 const std::string& below) const {
  const auto* found = state_->property(profile, property);
  if (found == nullptr) return std::nullopt;
  return optional_text(aws_profile_property_get_sub_property(found, text_of(below).get()));
}

std::optional<std::string> Profiles::service_value(const std::string& profile,
                                                   const std::string& service,
                                                   const std::string& property) const {
  const auto section = value(profile, "services");
  if (!section) return std::nullopt;
  const auto* services = aws_profile_collection_get_section(
      state_->collection.get(), AWS_PROFILE_SECTION_TYPE_SERVICES, text_of(*section).get());
  if (services == nullptr) return std::nullopt;
  const auto* found = aws_profile_get_property(services, text_of(service).get());
  if (found == nullptr) return std::nullopt;
  return optional_text(aws_profile_property_get_sub_property(found, text_of(property).get()));
}

Environment process_environment() {
  Environment environment;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    const auto equals = text.find('=');
    if (equals == std::string_view::npos) continue;
    environment.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  return environment;
}

}  // namespace millrace::aws
