"""All of it at once, as docs/aws.md describes it, on stand-ins: the stack that `millrace deploy aws` writes is made by moto; orders go into
its stream, a mapping invokes the function for them, their profiles come from DynamoDB, their ids are claimed there, the tables lie on S3;
the scheduled function adds up the days and loads them into what stands in for Redshift; metrics are read back from CloudWatch. Judges: the
generator's labels, delta-rs, PostgreSQL."""
import csv
import datetime
import io
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time
import zipfile

import boto3
from harness import postgres_server, stack
from harness.lambda_runtime import Function, Settings
from harness.lambda_source import EventSourceMapping, KinesisStream
from harness.millrace import BINARY
from harness.postgres_server import PostgresServer
from harness.redshift import DataApi, Redshift
from harness.s3_store import S3Store
from operations import LeftOut, expect, expect_equal, slow

EXAMPLE = pathlib.Path(__file__).resolve().parents[2] / "examples" / "orders"
ORDERS_OF_YESTERDAY, ORDERS_OF_NOW = 1200, 300
JOBS_SECONDS = 150
ROLE = "arn:aws:iam::123456789012:role/copy"
CHANGES = {
    "    from: s3://${ORDERS_BUCKET:-my-orders}/lookups/customers.csv\n": "    from: dynamodb://shop-customers\n",
    'at: "0 1 * * *" ': 'at: "* * * * *" ',
    "\nreports:": f"""
    load: {{to: reporting, table: sales.daily}}

warehouses:
  reporting: {{kind: redshift, workgroup: reporting, staging: "s3://${{ORDERS_BUCKET:-my-orders}}/staging/", role: "{ROLE}"}}

reports:""",
}


def file_of(folder):
    text = (EXAMPLE / "orders_aws.yaml").read_text()
    for old, new in CHANGES.items():
        expect(old in text, f"{old!r} stands no more in orders_aws.yaml")
        text = text.replace(old, new, 1)
    path = folder / "shop.yaml"
    path.write_text(text)
    return path


