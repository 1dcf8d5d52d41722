#pragma once

#include <set>

#include "config/yaml.hpp"

namespace millrace::config {

/// Readers of the sections; each reports what is wrong to the file and reads on. What would only
/// make wrong what builds on it is left empty: a schema, a path, an SQL text.
Source read_source(YamlFile& file, const Entry& entry);
/// What `format: avro` and `protobuf` need, or nothing if `source` has another.
std::optional<SchemaRegistry> read_registry(YamlFile& file, Section& section, const Source& source);
KafkaSource read_kafka(YamlFile& file, Section& section, const Source& source);
/// Its topic is `name` unless it names one.
KafkaTarget read_kafka_target(YamlFile& file, const Entry& entry, const std::string& name);
Lookup read_lookup(YamlFile& file, const Entry& entry);
Table read_table(YamlFile& file, const Entry& entry);
Job read_job(YamlFile& file, const Entry& entry);
/// `table` or `schema.table`, of names that need no quotes in any database.
bool is_plain_table_name(std::string_view text);
std::vector<ResultCheck> read_expectations(YamlFile& file, Section& job);
Warehouse read_warehouse(YamlFile& file, const Entry& entry);
Load read_load(YamlFile& file, const Entry& entry, const std::string& job);
Engines read_engines(YamlFile& file, const Entry& entry);
/// Who computes a job, and how it is divided there.
void read_engine(Section& section, Job& job);
/// Null: the file has none.
std::optional<Cron> read_maintenance(YamlFile& file, const Entry* entry);
Report read_report(YamlFile& file, const Entry& entry);
/// `pipeline` is the pipeline's name.
MetricsTargets read_metrics(YamlFile& file, const Entry& entry, const std::string& pipeline);
Alert read_alert(YamlFile& file, const Entry& entry);
PipelineTest read_test(YamlFile& file, const YAML::Node& node);

/// Parts that sections share. Columns `name: type`; what stands where something lies on S3, with
/// the keys `region` and `anonymous`; the folder that relative paths start from.
std::vector<Column> read_columns(YamlFile& file, Section& section, const char* key);
/// A name that a column cannot have is reported, and a second one that SQL does not tell from one
/// of `taken`, to which it is added.
void check_column_name(YamlFile& file, const std::string& name, const Place& place,
                       std::set<std::string>& taken);
/// The columns of what stands beside a record of Kafka; those of the schema are known.
void read_record_columns(YamlFile& file, Section& section, Source& source);
S3Place read_s3_place(YamlFile& file, Section& section, const char* key, std::string_view example);
/// What `s3://bucket/rest` names, whatever the rest.
S3Place split_s3(std::string_view text);
std::filesystem::path folder_of(const Place& place);
/// A secret that stands in the file itself is refused; empty if the section has none.
std::string read_secret(YamlFile& file, Section& section, const char* key);
/// Absolute; empty if the section has none.
std::filesystem::path read_path(Section& section, const char* key);
/// What is wrong with a URL of HTTP, to be read after it; empty: nothing.
std::string problem_of_url(std::string_view url);
/// A URL as it may be shown: what follows its path may be secret.
std::string shown_url(std::string_view url);

/// Where a stream is first read, of the key `start`.
struct StartOfReading {
  bool is_latest = false;
  std::optional<base::Time> at;
};
/// `oldest` is the word for the beginning, and what is meant if the key is left out.
StartOfReading read_start(YamlFile& file, Section& section, std::string_view oldest);

/// What only the whole file shows: names that occur twice, references that lead nowhere, cycles;
/// sorts the tables, parents first.
void check_references(YamlFile& file, Pipeline& pipeline);
/// What a job that runs elsewhere needs of the rest of the file.
void check_engine(YamlFile& file, const Pipeline& pipeline, const Job& job);
/// What several workers on one source need, and the name of their group if the file has none.
void check_workers(YamlFile& file, Pipeline& pipeline);

/// Takes out of a pipeline what is wrong with it, and what builds on that, and names it.
void keep_what_is_sound(Pipeline& pipeline, Gaps& gaps);

}  // namespace millrace::config
