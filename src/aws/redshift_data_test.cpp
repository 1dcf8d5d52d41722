#include "aws/redshift_data.hpp"

#include "aws/test_aws.hpp"

namespace millrace::aws {
namespace {

using base::Code;
using testing::HasSubstr;
using What = StatementState::What;

class RedshiftDataTest : public testing::Test {
 protected:
  void serve(std::vector<http::Response> answers) {
    fake_.emplace([answers, next = std::size_t{0}](const http::Request&) mutable {
      return answers[std::min(next++, answers.size() - 1)];
    });
    bench_.environment["AWS_ENDPOINT_URL_REDSHIFT_DATA"] = fake_->url();
  }
  RedshiftData data(RedshiftPlace place = {.workgroup = "w", .database = "dev"}) {
    const auto settings = Settings::read(bench_.environment).value();
    provider_ = CredentialProvider::open(settings, bench_.tools()).value();
    client_.emplace(settings, bench_.tools(), provider_.get(), bench_.pause());
    return RedshiftData::open(*client_, std::move(place)).value();
  }

  AwsBench bench_;
  std::optional<FakeAws> fake_;
  std::unique_ptr<CredentialProvider> provider_;
  std::optional<Client> client_;
};

TEST_F(RedshiftDataTest, HandsStatementsInOnceWhateverTheAnswersDo) {
  serve({{.status = 500, .body = R"({"__type":"InternalServerException"})"},
         {.status = 200, .body = R"({"Id":"i1"})"}});
  const std::vector<std::string> both{"SELECT 1", "SELECT 2"};
  EXPECT_EQ(data({.cluster = "c", .database = "d", .db_user = "u", .region = "eu-west-1"})
                .execute(both, "token")
                .value(),
            "i1");
  const auto requests = fake_->requests();
  ASSERT_EQ(requests.size(), 2U);
  EXPECT_EQ(requests[0].headers.value("X-Amz-Target"), "RedshiftData.BatchExecuteStatement");
  EXPECT_EQ(requests[0].body,
            R"({"ClientToken":"token","ClusterIdentifier":"c","Database":"d","DbUser":"u",)"
            R"("Sqls":["SELECT 1","SELECT 2"]})");
  EXPECT_EQ(requests[1].body, requests[0].body);
  EXPECT_THAT(std::string(requests[0].headers.value("Authorization")),
              HasSubstr("/eu-west-1/redshift-data/"));
}

TEST_F(RedshiftDataTest, TellsWhichStatementOfABatchFailed) {
  serve({{.status = 200, .body = R"({"Id":"i","Status":"PICKED"})"},
         {.status = 200, .body = R"({"Id":"i","Status":"FAILED","Error":"one failed",
            "SubStatements":[{"Id":"i:1","Status":"FINISHED"},
              {"Id":"i:2","Status":"FAILED","Error":"ERROR: no"},
              {"Id":"i:3","Status":"ABORTED"}]})"},
         {.status = 200, .body = R"({"Id":"i","Status":"FINISHED","HasResultSet":true})"},
         {.status = 200, .body = "[]"}});
  auto asked = data();
  EXPECT_EQ(asked.describe("i").value().what, What::Running);
  const auto failed = asked.describe("i").value();
  EXPECT_EQ(failed.what, What::Failed);
  EXPECT_EQ(failed.failed, 1U);
  EXPECT_EQ(failed.error, "ERROR: no");
  EXPECT_TRUE(asked.describe("i").value().has_rows);
  EXPECT_EQ(asked.describe("i").error().code, Code::Corrupt);
}

TEST_F(RedshiftDataTest, ReadsAllPagesOfRows) {
  serve({{.status = 200, .body = R"({"Records":[[{"stringValue":"a"},{"isNull":true}]],
            "NextToken":"2"})"},
         {.status = 200, .body = R"({"Records":[[{"longValue":7},{"booleanValue":true}]]})"}});
  const std::vector<RedshiftData::Row> expected{{"a", std::nullopt}, {"7", "true"}};
  EXPECT_EQ(data().rows("i").value(), expected);
  EXPECT_EQ(fake_->requests()[1].body, R"({"Id":"i","NextToken":"2"})");
}

TEST_F(RedshiftDataTest, RefusalsNameTheMend) {
  const std::vector<std::string> one{"SELECT 1"};
  serve({{.status = 400, .body = R"({"__type":"AccessDeniedException","message":"no"})"},
         {.status = 400, .body = R"({"__type":"ActiveStatementsExceededException"})"}});
  auto asked = data();
  const auto denied = asked.execute(one, "t").error();
  EXPECT_EQ(denied.code, Code::Denied);
  EXPECT_THAT(denied.message, HasSubstr("must allow redshift-data:ExecuteStatement, and "
                                        "redshift-serverless:GetCredentials"));
  EXPECT_EQ(asked.execute(one, "t").error().code, Code::Exhausted);
}

}  // namespace
}  // namespace millrace::aws