class Account:
    """moto in the place of an account, with the stack of a file; its clients."""

    def __init__(self, folder, file):
        self.store = S3Store(folder / "aws", None, checks_signatures=False)
        self.access = {"AWS_ENDPOINT_URL": self.store.url, "AWS_REGION": stack.REGION, "AWS_DEFAULT_REGION": stack.REGION,
                       "AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "any"}
        stack.client = self.client
        s3 = self.client("s3")
        s3.create_bucket(Bucket="code", CreateBucketConfiguration={"LocationConstraint": stack.REGION})
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("bootstrap", "#!/bin/sh\n")
        s3.put_object(Bucket="code", Key="code.zip", Body=packed.getvalue())
        self.call("deploy", "aws", file, "--out", folder / "template")
        self.stack = stack.Stack(folder / "template", "shop")
        expect_equal(self.stack.status, "CREATE_COMPLETE", "the stack")

    def client(self, service):
        return boto3.client(service, endpoint_url=self.store.url, region_name=stack.REGION, aws_access_key_id="any",
                            aws_secret_access_key="any")

    def call(self, *words):
        done = subprocess.run([BINARY, *map(str, words)], env={**os.environ, **self.access}, capture_output=True, text=True, timeout=120,
                              check=False)
        expect_equal(done.returncode, 0, f"millrace {words[0]} ({done.stdout}{done.stderr})")

    def of_type(self, kind):
        """Physical names, by the template's."""
        found = {name: self.stack.made[name] for name, one in self.stack.template["Resources"].items() if one["Type"] == kind}
        expect(found, f"the stack has no {kind}")
        return found

    def functions(self):
        """Their configurations; the one that the streams invoke comes first."""
        client = self.client("lambda")
        mappings = client.list_event_source_mappings()["EventSourceMappings"]
        expect_equal(len(mappings), 1, "event source mappings")
        check_mapping(mappings[0])
        every = [client.get_function_configuration(FunctionName=name) for name in self.of_type("AWS::Lambda::Function").values()]
        return sorted(every, key=lambda one: one["FunctionArn"] != mappings[0]["FunctionArn"])


def check_mapping(mapping):
    wanted = {"FunctionResponseTypes": ["ReportBatchItemFailures"], "ParallelizationFactor": 1, "MaximumRetryAttempts": -1,
              "MaximumRecordAgeInSeconds": -1}
    found = {key: mapping[key] for key in wanted if key in mapping}
    expect_equal(found, {key: wanted[key] for key in found}, "the mapping")
    expect("FunctionResponseTypes" in found, f"moto tells nothing of the mapping: {mapping}")


def fill_lookups(account, folder, bucket):
    with open(EXAMPLE / "data" / "customers.csv", encoding="utf-8") as file:
        customers = list(csv.DictReader(file))
    account.call("lookup", "load", folder / "shop.yaml", "customers", "--from", EXAMPLE / "data" / "customers.csv")
    account.client("s3").upload_file(str(EXAMPLE / "data" / "fraud_rules.csv"), bucket, "lookups/fraud_rules.csv")
    return customers


def generate(account, folder, stream, name, count, start, seed):
    account.call("generate", "orders", "--count", count, "--seed", seed, "--start", start, "--to", f"kinesis://{stream}", "--labels",
                 folder / f"{name}.ndjson", "--invalid", "0.05", "--duplicate", "0.05")
    return (folder / f"{name}.ndjson").read_text()


def settings_of(account, folder, configuration, file, more):
    variables = {**configuration["Environment"]["Variables"], **account.access, **more, "MILLRACE_PIPELINE": "shop.yaml"}
    variables.pop("MILLRACE_DATA", None)  # environments share this machine's /tmp
    return Settings([BINARY, "lambda"], folder / configuration["FunctionName"], variables, (file,), name=configuration["FunctionName"],
                    memory_mb=configuration["MemorySize"], seconds=min(configuration["Timeout"], JOBS_SECONDS))


def put_embedded_metrics(account, function):
    """What CloudWatch Logs does with lines of the embedded metric format."""
    client, namespaces = account.client("cloudwatch"), set()
    for environment in function.environments:
        for line in environment.lines():
            if not line.startswith('{"_aws"'):
                continue
            document = json.loads(line)
            for directive in document["_aws"]["CloudWatchMetrics"]:
                namespaces.add(directive["Namespace"])
                for dimensions in directive["Dimensions"]:
                    put(client, document, directive, dimensions)
    return namespaces


def put(client, document, directive, dimensions):
    at = datetime.datetime.fromtimestamp(document["_aws"]["Timestamp"] / 1000, datetime.timezone.utc)
    for metric in directive["Metrics"]:
        value = document[metric["Name"]]
        datum = {"MetricName": metric["Name"], "Timestamp": at, "Unit": metric.get("Unit", "None"),
                 "Dimensions": [{"Name": name, "Value": document[name]} for name in dimensions]}
        if isinstance(value, dict):
            datum |= {"Values": value["Values"], "Counts": value["Counts"]}
        else:
            datum["Value"] = value
        client.put_metric_data(Namespace=directive["Namespace"], MetricData=[datum])


def metric_sum(account, namespace, name, **dimensions):
    now = datetime.datetime.now(datetime.timezone.utc)
    answer = account.client("cloudwatch").get_metric_statistics(
        Namespace=namespace, MetricName=name, StartTime=now - datetime.timedelta(hours=1), EndTime=now + datetime.timedelta(hours=1),
        Period=7200, Statistics=["Sum"], Dimensions=[{"Name": key, "Value": value} for key, value in dimensions.items()])
    return sum(point["Sum"] for point in answer["Datapoints"])


def run_jobs(function):
    """Until the day is added up: the first look only notes the time, and the job is due each minute."""
    deadline = time.monotonic() + JOBS_SECONDS
    while time.monotonic() < deadline:
        outcome = function.invoke({"millrace": "jobs"})
        expect(outcome.answered, f"jobs ended as {outcome.kind}: {outcome.body[:500]}")
        if any(run["job"] == "daily_sales" and run["status"] == "succeeded" for run in outcome.json()["runs"]):
            return
        time.sleep(5)
    raise AssertionError("no day was added up")


@slow
def test_from_the_template_to_the_scorecard(folder):
    if not postgres_server.programs():
        raise LeftOut("PostgreSQL is not installed")
    file = file_of(folder)
    shutil.copytree(EXAMPLE / "data", folder / "data")
    account, postgres = Account(folder, file), PostgresServer()
    api = DataApi(Redshift(postgres, account.store, roles=(ROLE, "default")))
    try:
        judge(folder, account, file, postgres, {"AWS_ENDPOINT_URL_REDSHIFT_DATA": api.url})
    finally:
        api.close()
        account.store.close()
        postgres.__exit__()


def judge(folder, account, file, postgres, more):
    (bucket,), (stream,) = account.of_type("AWS::S3::Bucket").values(), account.of_type("AWS::Kinesis::Stream").values()
    fill_lookups(account, folder, bucket)
    streamed, scheduled = (settings_of(account, folder, one, file, more) for one in account.functions())
    yesterday = (datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=1)).strftime("%Y-%m-%dT09:00:00Z")
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    with Function(scheduled) as batch, Function(streamed, 2) as function:
        expect(batch.invoke({"millrace": "jobs"}).answered, "the first look at the jobs")
        labels = generate(account, folder, stream, "yesterday", ORDERS_OF_YESTERDAY, yesterday, 1)
        labels += generate(account, folder, stream, "now", ORDERS_OF_NOW, now, 2)
        (folder / "labels.ndjson").write_text(labels)
        mapping = EventSourceMapping(KinesisStream(account.client("kinesis"), stream), function, batch_size=200, repeats=0.2)
        mapping.drain(120)
        run_jobs(batch)
        expect(batch.invoke({"millrace": "maintain"}).answered, "maintenance")
        expect_equal(function.violations + batch.violations, [], "what the runtime did wrong")
        namespaces = put_embedded_metrics(account, function)
    expect_equal(namespaces, {"Orders"}, "the namespace of the metrics")
    records = metric_sum(account, "Orders", "millrace_table_records_total", table="checked_orders")
    expect(records >= ORDERS_OF_YESTERDAY, f"CloudWatch has seen {records} records")
    scorecard(account, folder, bucket)
    check_claims(account, bucket, folder)
    check_warehouse(account, postgres, bucket, folder)


