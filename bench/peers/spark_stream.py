"""The peer of `run.py kafka`: plain Spark Structured Streaming, from a topic into a Delta table, as its users write it.

    spark_stream.py BROKERS TOPIC FOLDER TABLE

FOLDER has customers.csv and fraud_rules.csv. All that is in the topic is one micro-batch, with one commit. Prints as JSON what it cost:
`cpu` and `seconds` of the query alone, `start_cpu` those before it, and the memory of the JVM and of this script.
"""
import glob
import json
import os
import pathlib
import sys
import time

from pyspark.sql import SparkSession
from pyspark.sql.functions import broadcast, expr

SCHEMA = "order_id string, customer_id string, amount decimal(12,2), currency string, country string, ts timestamp"
SETTINGS = {
    "spark.jars": ",".join(sorted(glob.glob(os.environ["SPARK_TEST_JARS"] + "/*.jar"))),
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.log.level": "ERROR",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.parquet.compression.codec": "zstd",  # as Millrace writes
    "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
}


def cpu(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak(pid):
    lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))


def checked(spark, brokers, topic, folder):
    customers = spark.read.csv(f"{folder}/customers.csv", header=True).select("customer_id", "segment")
    rules = spark.read.csv(f"{folder}/fraud_rules.csv", header=True, inferSchema=True).select("currency", "max_amount")
    records = (spark.readStream.format("kafka").option("kafka.bootstrap.servers", brokers).option("subscribe", topic)
               .option("startingOffsets", "earliest").option("kafka.isolation.level", "read_committed").load())
    return (records.select(expr(f"from_json(CAST(value AS STRING), '{SCHEMA}') AS o")).select("o.*")
            .where("order_id <> '' AND ts IS NOT NULL AND amount > 0")
            .join(broadcast(customers), "customer_id", "left").join(broadcast(rules), "currency", "left")
            .select("order_id", "customer_id", "amount", "currency", "country", "ts", "segment",
                    expr("amount > coalesce(max_amount, 1000) AS is_fraud"),
                    expr("to_date(from_utc_timestamp(ts, 'Europe/Berlin')) AS day")))


def main(brokers, topic, folder, table):
    builder = SparkSession.builder.master(f"local[{os.cpu_count()}]").config("spark.sql.warehouse.dir", f"{table}_warehouse")
    for key, value in SETTINGS.items():
        builder = builder.config(key, value)
    spark = builder.getOrCreate()
    jvm, own = spark.sparkContext._gateway.proc.pid, os.getpid()
    started, begin = cpu(jvm) + cpu(own), time.monotonic()
    query = (checked(spark, brokers, topic, folder).writeStream.format("delta").partitionBy("day")
             .option("checkpointLocation", f"{table}_checkpoint").trigger(availableNow=True).start(table))
    query.awaitTermination()
    print(json.dumps({"cpu": cpu(jvm) + cpu(own) - started, "seconds": time.monotonic() - begin, "start_cpu": started,
                      "peak": peak(jvm) + peak(own), "records": sum(p["numInputRows"] for p in query.recentProgress)}))
    spark.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
