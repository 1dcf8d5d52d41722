#!/usr/bin/env python3
"""Judges how alerts come to SNS, SQS and Kinesis: the first two at moto, Kinesis at another millrace's own API, each read by boto3.

    MILLRACE=build/release/millrace BUILD=build/release python alerts_aws.py
"""
import json
import pathlib
import sys
import tempfile
import time

import boto3

from harness.millrace import Failure, Millrace
from harness.s3_store import REGION, S3Store

STREAMS = """
pipeline: streams
sources:
  frauds: {from: log, shards: 2, schema: {id: varchar}}
tables:
  seen: {from: frauds, sql: SELECT id FROM frauds}
"""
ALERTS = """
pipeline: judged
sources:
  events: {from: log, shards: 2, schema: {n: bigint}}
tables:
  kept: {from: events, sql: SELECT n FROM events, commit: {every: 200ms}}
alerts:
  odd:
    from: kept
    when: n % 2 = 1
    select: n
    group_by: n % 10
    send: {sns: "${TOPIC}", sqs: "${QUEUE}", kinesis: frauds}
"""
COUNT = 200
WANTED = list(range(1, COUNT, 2))


def client(service, endpoint, store):
    return boto3.client(service, endpoint_url=endpoint, region_name=REGION, aws_access_key_id=store.access_key,
                        aws_secret_access_key=store.secret_key)


def received(sqs, queue, count):
    messages, deadline = [], time.monotonic() + 60
    while len(messages) < count and time.monotonic() < deadline:
        answer = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, MessageAttributeNames=["All"], AttributeNames=["All"],
                                     WaitTimeSeconds=1)
        for message in answer.get("Messages", []):
            messages.append(message)
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    return messages


def numbers_of(bodies):
    return sorted(row["data"]["n"] for body in bodies for row in json.loads(body)["rows"])


def expect(holds, text):
    if not holds:
        raise Failure(text)


def check_kinesis(kinesis):
    data = []
    for shard in kinesis.list_shards(StreamName="frauds")["Shards"]:
        iterator = kinesis.get_shard_iterator(StreamName="frauds", ShardId=shard["ShardId"],
                                              ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
        for _ in range(20):
            answer = kinesis.get_records(ShardIterator=iterator, Limit=1000)
            data += answer["Records"]
            iterator = answer["NextShardIterator"]
    expect(numbers_of(record["Data"] for record in data) == WANTED, f"kinesis has {len(data)} records")
    for record in data:
        body = json.loads(record["Data"])
        expect(record["PartitionKey"] == body["group"], f"partition {record['PartitionKey']}: {body}")


def judge(folder, store):
    sqs, sns = client("sqs", store.url, store), client("sns", store.url, store)
    queue = sqs.create_queue(QueueName="odd.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
    topic = sns.create_topic(Name="odd")["TopicArn"]
    told = sqs.create_queue(QueueName="told")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=told, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"})
    (folder / "streams").mkdir()
    (folder / "alerts").mkdir()
    (folder / "streams" / "pipeline.yaml").write_text(STREAMS)
    (folder / "alerts" / "pipeline.yaml").write_text(ALERTS)
    with Millrace(folder / "streams").start() as streams:
        streams_url = f"http://127.0.0.1:{streams.port}"
        environment = {**store.environment(), "AWS_ENDPOINT_URL": store.url, "AWS_ENDPOINT_URL_KINESIS": streams_url,
                       "TOPIC": topic, "QUEUE": queue}
        with Millrace(folder / "alerts", environment=environment).start() as millrace:
            millrace.send("events", "".join(f'{{"n":{n}}}\n' for n in range(COUNT)).encode())
            millrace.wait_for("all were sent",
                              lambda: len(millrace.query("SELECT id FROM _alerts WHERE outcome = 'sent'")) == 3 * len(WANTED))
            messages = received(sqs, queue, len(WANTED))
            expect(numbers_of(message["Body"] for message in messages) == WANTED, f"sqs has {len(messages)} messages")
            for message in messages:
                body = json.loads(message["Body"])
                expect(message["MessageAttributes"]["id"]["StringValue"] == body["id"], f"attributes {message['MessageAttributes']}")
                expect(message["Attributes"]["MessageDeduplicationId"] == body["id"], f"attributes {message['Attributes']}")
                expect(message["Attributes"]["MessageGroupId"] == body["group"], f"attributes {message['Attributes']}")
            messages = received(sqs, told, len(WANTED))
            expect(numbers_of(message["Body"] for message in messages) == WANTED, f"sns told {len(messages)} messages")
            check_kinesis(client("kinesis", streams_url, store))
            sqs.delete_queue(QueueUrl=queue)
            millrace.send("events", b'{"n":1001}\n')
            millrace.wait_for("a queue that is gone is an error", lambda: any(
                one["target"] == "sqs" and (one["error"] or int(one["dead"]) > 0)
                for one in millrace.json("GET", "/v1/alerts?limit=0")["deliveries"]))
            millrace.stop()
        streams.stop()


def main():
    with tempfile.TemporaryDirectory(prefix="millrace_alerts_") as folder:
        store = S3Store(pathlib.Path(folder) / "store")
        try:
            judge(pathlib.Path(folder), store)
        except Failure as failure:
            print(failure)
            return 1
        finally:
            store.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