def scorecard(account, folder, bucket):
    command = [sys.executable, str(EXAMPLE / "scorecard.py"), str(folder / "labels.ndjson"), f"s3://{bucket}/tables", "--totals"]
    done = subprocess.run(command, env={**os.environ, **account.access}, capture_output=True, text=True, timeout=120, check=False)
    expect_equal(done.returncode, 0, f"the scorecard\n{done.stdout}{done.stderr}")
    expect_equal(done.stdout.count("pass  "), 4, f"its lines\n{done.stdout}")


def check_claims(account, bucket, folder):
    """The functions were told of the template's table, and claimed each key that has a row there, once."""
    from deltalake import DeltaTable
    account.store.fetch(bucket, "tables", folder / "claimed")
    keys = DeltaTable(str(folder / "claimed" / "checked_orders")).to_pyarrow_table(columns=["order_id"]).column(0).to_pylist()
    tables = account.of_type("AWS::DynamoDB::Table")
    pages = account.client("dynamodb").get_paginator("scan").paginate(TableName=tables["UniqueClaims"])
    items = [item for page in pages for item in page["Items"]]
    expect_equal((len(items), {len(item["claims"]["L"]) for item in items}), (len(set(keys)), {1}), "items of claims, and claims in each")


def check_warehouse(account, postgres, bucket, folder):
    from deltalake import DeltaTable
    account.store.fetch(bucket, "tables", folder / "copy")
    daily = DeltaTable(str(folder / "copy" / "daily_sales")).to_pyarrow_table().to_pylist()
    loaded = postgres.psql("SELECT day, customer_id, orders, total FROM sales.daily ORDER BY 1, 2")
    wanted = sorted(f"{row['day']}|{row['customer_id']}|{row['orders']}|{row['total']}" for row in daily)
    expect_equal(sorted(loaded), wanted, "what the warehouse has")
    expect(wanted, "the job has no rows")
