#!/usr/bin/env python3
"""Judges `millrace deploy aws`: templates by cfn-lint, policies by their wildcards, stacks as moto makes and deletes them, schedules by
the times at which they fire, and `millrace lookup load` by what boto3 reads.

    BUILD=build/release python template.py [--only NAME] [--seed N]
"""
import argparse
import datetime
import io
import json
import os
import pathlib
import random
import re
import subprocess
import sys
import tempfile
import zipfile

from judges import cron
from harness.millrace import BINARY, Failure
from harness.s3_store import S3Store
from harness.stack import Stack, client, known_types
from moto import mock_aws

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
EXAMPLES = ROOT / "examples"
RICH = pathlib.Path(__file__).resolve().parent.parent / "judges" / "template_rich.yaml"
# moto passes over these; cfn-lint alone looks at them.
UNKNOWN_TO_MOTO = {"AWS::CloudWatch::Alarm", "AWS::CloudWatch::Dashboard", "AWS::Glue::Job", "AWS::Kinesis::StreamConsumer",
                   "AWS::Lambda::EventInvokeConfig", "AWS::RedshiftServerless::Namespace", "AWS::RedshiftServerless::Workgroup",
                   "AWS::S3::BucketPolicy", "AWS::SNS::Subscription", "AWS::Scheduler::Schedule", "AWS::Scheduler::ScheduleGroup"}
VARIANTS = {
    "orders": (EXAMPLES / "orders/orders_aws.yaml", []),
    "orders_image": (EXAMPLES / "orders/orders_aws.yaml", ["--code", "image", "--on-demand", "--stage", "test"]),
    "orders_fargate": (EXAMPLES / "orders/orders_aws.yaml", ["--worker", "fargate", "--memory", "4096"]),
    "orders_large": (EXAMPLES / "orders/orders_aws.yaml", ["--rate", "50000", "--burst", "3", "--retention", "7d", "--window", "5"]),
    "orders_there": (EXAMPLES / "orders/orders_aws.yaml", ["--existing", "ORDERS_BUCKET", "--existing", "ORDERS_STREAM"]),
    "rich": (RICH, ["--on-delete", "delete"]),
    "rich_fargate": (RICH, ["--worker", "fargate", "--on-delete", "delete"]),
}


def check(claim, what):
    if not claim:
        raise Failure(what)


def call(*arguments, environment=None):
    return subprocess.run([BINARY, *map(str, arguments)], capture_output=True, text=True, timeout=120, check=False,
                          env={**os.environ, **(environment or {})})


