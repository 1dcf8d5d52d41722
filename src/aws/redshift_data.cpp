#include "aws/redshift_data.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "aws/json_members.hpp"
#include "base/text.hpp"

namespace millrace::aws {
namespace {

using base::Code;
using base::Error;
using base::Result;
using Json = nlohmann::json;

Error no_answer(const std::string& what) {
  return {Code::Corrupt, "the Redshift Data API answered what is no " + what};
}

bool is_true(const Json& json, const char* name) {
  const auto* value = member(json, name);
  return value != nullptr && value->is_boolean() && value->get<bool>();
}

// `{"longValue": 3}`
std::optional<std::string> field_of(const Json& field) {
  if (!field.is_object() || field.empty() || is_true(field, "isNull")) return std::nullopt;
  const auto& value = field.begin().value();
  if (value.is_string()) return value.get<std::string>();
  return value.dump();
}

StatementState::What what_of(const std::string& status) {
  using What = StatementState::What;
  if (status == "FINISHED") return What::Finished;
  if (status == "FAILED") return What::Failed;
  return status == "ABORTED" ? What::Aborted : What::Running;
}

}  // namespace

Result<RedshiftData> RedshiftData::open(Client& client, RedshiftPlace place) {
  auto settings = client.settings();
  if (!place.region.empty()) settings.region = place.region;
  auto endpoint = TRY(settings.endpoint(kRedshiftData));
  place.region = settings.region;
  return RedshiftData(client, std::move(place), std::move(endpoint));
}

std::string RedshiftData::shown() const {
  const bool is_serverless = !place_.workgroup.empty();
  return fmt::format("Redshift {} {}, database {}", is_serverless ? "workgroup" : "cluster",
                     is_serverless ? place_.workgroup : place_.cluster, place_.database);
}

Error RedshiftData::refused(const ServiceError& error, const std::string& operation) const {
  auto told = error.as_error(fmt::format("{} for {}", operation, shown()));
  if (error.code == "ActiveStatementsExceededException" ||
      error.code == "ActiveSessionsExceededException") {
    told.code = Code::Exhausted;
  }
  if (error.code == "AccessDeniedException") {
    told.message += fmt::format(" (the policy must allow redshift-data:{}, and {})", operation,
                                place_.workgroup.empty() ? "redshift:GetClusterCredentials"
                                                         : "redshift-serverless:GetCredentials");
  }
  return told;
}

Result<std::string> RedshiftData::ask(const std::string& operation, std::string body,
                                      const std::stop_token& stop) const {
  auto outcome = TRY(client_
                         ->call_json(kRedshiftData,
                                     {.operation = operation,
                                      .body = std::move(body),
                                      .endpoint = endpoint_,
                                      .region = place_.region},
                                     stop)
                         .context(shown()));
  if (const auto* error = std::get_if<ServiceError>(&outcome)) return refused(*error, operation);
  return std::move(std::get<http::Response>(outcome).body);
}

Result<std::string> RedshiftData::execute(std::span<const std::string> statements,
                                          const std::string& token, const std::stop_token& stop) {
  CHECK(!statements.empty() && statements.size() <= kBatchMax);
  Json request{{"Database", place_.database}, {"ClientToken", token}};
  if (!place_.workgroup.empty()) request["WorkgroupName"] = place_.workgroup;
  if (!place_.cluster.empty()) request["ClusterIdentifier"] = place_.cluster;
  if (!place_.db_user.empty()) request["DbUser"] = place_.db_user;
  if (!place_.secret.empty()) request["SecretArn"] = place_.secret;
  const bool is_one = statements.size() == 1;
  if (is_one) request["Sql"] = statements.front();
  if (!is_one) request["Sqls"] = std::vector<std::string>(statements.begin(), statements.end());
  const auto body = TRY(ask(is_one ? "ExecuteStatement" : "BatchExecuteStatement",
                            request.dump(-1, ' ', false, Json::error_handler_t::replace), stop));
  auto id = text_of(Json::parse(body, nullptr, false), "Id");
  if (id.empty()) return no_answer("statement's id");
  return id;
}

Result<StatementState> RedshiftData::describe(const std::string& id, const std::stop_token& stop) {
  const auto body = TRY(ask("DescribeStatement", Json{{"Id", id}}.dump(), stop));
  const auto document = Json::parse(body, nullptr, false);
  const auto status = text_of(document, "Status");
  if (status.empty()) return no_answer("statement's state");
  StatementState state{.what = what_of(status),
                       .error = text_of(document, "Error"),
                       .has_rows = is_true(document, "HasResultSet")};
  const auto* parts = member(document, "SubStatements");
  if (parts == nullptr || !parts->is_array()) return state;
  for (std::size_t i = 0; i < parts->size(); ++i) {
    if (what_of(text_of((*parts)[i], "Status")) != StatementState::What::Failed) continue;
    state.failed = i;
    if (auto error = text_of((*parts)[i], "Error"); !error.empty()) state.error = std::move(error);
  }
  return state;
}

Result<std::vector<RedshiftData::Row>> RedshiftData::rows(const std::string& id,
                                                          const std::stop_token& stop) {
  std::vector<Row> rows;
  std::string token;
  do {
    Json request{{"Id", id}};
    if (!token.empty()) request["NextToken"] = token;
    const auto body = TRY(ask("GetStatementResult", request.dump(), stop));
    const auto document = Json::parse(body, nullptr, false);
    const auto* records = member(document, "Records");
    if (records == nullptr || !records->is_array()) return no_answer("result");
    for (const auto& record : *records) {
      auto& row = rows.emplace_back();
      for (const auto& field : record) row.push_back(field_of(field));
    }
    token = text_of(document, "NextToken");
  } while (!token.empty());
  return rows;
}

Result<void> RedshiftData::cancel(const std::string& id, const std::stop_token& stop) {
  TRY(ask("CancelStatement", Json{{"Id", id}}.dump(), stop));
  return {};
}

}  // namespace millrace::aws
