#include "config/engine_rules.hpp"

namespace millrace::config {

using enum ValueKind;

std::vector<SectionRule> engine_rules() {
  return {
      {"engines",
       "Where jobs run that say `engine: spark` or `engine: glue` "
       "([how](how_to/run_on_spark.md#let-millrace-start-the-runs)).",
       {{"spark", Object, "spark", false, "", "A cluster, by way of `spark-submit`."},
        {"glue", Object, "glue", false, "", "A job of AWS Glue."}}},
      {"spark",
       "Spark, started with `spark-submit` in client mode: the driver runs beside millrace, and "
       "has its environment.",
       {{"submit", Text, "", false, "spark-submit",
         "The program: its name in PATH, or its path, relative to this file."},
        {"master", Text, "", false, "spark-defaults.conf says",
         "`yarn`, `spark://host:7077`, `k8s://https://host`, `local[4]`."},
        {"python", Text, "", false, "PYSPARK_PYTHON, or python3",
         "The Python that has the package `millrace_spark`."},
        {"packages", TextList, "", false, "",
         "Maven coordinates, `io.delta:delta-spark_2.12:3.3.2`."},
        {"py_files", TextList, "", false, "", "Further Python files: `.whl`, `.zip`, `.py`."},
        {"conf", TextMap, "", false, "",
         "Properties of Spark, `spark.executor.memory: 8g`. Those whose names tell of secrets are "
         "given out of sight, and come from a variable."},
        {"timeout", Duration, "1m..7d", false, "12h", "How long a run may take."}}},
      {"glue",
       "A job of AWS Glue that runs the package `millrace_spark`.",
       {{"job", Text, "", true, "", "Its name."},
        {"file", Text, "", false, "this file's name",
         "This file as the job finds it: `s3://bucket/shop.yaml`, or its name if "
         "`--extra-files` brings it."},
        {"region", Text, "", false, "AWS_REGION", "Where it is."},
        {"worker_type", Text, "", false, "as the job says", "`G.1X`, `G.2X` and so on."},
        {"workers", Integer, "2..1000", false, "as the job says", "How many."},
        {"arguments", TextMap, "", false, "",
         "`\"--name\": value`, beside those that the job has. Glue shows them to whoever may see "
         "the run: no secrets."},
        {"timeout", Duration, "1m..7d", false, "8h",
         "How long a run may take before Glue stops it."}}}};
}

}  // namespace millrace::config