def written(folder, variant):
    file, options = VARIANTS[variant]
    out = folder / variant
    done = call("deploy", "aws", file, "--out", out, *options)
    check(done.returncode == 0, f"{variant}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return out


def template_of(out):
    return json.loads((out / "template.json").read_text())


def judge_lint(folder):
    outs = [written(folder, variant) for variant in VARIANTS]
    program = pathlib.Path(sys.executable).parent / "cfn-lint"
    lint = subprocess.run([program, *(out / "template.json" for out in outs)], capture_output=True, text=True, check=False,
                          env={**os.environ, "AWS_DEFAULT_REGION": "eu-central-1"})
    check(lint.returncode == 0, f"cfn-lint:\n{lint.stdout}{lint.stderr}")


def judge_bytes(folder):
    for variant in VARIANTS:
        out = written(folder, variant)
        first = {path.name: path.read_bytes() for path in out.iterdir()}
        check(set(first) == {"template.json", "parameters.json", "README.md"}, f"{variant}: {sorted(first)}")
        written(folder, variant)
        check(first == {path.name: path.read_bytes() for path in out.iterdir()}, f"{variant}: written twice, and not the same")
        check(str(ROOT) not in "".join(text.decode() for text in first.values()), f"{variant}: a path of this machine")


def judge_policies(folder):
    for variant in VARIANTS:
        for name, role in template_of(written(folder, variant))["Resources"].items():
            if role["Type"] == "AWS::IAM::Role":
                check_role(f"{variant} {name}", role)


def check_role(name, role):
    reasons = role.get("Metadata", {}).get("AllResources", {})
    for policy in role["Properties"]["Policies"]:
        for statement in policy["PolicyDocument"]["Statement"]:
            actions, resources = statement["Action"], statement["Resource"]
            check(not any("*" in action for action in actions), f"{name}: actions {actions}")
            for resource in resources if isinstance(resources, list) else [resources]:
                text = resource if isinstance(resource, str) else json.dumps(resource)
                is_wide = text == "*" or re.search(r":(stream|table|job|workgroup|function|topic|queue)[/:]\*", text)
                check(not is_wide or reasons.get(statement["Sid"]), f"{name}: {statement['Sid']} is for {text}, and does not say why")
    for sid in reasons:
        check(sid in json.dumps(role["Properties"]), f"{name}: a reason for {sid}, which is not there")


def judge_metrics(folder):
    """Each metric of ours that an alarm or the dashboard names is one that the program writes."""
    sources = "".join(path.read_text() for path in (ROOT / "src").glob("*/events.cpp"))
    sources += "".join(path.read_text() for path in (ROOT / "src").glob("*/*_events.cpp"))
    for variant in VARIANTS:
        names = set(re.findall(r"\bmillrace_[a-z_]+", (written(folder, variant) / "template.json").read_text()))
        check(len(names) > 5, f"{variant}: {names}")
        missing = {name for name in names if f'"{name}"' not in sources} - {"millrace_spark"}
        check(not missing, f"{variant}: nobody writes {missing}")


def judge_stacks(folder):
    for variant in VARIANTS:
        with mock_aws():
            make_stack(folder, variant)
    check("AWS::Kinesis::Stream" in known_types(), "moto knows no streams any more")


def make_stack(folder, variant):
    bucket = client("s3")
    bucket.create_bucket(Bucket="code", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        file.writestr("bootstrap", "#!/bin/sh\n")
    bucket.put_object(Bucket="code", Key="code.zip", Body=packed.getvalue())
    if variant == "orders_there":
        bucket.create_bucket(Bucket="my-orders", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
        client("kinesis").create_stream(StreamName="orders", ShardCount=1)
    stack = Stack(written(folder, variant), variant.replace("_", "-"))
    check(stack.status == "CREATE_COMPLETE", f"{variant}: {stack.status}")
    unknown = {template_of(folder / variant)["Resources"][name]["Type"] for name in stack.unknown}
    check(unknown <= UNKNOWN_TO_MOTO, f"{variant}: moto does not know {unknown - UNKNOWN_TO_MOTO}")
    absent = {name for name, resource in stack.template["Resources"].items() if "Condition" not in resource} - set(stack.made)
    check(not absent, f"{variant}: not made: {absent}")
    LOOKS.get(variant, lambda stack: None)(stack)
    check(stack.delete() == ["DELETE_COMPLETE"], f"{variant}: not deleted")
    check_what_is_left(variant, "delete" in VARIANTS[variant][1])


def check_what_is_left(variant, goes):
    """The data of stacks that keep them, and nothing else."""
    roles = [role["RoleName"] for role in client("iam").list_roles()["Roles"] if not role["Path"].startswith("/aws-service-role")]
    functions = client("lambda").list_functions()["Functions"]
    check(not roles and not functions, f"{variant}: left: {roles} {functions}")
    data = client("dynamodb").list_tables()["TableNames"] + client("kinesis").list_streams()["StreamNames"]
    data += [bucket["Name"] for bucket in client("s3").list_buckets()["Buckets"] if bucket["Name"] != "code"]
    check(not (goes and data), f"{variant}: left: {data}")
    check(goes or data, f"{variant}: the data are gone")


def look_at_orders(stack):
    stream = client("kinesis").describe_stream_summary(StreamName="shop-prod-orders")["StreamDescriptionSummary"]
    check(stream["OpenShardCount"] == 2 and stream["RetentionPeriodHours"] == 24, f"the stream: {stream}")
    lake = "shop-prod-lake-123456789012-eu-central-1"
    check(stack.outputs["LakeBucketName"] == lake, f"the bucket: {stack.outputs}")
    buckets = client("s3")
    rules = buckets.get_bucket_encryption(Bucket=lake)["ServerSideEncryptionConfiguration"]["Rules"]
    check(rules, "the bucket is not encrypted")
    resources = template_of(stack.folder)["Resources"]
    blocked = resources["LakeBucket"]["Properties"]["PublicAccessBlockConfiguration"]
    check(list(blocked.values()) == [True] * 4, f"the bucket is open: {blocked}")
    policy = resources["LakeBucketPolicy"]["Properties"]["PolicyDocument"]["Statement"][0]
    check(policy["Effect"] == "Deny" and policy["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}, f"without TLS: {policy}")
    function = client("lambda").get_function_configuration(FunctionName="shop-prod-stream")
    wanted = {"ORDERS_BUCKET": lake, "ORDERS_STREAM": "shop-prod-orders", "FRAUD_WEBHOOK": "",
              "MILLRACE_PIPELINE": "/var/task/pipeline.yaml", "MILLRACE_DATA": "/tmp/millrace",
              "MILLRACE_CLAIMS_TABLE": "shop-prod-unique-claims"}
    check(function["Environment"]["Variables"] == wanted, f"the environment: {function['Environment']}")
    check((function["Runtime"], function["Handler"]) == ("provided.al2023", "bootstrap"), f"the function: {function}")
    mapping = client("lambda").list_event_source_mappings(FunctionName="shop-prod-stream")["EventSourceMappings"][0]
    check(mapping["EventSourceArn"].endswith(":stream/shop-prod-orders"), f"the mapping: {mapping}")
    properties = stack.template["Resources"]["OrdersMapping"]["Properties"]
    wanted = {"ParallelizationFactor": 1, "MaximumRetryAttempts": -1, "MaximumRecordAgeInSeconds": -1,
              "FunctionResponseTypes": ["ReportBatchItemFailures"], "BisectBatchOnFunctionError": False, "StartingPosition": "TRIM_HORIZON"}
    check(wanted.items() <= properties.items(), f"the mapping: {properties}")
    alarms = {one["Properties"]["AlarmName"] for one in resources.values() if one["Type"] == "AWS::CloudWatch::Alarm"}
    wanted = {f"shop-prod-{name}" for name in ("lag", "errors", "throttles", "jobs-errors", "rejects", "orders-late", "daily_sales-missed")}
    check(wanted <= alarms, f"alarms: {alarms}")


def look_at_rich(stack):
    tables = client("dynamodb")
    customers = tables.describe_table(TableName="rich-prod-customers")["Table"]
    check(customers["AttributeDefinitions"] == [{"AttributeName": "customer_id", "AttributeType": "N"}], f"the key: {customers}")
    backups = stack.template["Resources"]["CustomersTable"]["Properties"]["PointInTimeRecoverySpecification"]
    check(backups == {"PointInTimeRecoveryEnabled": True}, f"backups: {backups}")
    check("fixed_names" in tables.list_tables()["TableNames"], "a name that the file fixes is not kept")
    topics = {topic["TopicArn"].rsplit(":", 1)[1] for topic in client("sns").list_topics()["Topics"]}
    check({"rich-prod-alarm-topic", "rich-prod-fraud"} <= topics, f"topics: {topics}")


LOOKS = {"orders": look_at_orders, "rich": look_at_rich, "rich_fargate": look_at_rich}


def numbers(text, first, last):
    found = set()
    for item in text.split(","):
        low, _, high = item.partition("-")
        found |= set(range(first, last + 1)) if item in "*?" else set(range(int(low), int(high or low) + 1))
    return found


def firings(expression, start, days):
    """When EventBridge's cron(minute hour day month week-day year) fires, in UTC: Sunday is day 1, and exactly one of both days is `?`."""
    minute, hour, day, month, week_day, year = re.fullmatch(r"cron\((.+)\)", expression)[1].split(" ")
    check((day == "?") != (week_day == "?") and year == "*", f"EventBridge refuses {expression}")
    days_of_month, months, week_days = numbers(day, 1, 31), numbers(month, 1, 12), numbers(week_day, 1, 7)
    times = [(one, other) for one in sorted(numbers(hour, 0, 23)) for other in sorted(numbers(minute, 0, 59))]
    for offset in range(days):
        date = start + datetime.timedelta(days=offset)
        if date.month in months and date.day in days_of_month and date.isoweekday() % 7 + 1 in week_days:
            for one, other in times:
                yield int((date + datetime.timedelta(hours=one, minutes=other)).timestamp())


def judge_schedules(folder):
    rng = random.Random(OPTIONS.seed)
    nicknames = ["@hourly", "@daily", "@weekly", "@monthly", "@yearly", "0 0 13 * FRI", "0 0 * * 7", "59 23 31 12 *", "0 0 29 2 *"]
    texts = nicknames + [cron.expression(rng) for _ in range(70)]
    jobs = "".join(f'  j{at}: {{at: "{text}", sql: SELECT count(*) AS n FROM kept}}\n' for at, text in enumerate(texts))
    file = folder / "many.yaml"
    file.write_text("pipeline: many\nlake: s3://${LAKE:-lake}/t\nsources:\n  s: {from: kinesis, schema: {a: varchar}}\n"
                    f"tables:\n  kept: {{from: s, sql: SELECT a FROM s}}\njobs:\n{jobs}")
    refused = set()
    while True:
        done = call("deploy", "aws", file, "--out", folder / "many")
        if done.returncode == 0:
            break
        more = set(re.findall(r"job '(j\d+)': the schedule .* at once", done.stderr))
        check(more, f"{done.stdout}{done.stderr}")
        refused |= more
        file.write_text(re.sub(r"(?m)^  (" + "|".join(more) + r"): .*\n", "", file.read_text()))
    compare(texts, refused, template_of(folder / "many"))


def compare(texts, refused, template):
    start = datetime.datetime(2027, 1, 1, tzinfo=datetime.timezone.utc)
    days = 1500
    asked = "".join(f"400\t{text}\tUTC\t{start - datetime.timedelta(seconds=1):%Y-%m-%dT%H:%M:%SZ}\n" for text in texts)
    program = pathlib.Path(os.environ.get("BUILD", "build/release"), "src/config/cron_times")
    ours = subprocess.run([program], input=asked, capture_output=True, text=True, check=True).stdout.splitlines()
    resources, compared = template["Resources"], 0
    for at, (text, line) in enumerate(zip(texts, ours, strict=True)):
        fields = text.split()
        if f"j{at}" in refused:
            is_both = "*" not in (fields[2], fields[4]) and "*" in (fields[2][0], fields[4][0])
            check(is_both, f"{text} was refused, and can be said")
            continue
        expressions = [resources[f"J{at}Schedule{end}"]["Properties"]["ScheduleExpression"]
                       for end in ("", "2") if f"J{at}Schedule{end}" in resources]
        theirs = sorted({time for expression in expressions for time in firings(expression, start, days)})
        wanted = [int(time) for time in line.split()]
        count = sum(time <= start.timestamp() + days * 86400 - 1 for time in wanted)
        check(theirs[:count] == wanted[:count], f"{text}: {expressions}\nours   {wanted[:5]}\ntheirs {theirs[:5]}")
        compared += count
    check(compared > 5000, f"only {compared} times were compared")


LOOKUP = """
pipeline: shop
lake: s3://lake/t
sources:
  orders: {from: kinesis, schema: {order_id: varchar, customer_id: varchar}}
lookups:
  customers: {from: "dynamodb://customers", key: customer_id, columns: {customer_id: varchar, zip: varchar, balance: "decimal(12,2)"}}
tables:
  kept: {from: orders, lookups: {customers: customer_id}, sql: SELECT order_id FROM orders}
"""


def judge_lookup_load(folder):
    store = S3Store(folder / "moto", checks_signatures=False)
    try:
        environment = store.environment() | {"AWS_ENDPOINT_URL_DYNAMODB": store.url}
        tables = store.boto3("dynamodb")
        tables.create_table(TableName="customers", BillingMode="PAY_PER_REQUEST",
                            AttributeDefinitions=[{"AttributeName": "customer_id", "AttributeType": "S"}],
                            KeySchema=[{"AttributeName": "customer_id", "KeyType": "HASH"}])
        file, rows = folder / "shop.yaml", folder / "customers.csv"
        file.write_text(LOOKUP)
        lines = [f'{at:04},"Name, {at}",{at % 100:05},{at}.50,{"" if at % 3 else "gold"},{at}' for at in range(730)]
        rows.write_text("customer_id,name,zip,balance,level,age\n" + "\n".join(lines) + "\n")
        done = call("lookup", "load", file, "customers", "--from", rows, environment=environment)
        check(done.returncode == 0 and "730 items" in done.stdout, f"{done.stdout}{done.stderr}")
        items = {item["customer_id"]["S"]: item for page in tables.get_paginator("scan").paginate(TableName="customers")
                 for item in page["Items"]}
        check(len(items) == 730, f"{len(items)} items")
        wanted = {"customer_id": {"S": "0007"}, "name": {"S": "Name, 7"}, "zip": {"S": "00007"}, "balance": {"N": "7.50"},
                  "age": {"N": "7"}}
        check(items["0007"] == wanted, f"{items['0007']}")
        check(items["0006"]["level"] == {"S": "gold"}, f"{items['0006']}")
        refuse_loads(file, folder, environment)
    finally:
        store.close()


def refuse_loads(file, folder, environment):
    twice, nameless, empty = folder / "twice.csv", folder / "nameless.csv", folder / "empty.csv"
    twice.write_text("customer_id,name\na,1\na,2\n")
    nameless.write_text("customer,name\na,1\n")
    empty.write_text("customer_id,name\na,1\n,2\n")
    for path, lookup, words in [(twice, "customers", "'a' occurs more than once"), (nameless, "customers", "no column 'customer_id'"),
                                (empty, "customers", "1 rows have no 'customer_id'"), (folder / "gone.csv", "customers", "no such file"),
                                (twice, "customer", "did you mean 'customers'")]:
        done = call("lookup", "load", file, lookup, "--from", path, environment=environment)
        check(done.returncode != 0 and words in done.stderr, f"{path.name}: {done.returncode} {done.stderr}")


def judge_files(folder):
    """What others wrote is left alone, values that somebody filled in stay, and a plan writes nothing."""
    out = folder / "files"
    out.mkdir()
    (out / "README.md").write_text("mine\n")
    done = call("deploy", "aws", VARIANTS["orders"][0], "--out", out)
    check(done.returncode == 2 and "did not write it" in done.stderr, f"{done.returncode} {done.stderr}")
    check((out / "README.md").read_text() == "mine\n" and len(list(out.iterdir())) == 1, "something was written")
    (out / "README.md").unlink()
    call("deploy", "aws", VARIANTS["orders"][0], "--out", out)
    parameters = (out / "parameters.json").read_text().replace('"AlarmEmail",\n    "ParameterValue": ""',
                                                               '"AlarmEmail",\n    "ParameterValue": "a@b.c"')
    (out / "parameters.json").write_text(parameters)
    call("deploy", "aws", VARIANTS["orders"][0], "--out", out)
    check("a@b.c" in (out / "parameters.json").read_text(), "a value that was filled in is gone")
    done = call("deploy", "aws", VARIANTS["orders"][0], "--plan", "--out", folder / "none")
    check(done.returncode == 0 and "Kinesis::Stream" in done.stdout and "together" in done.stdout, f"{done.stdout}{done.stderr}")
    check(not (folder / "none").exists(), "a plan was written")
    plan = json.loads(call("deploy", "aws", VARIANTS["orders"][0], "--plan", "--output", "json").stdout)
    check(abs(plan["dollars_a_month"] - sum(cost["dollars"] for cost in plan["costs"])) < 1e-6, f"{plan}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    global OPTIONS  # noqa: PLW0603
    OPTIONS = parser.parse_args()
    code = 0
    for name, judge in [(name, judge) for name, judge in sorted(globals().items()) if name.startswith("judge_") and OPTIONS.only in name]:
        with tempfile.TemporaryDirectory(prefix="millrace_template_") as folder:
            try:
                judge(pathlib.Path(folder))
            except Failure as failure:
                print(f"{name} (--seed {OPTIONS.seed}): {failure}")
                code = 1
    return code


if __name__ == "__main__":
    sys.exit(main())
