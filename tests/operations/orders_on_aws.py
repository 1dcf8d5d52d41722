"""examples/orders/orders_aws.yaml against stand-ins: our own Kinesis API, an S3 server, moto's CloudWatch."""
import difflib
import os
import pathlib
import shutil
import subprocess
import sys

from harness.millrace import BINARY, Failure, Millrace
from harness.s3_store import REGION, S3Store, versitygw
from operations import expect, expect_equal, expect_texts

EXAMPLE = pathlib.Path(__file__).resolve().parents[2] / "examples" / "orders"
BUCKET = "my-orders"
ORDERS = 400
CHECKED = ("SELECT order_id, customer_id, amount, currency, country, ts, segment, is_fraud, day FROM checked_orders "
           "ORDER BY order_id")
REJECTS = "SELECT reason, count(*) FROM _rejects GROUP BY ALL ORDER BY ALL"
ONLY_THERE = {"from", "shards", "partition_key"}
ONLY_ON_AWS = {"lake", "metrics", "from", "stream"}


def lines_of(name):
    """Without comments."""
    lines = [line.split(" #")[0].rstrip() for line in (EXAMPLE / name).read_text().splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


def test_differ_only_where_they_must(folder):
    changes = [line for line in difflib.ndiff(lines_of("orders.yaml"), lines_of("orders_aws.yaml")) if line[0] in "+-"]
    for sign, allowed in (("-", ONLY_THERE), ("+", ONLY_ON_AWS)):
        keys = {line[1:].split(":")[0].strip() for line in changes if line[0] == sign}
        expect_equal(keys, allowed, f"what is on {sign} lines only")


def validate(environment):
    return subprocess.run([BINARY, "validate", EXAMPLE / "orders_aws.yaml"], env=environment, capture_output=True, text=True, timeout=60,
                          check=False)


def test_validate_says_which_lookup_cannot_be_read(folder):
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "ORDERS_"))}
    done = validate({**clean, "HOME": str(folder), "AWS_EC2_METADATA_DISABLED": "true"})
    expect_equal(done.returncode, 2, "the exit code of validate without AWS")
    expect_texts(done.stdout + done.stderr, "lookup 'customers'", "AWS_REGION")


def environment_of(store, cloudwatch, here):
    return {**store.environment(), "AWS_ENDPOINT_URL_KINESIS": f"http://127.0.0.1:{here.port}",
            "AWS_ENDPOINT_URL_CLOUDWATCH": cloudwatch.url, "ORDERS_BUCKET": BUCKET}


def produce(millrace):
    command = [sys.executable, str(EXAMPLE / "producer.py"), "--endpoint", f"http://127.0.0.1:{millrace.port}", "--rate", "2000",
               "--count", str(ORDERS), "--seed", "7"]
    done = subprocess.run(command, env={**os.environ, "AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION}, capture_output=True, text=True,
                          timeout=60, check=False)
    expect_equal(done.returncode, 0, f"the producer's exit code ({done.stderr})")


def test_gives_the_same_rows(folder):
    """One producer, one stream: orders.yaml has it as its own, orders_aws.yaml reads it from there over the Kinesis API."""
    for name in ("here", "aws"):
        shutil.copytree(EXAMPLE, folder / name)
    store = S3Store(folder / "s3", versitygw(), checks_signatures=False)
    cloudwatch = S3Store(folder / "cloudwatch", checks_signatures=False) if store.binary else store
    try:
        store.boto3().create_bucket(Bucket=BUCKET)
        for path in (EXAMPLE / "data").glob("*.csv"):
            store.boto3().upload_file(str(path), BUCKET, f"lookups/{path.name}")
        with Millrace(folder / "here", "orders.yaml").start() as here:
            checked = validate({**os.environ, **environment_of(store, cloudwatch, here)})
            expect_equal(checked.returncode, 0, f"the exit code of validate ({checked.stdout}{checked.stderr})")
            with Millrace(folder / "aws", "orders_aws.yaml", environment=environment_of(store, cloudwatch, here)).start() as aws:
                produce(here)
                here.catch_up()
                wanted = here.query(CHECKED), here.query(REJECTS)
                expect(len(wanted[0]) > ORDERS / 2, f"only {len(wanted[0])} rows")
                aws.wait_for("all orders came over Kinesis",
                             lambda: len(aws.query(CHECKED)) + sum(int(row[1]) for row in aws.query(REJECTS)) >= ORDERS)
                if (aws.query(CHECKED), aws.query(REJECTS)) != wanted:
                    raise Failure(f"the rows differ: {aws.query(REJECTS)}, not {wanted[1]}")
                aws.stop()
            here.stop()
        expect(any("/_delta_log/" in key for key in store.keys(BUCKET, "tables/checked_orders/")), "no table on S3")
        names = {metric["MetricName"] for metric in cloudwatch.boto3("cloudwatch").list_metrics(Namespace="Orders")["Metrics"]}
        expect("millrace_table_rows_total" in names, f"the metrics in CloudWatch are {names}")
    finally:
        store.close()
        if cloudwatch is not store:
            cloudwatch.close()
