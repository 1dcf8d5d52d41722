#include <gtest/gtest.h>

#include "config/test_errors.hpp"

// What is wrong with what becomes of a job's result.
namespace millrace::config {
namespace {

TEST(WarehouseErrors, NameTheMend) {
  const auto warehouse = [](std::string_view text) {
    return errors("sources: {s: {from: log, schema: {a: varchar}}}\nwarehouses:\n  w: {" +
                  std::string(text) + "}\n");
  };
  EXPECT_EQ(warehouse("kind: duckdb, path: w.duckdb"), "");
  EXPECT_EQ(warehouse("kind: postgres"), "4:6 the key 'url' of a postgres warehouse is missing\n");
  EXPECT_EQ(warehouse("kind: duckdb, url: x"),
            "4:6 the key 'path' of a duckdb warehouse is missing\n"
            "4:26 url: a duckdb warehouse has none\n");
  const std::string redshift = "kind: redshift, staging: 's3://bucket/st', role: default, ";
  EXPECT_EQ(warehouse(redshift + "workgroup: w"), "");
  EXPECT_EQ(warehouse(redshift + "cluster: c, db_user: u"), "");
  EXPECT_EQ(warehouse(redshift + "url: 'postgres://h/d'"), "");
  EXPECT_EQ(warehouse("kind: redshift, workgroup: w"),
            "4:6 the key 'staging' of a redshift warehouse is missing\n"
            "4:6 the key 'role' of a redshift warehouse is missing\n");
  EXPECT_EQ(warehouse("kind: redshift, workgroup: w, staging: /tmp, role: me"),
            "4:46 staging: '/tmp' is not like `s3://bucket/prefix/`\n"
            "4:58 role: 'me' is neither `default` nor the ARN of a role, like "
            "`arn:aws:iam::123456789012:role/redshift-copy`\n");
  EXPECT_EQ(warehouse(redshift),
            "4:6 a redshift warehouse needs one of 'workgroup', 'cluster' and 'url'\n");
  EXPECT_EQ(warehouse(redshift + "workgroup: w, cluster: c, db_user: u"),
            "4:88 cluster: there is a 'workgroup' already\n"
            "4:100 db_user: only a cluster has it; a workgroup knows who we are in IAM\n");
  EXPECT_EQ(warehouse(redshift + "url: 'postgres://h/d', cluster: c, path: x"),
            "4:97 cluster: the 'url' says it already\n"
            "4:106 path: a redshift warehouse has none\n");
  EXPECT_EQ(warehouse("kind: oracle, url: x"),
            "4:13 kind: 'oracle' is not one of postgres, duckdb, redshift\n");
}

TEST(EngineErrors, NameTheMend) {
  const auto engine = [](std::string_view job, std::string_view engines) {
    return errors(
        "sources: {s: {from: log, schema: {a: varchar}}}\n"
        "tables: {t: {from: s, sql: SELECT a FROM s}}\n"
        "jobs: {j: {sql: SELECT a FROM t, " +
        std::string(job) + "}}\nengines: {" + std::string(engines) + "}\n");
  };
  EXPECT_EQ(engine("engine: spark, distribute_by: a", ""), "");
  EXPECT_EQ(engine("engine: spark",
                   "spark: {master: yarn, conf: {spark.executor.memory: 4g, "
                   "spark.hadoop.fs.s3a.secret.key: '${SECRET:-x}'}}"),
            "");
  EXPECT_EQ(engine("engine: sparc", ""),
            "4:42 engine: 'sparc' is not one of millrace, spark, glue; did you mean 'spark'?\n");
  EXPECT_EQ(engine("engine: glue", ""),
            "4:42 engine: which job of Glue is started? Say `engines: {glue: {job: NAME}}`\n"
            "4:42 engine: Glue reads the tables on S3; say `lake: s3://bucket/prefix`\n");
  EXPECT_EQ(engine("at: '@daily'", "glue: {region: eu-west-1}, flink: {}"),
            "5:17 the key 'job' is missing: Its name.\n"
            "5:38 unknown key 'flink' in an engines; known: spark, glue\n");
  EXPECT_EQ(engine("at: '@daily'",
                   "spark: {conf: {executor.memory: 1g, spark.submit.deployMode: cluster, "
                   "spark.ssl.keyPassword: x}, timeout: 1s, submit: ''}"),
            "5:26 conf: 'executor.memory' is no property of Spark: their names start with "
            "`spark.`\n"
            "5:72 conf: millrace follows the driver, so that it runs beside it: deployMode is "
            "`client`\n"
            "5:104 conf: a secret does not belong into the file; write \"${NAME}\" and put it "
            "into that environment variable\n"
            "5:117 timeout: 1s is not within 1m to 7d\n"
            "5:129 submit: the program that starts Spark is expected\n");
  EXPECT_EQ(engine("at: '@daily'",
                   "glue: {job: j, workers: 1, arguments: {name: x, --millrace_run: y, "
                   "--db_password: z}}"),
            "5:17 glue: 'workers' and 'worker_type' go together\n"
            "5:35 workers: 1 is not within 2 to 1000\n"
            "5:50 arguments: 'name' is not `--name`, and not `--millrace_…`, which millrace gives "
            "itself\n"
            "5:59 arguments: '--millrace_run' is not `--name`, and not `--millrace_…`, which "
            "millrace gives itself\n"
            "5:78 arguments: Glue shows '--db_password' to whoever may see the run; give the "
            "job's role access to the secret instead\n");
}

TEST(EngineSettings, AreRead) {
  const auto parsed = parse_pipeline(R"(pipeline: p
lake: s3://lake/shop
sources: {s: {from: log, schema: {a: varchar}}}
tables: {t: {from: s, sql: SELECT a FROM s}}
jobs: {j: {sql: SELECT a FROM t, engine: glue, distribute_by: a}, k: {sql: SELECT a FROM t}}
engines:
  spark: {submit: bin/spark-submit, packages: [a, b], conf: {spark.executor.cores: 4}, timeout: 2h}
  glue: {job: nightly, region: eu-west-1, worker_type: G.1X, workers: 10, arguments: {--x: "1"}}
)",
                                     "/test/p.yaml");
  ASSERT_TRUE(std::holds_alternative<Pipeline>(parsed));
  const auto& pipeline = std::get<Pipeline>(parsed);
  EXPECT_EQ(pipeline.jobs[0].engine, EngineKind::Glue);
  EXPECT_EQ(pipeline.jobs[0].distribute_by, "a");
  EXPECT_EQ(pipeline.jobs[1].engine, EngineKind::Millrace);
  EXPECT_EQ(pipeline.engines.spark->submit, "/test/bin/spark-submit");
  EXPECT_EQ(pipeline.engines.spark->packages.size(), 2U);
  EXPECT_EQ(pipeline.engines.spark->conf.at("spark.executor.cores"), "4");
  EXPECT_EQ(pipeline.engines.spark->timeout, std::chrono::hours(2));
  EXPECT_EQ(pipeline.engines.glue->job, "nightly");
  EXPECT_EQ(pipeline.engines.glue->file, "p.yaml");
  EXPECT_EQ(pipeline.engines.glue->workers, 10);
  EXPECT_EQ(pipeline.engines.glue->timeout, std::chrono::hours(8));
}

TEST(ResultCheckErrors, NameTheMend) {
  const auto check = [](std::string_view text) {
    return errors(
        "sources: {s: {from: log, schema: {a: varchar}}}\n"
        "tables: {t: {from: s, sql: SELECT a FROM s}}\n"
        "jobs:\n  j: {sql: SELECT a FROM t, expect: {c: {" +
        std::string(text) + "}}}\n");
  };
  EXPECT_EQ(check("no_rows: SELECT 1, otherwise: warn"), "");
  EXPECT_EQ(check("rows: {min: 1, max: 2}"), "");
  EXPECT_EQ(check("references: {column: a, table: t, key: a}"), "");
  EXPECT_EQ(check("drift: {of: count(*), within: 12.5%}"), "");
  EXPECT_EQ(check("otherwise: warn"),
            "5:41 expect c: one of no_rows, rows, unique, references, fresh and drift is "
            "expected\n");
  EXPECT_EQ(check("no_rows: SELECT 1, rows: {min: 1}"),
            "5:41 expect c: one of no_rows, rows, unique, references, fresh and drift is "
            "expected\n");
  EXPECT_EQ(check("rows: {}"), "5:48 rows: `min` or `max` is expected\n");
  EXPECT_EQ(check("rows: {min: 3, max: 2}"), "5:62 rows: max is below min\n");
  EXPECT_EQ(check("drift: {of: count(*), within: half}"),
            "5:72 within: 'half' is not like `50%`\n");
  EXPECT_EQ(check("references: {column: a, table: u, key: a}"),
            "5:38 references: there is no table 'u'\n");
}

TEST(KeepErrors, NameTheMend) {
  const auto table = [](std::string_view text) {
    return errors(
        "sources: {s: {from: log, schema: {a: varchar}}}\n"
        "tables:\n  t: {from: s, sql: SELECT a FROM s, " +
        std::string(text) + "}\n");
  };
  EXPECT_EQ(table("keep: 7d, unique: {key: a, within: 168h}"), "");
  EXPECT_EQ(table("keep: 6d, unique: {key: a, within: 168h}"),
            "4:44 keep: 6d is less than `unique: within`, 7d, for which keys are remembered\n");
  EXPECT_EQ(table("keep: 1h"), "4:44 keep: 1h is not within 1d to 36600d\n");
  EXPECT_EQ(errors("sources: {s: {from: log, schema: {a: varchar}}}\n"
                   "jobs: {j: {sql: SELECT 1, keep: 7d}}\n"),
            "3:33 keep: only a job with `each` has partitions that become old; all rows of this "
            "one are computed anew with each run\n");
}

TEST(MaintenanceErrors, NameTheMend) {
  const std::string start = "sources: {s: {from: log, schema: {a: varchar}}}\n";
  EXPECT_EQ(errors(start + "maintenance: 61 * * * *\n").substr(0, 9), "3:14 at: ");
  EXPECT_EQ(errors(start + "maintenance: {at: never}\n").substr(0, 9), "3:19 at: ");
  EXPECT_EQ(errors(start + "maintenance: []\n"),
            "3:14 a mapping with the keys of a maintenance is expected here\n");
  EXPECT_EQ(errors(start + "jobs: {maintenance: {sql: SELECT 1}}\n"),
            "3:8 a job cannot be called 'maintenance': that of tables is\n");
  EXPECT_EQ(errors(start + "jobs: {proof: {sql: SELECT 1}}\n"),
            "3:8 a job cannot be called 'proof': that of tables is\n");
}

TEST(LoadErrors, NameTheMend) {
  const auto load = [](std::string_view text) {
    return errors(
        "sources: {s: {from: log, schema: {a: varchar}}}\n"
        "tables: {t: {from: s, sql: SELECT a FROM s}}\n"
        "warehouses: {reporting: {kind: duckdb, path: w.duckdb}}\n"
        "jobs:\n  other: {sql: SELECT a FROM t, load: reporting}\n"
        "  j: {sql: SELECT a FROM t, load: " +
        std::string(text) + "}\n");
  };
  EXPECT_EQ(load("reporting"), "");
  EXPECT_EQ(load("{to: reporting, table: sales.daily_2}"), "");
  EXPECT_EQ(load("reportin"),
            "7:35 load: there is no warehouse 'reportin'; did you mean 'reporting'?\n");
  EXPECT_EQ(load("{table: a}"), "7:35 the key 'to' is missing: A warehouse.\n");
  EXPECT_EQ(load("{to: reporting, table: 'a; DROP'}"),
            "7:58 table: 'a; DROP' is not a name like `table` or `schema.table`, of small letters, "
            "digits and _\n");
  EXPECT_EQ(load("{to: reporting, sort_key: [a]}"),
            "7:40 load: sort_key, dist_key, dist_style and lengths are for redshift, and "
            "'reporting' is none\n");
  EXPECT_EQ(load("{to: reporting, lengths: {a: 70000}}"),
            "7:40 load: sort_key, dist_key, dist_style and lengths are for redshift, and "
            "'reporting' is none\n"
            "7:64 lengths: '70000' is no number from 1 to 65535\n");
  EXPECT_EQ(load("{to: reporting, table: other}"),
            "7:40 load: job 'other' loads the table 'other' of 'reporting' already\n");
}

}  // namespace
}  // namespace millrace::config
