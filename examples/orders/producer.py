#!/usr/bin/env python3
"""Puts orders to a Kinesis stream with boto3: into a running millrace or into AWS, by the same code.

    ./producer.py --endpoint http://127.0.0.1:8080     # millrace run orders.yaml
    ./producer.py --stream orders                      # the stream 'orders' of your AWS account

Without keys in the environment or in ~/.aws any will do for millrace, if it was started without --aws-keys.
"""
import argparse
import random
import sys
import time

import boto3
from botocore.config import Config

from produce import make_order

BATCH_RECORDS_MAX = 500
RETRIABLE = {"ProvisionedThroughputExceededException", "InternalFailure"}


def client_of(options):
    session = boto3.Session()
    keys = {}
    if options.endpoint and session.get_credentials() is None:
        keys = {"aws_access_key_id": "any", "aws_secret_access_key": "any"}
    region = session.region_name or "us-east-1"
    return session.client("kinesis", endpoint_url=options.endpoint, region_name=region, config=Config(retries={"mode": "standard"}), **keys)


def put(kinesis, stream, records):
    """Puts all of them; those that are refused for the moment are put again, a little later each time."""
    wait = 0.05
    while records:
        answer = kinesis.put_records(StreamName=stream, Records=records)
        if not answer["FailedRecordCount"]:
            return
        codes = {result["ErrorCode"] for result in answer["Records"] if "ErrorCode" in result}
        if codes - RETRIABLE:
            raise RuntimeError(f"records are refused: {codes}")
        records = [record for record, result in zip(records, answer["Records"]) if "ErrorCode" in result]
        time.sleep(wait * random.uniform(0.5, 1))
        wait = min(wait * 2, 5)


def main():
    parser = argparse.ArgumentParser(description="Puts generated orders to a Kinesis stream.")
    parser.add_argument("--endpoint", help="millrace's address; without it: AWS")
    parser.add_argument("--stream", default="orders")
    parser.add_argument("--rate", type=float, default=100, help="orders a second (%(default)s)")
    parser.add_argument("--count", type=int, default=1000, help="how many (%(default)s)")
    parser.add_argument("--batch", type=int, default=50, help="orders in a request (%(default)s)")
    parser.add_argument("--seed", type=int, help="for the same orders again")
    options = parser.parse_args()
    if options.rate <= 0 or options.count < 0 or not 1 <= options.batch <= BATCH_RECORDS_MAX:
        parser.error(f"--rate must be above 0, --count not below it, --batch from 1 to {BATCH_RECORDS_MAX}")
    kinesis = client_of(options)
    source = random.Random(options.seed)
    started, sent = time.monotonic(), 0
    while sent < options.count:
        orders = [make_order(source, sent + index) for index in range(min(options.batch, options.count - sent))]
        put(kinesis, options.stream, [{"Data": order.encode(), "PartitionKey": customer_of(order)} for order in orders])
        sent += len(orders)
        time.sleep(max(0, started + sent / options.rate - time.monotonic()))
    print(f"{sent} orders put to {options.stream} in {time.monotonic() - started:.1f} s", file=sys.stderr)


def customer_of(order):
    """Orders of one customer keep their order: they go to one shard."""
    return order.split('"customer_id": "', 1)[1].split('"', 1)[0]


if __name__ == "__main__":
    main()
