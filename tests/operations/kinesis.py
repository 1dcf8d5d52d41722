"""boto3, as users' producers and consumers use it, against a running millrace."""
import pathlib
import subprocess
import sys

from harness.millrace import Failure
from operations import expect, expect_equal
from operations.bench_pipeline import started

ROOT = pathlib.Path(__file__).resolve().parents[2]
LIST_STREAMS = {"X-Amz-Target": "Kinesis_20131202.ListStreams", "Content-Type": "application/x-amz-json-1.1"}
KEYS = ("AKIDEXAMPLE12345", "secretsecretsecret")


def client(millrace, keys=KEYS):
    import boto3
    from botocore.config import Config
    return boto3.client("kinesis", endpoint_url=f"http://127.0.0.1:{millrace.port}", region_name="eu-central-1", aws_access_key_id=keys[0],
                        aws_secret_access_key=keys[1], config=Config(retries={"max_attempts": 1}))


def row(n):
    return {"Data": f'{{"n":{n},"name":"name {n}"}}\n'.encode(), "PartitionKey": f"key {n}"}


def rows(millrace):
    millrace.catch_up()
    return [int(line[0]) for line in millrace.query("SELECT n FROM kept ORDER BY n")]


def expect_error(name, call, **arguments):
    from botocore.exceptions import ClientError
    try:
        call(**arguments)
    except ClientError as error:
        expect_equal(error.response["Error"]["Code"], name, "the error")
        return error.response["Error"]["Message"]
    raise Failure(f"{name} did not come")


def read_all(kinesis, stream, start="TRIM_HORIZON"):
    """The data of all records, shard by shard, parents before their children, each once."""
    data, shards = [], {shard["ShardId"]: shard for shard in kinesis.list_shards(StreamName=stream)["Shards"]}
    for shard in sorted(shards):
        iterator = kinesis.get_shard_iterator(StreamName=stream, ShardId=shard, ShardIteratorType=start)["ShardIterator"]
        while iterator:
            answer = kinesis.get_records(ShardIterator=iterator, Limit=100)
            data += [record["Data"] for record in answer["Records"]]
            if not answer["Records"] and answer["MillisBehindLatest"] == 0:
                break
            iterator = answer.get("NextShardIterator")
    return data


def test_records_put_are_rows(folder):
    with started(folder) as millrace:
        kinesis = client(millrace)
        answer = kinesis.put_record(StreamName="events", **row(0))
        expect_equal(int(answer["SequenceNumber"]).bit_length(), 186, "the bits of a sequence number")
        answer = kinesis.put_records(StreamName="events", Records=[row(n) for n in range(1, 500)])
        expect_equal(answer["FailedRecordCount"], 0, "the records that failed")
        expect_equal({record["ShardId"] for record in answer["Records"]}, {"shardId-000000000000", "shardId-000000000001"}, "the shards")
        expect_equal(rows(millrace), list(range(500)), "the rows")
        millrace.request("POST", "/v1/streams/events/records", b'{"n":500}', {"Content-Type": "application/x-ndjson"})
        expect_equal(len(read_all(kinesis, "events")), 501, "the records read, also those that came over HTTP")
        millrace.stop()


def test_streams_and_shards(folder):
    with started(folder) as millrace:
        kinesis = client(millrace)
        kinesis.create_stream(StreamName="made", ShardCount=2, Tags={"team": "web"})
        kinesis.get_waiter("stream_exists").wait(StreamName="made")
        expect_equal(kinesis.list_streams()["StreamNames"], ["events", "made"], "the streams")
        summary = kinesis.describe_stream_summary(StreamName="made")["StreamDescriptionSummary"]
        expect_equal((summary["OpenShardCount"], summary["RetentionPeriodHours"]), (2, 24), "shards and hours")
        expect_equal(summary["StreamARN"], "arn:aws:kinesis:eu-central-1:000000000000:stream/made", "the ARN")
        kinesis.put_records(StreamARN=summary["StreamARN"], Records=[row(n) for n in range(100)])
        kinesis.split_shard(StreamName="made", ShardToSplit="shardId-000000000000", NewStartingHashKey=str(2**126))
        kinesis.put_records(StreamName="made", Records=[row(n) for n in range(100, 200)])
        kinesis.merge_shards(StreamName="made", ShardToMerge="shardId-000000000003", AdjacentShardToMerge="shardId-000000000001")
        kinesis.update_shard_count(StreamName="made", TargetShardCount=4, ScalingType="UNIFORM_SCALING")
        expect_equal(kinesis.describe_stream_summary(StreamName="made")["StreamDescriptionSummary"]["OpenShardCount"], 4, "the open shards")
        kinesis.put_records(StreamName="made", Records=[row(n) for n in range(200, 300)])
        wanted = sorted(row(n)["Data"] for n in range(300))
        expect_equal(sorted(read_all(kinesis, "made")), wanted, "the records of all shards")
        latest = kinesis.list_shards(StreamName="made", ShardFilter={"Type": "AT_LATEST"})["Shards"]
        ranges = sorted((int(s["HashKeyRange"]["StartingHashKey"]), int(s["HashKeyRange"]["EndingHashKey"])) for s in latest)
        expect_equal([first for first, _ in ranges] + [2**128], [0] + [last + 1 for _, last in ranges], "the borders of the open shards")
        first = kinesis.list_shards(StreamName="made", MaxResults=3)
        rest = kinesis.list_shards(NextToken=first["NextToken"])["Shards"]
        every = kinesis.describe_stream(StreamName="made")["StreamDescription"]["Shards"]
        expect_equal(first["Shards"] + rest, every, "the shards listed in two pages")
        millrace.kill()
        millrace.start()
        kinesis = client(millrace)
        expect_equal(kinesis.describe_stream(StreamName="made")["StreamDescription"]["Shards"], every, "the shards after a kill")
        expect_equal(sorted(read_all(kinesis, "made")), wanted, "the records after a kill")
        kinesis.delete_stream(StreamName="made")
        expect_error("ResourceNotFoundException", kinesis.describe_stream, StreamName="made")
        expect_error("ResourceInUseException", kinesis.delete_stream, StreamName="events")
        millrace.stop()


def test_resharded_source_keeps_every_row(folder):
    with started(folder) as millrace:
        kinesis = client(millrace)
        done = 0
        for target in (4, 2, 1, 2, 3):
            kinesis.put_records(StreamName="events", Records=[row(n) for n in range(done, done + 100)])
            done += 100
            kinesis.update_shard_count(StreamName="events", TargetShardCount=target, ScalingType="UNIFORM_SCALING")
            if target == 1:
                millrace.kill()
                millrace.start()
                kinesis = client(millrace)
        kinesis.put_records(StreamName="events", Records=[row(n) for n in range(done, done + 100)])
        expect_equal(rows(millrace), list(range(done + 100)), "the rows")
        millrace.stop()
        millrace.start()
        expect_equal(rows(millrace), list(range(done + 100)), "the rows after a restart")
        millrace.stop()


def test_settings_of_a_stream(folder):
    with started(folder) as millrace:
        kinesis = client(millrace)
        kinesis.increase_stream_retention_period(StreamName="events", RetentionPeriodHours=400)
        kinesis.decrease_stream_retention_period(StreamName="events", RetentionPeriodHours=300)
        expect_error("InvalidArgumentException", kinesis.increase_stream_retention_period, StreamName="events", RetentionPeriodHours=200)
        arn = kinesis.describe_stream_summary(StreamName="events")["StreamDescriptionSummary"]["StreamARN"]
        kinesis.add_tags_to_stream(StreamName="events", Tags={"a": "1", "b": "2"})
        kinesis.remove_tags_from_stream(StreamName="events", TagKeys=["a"])
        kinesis.tag_resource(ResourceARN=arn, Tags={"c": "3 %"})
        kinesis.untag_resource(ResourceARN=arn, TagKeys=["b"])
        millrace.kill()
        millrace.start()
        kinesis = client(millrace)
        expect_equal(kinesis.list_tags_for_stream(StreamName="events")["Tags"], [{"Key": "c", "Value": "3 %"}], "the tags after a kill")
        expect_equal(kinesis.list_tags_for_resource(ResourceARN=arn)["Tags"], [{"Key": "c", "Value": "3 %"}], "the tags of the ARN")
        summary = kinesis.describe_stream_summary(StreamName="events")["StreamDescriptionSummary"]
        expect_equal(summary["RetentionPeriodHours"], 300, "the hours after a kill")
        expect(kinesis.describe_limits()["OpenShardCount"] == 2, "the open shards of all streams")
        millrace.stop()


def test_enhanced_fan_out(folder):
    with started(folder) as millrace:
        kinesis = client(millrace)
        arn = kinesis.describe_stream_summary(StreamName="events")["StreamDescriptionSummary"]["StreamARN"]
        consumer = kinesis.register_stream_consumer(StreamARN=arn, ConsumerName="reader")["Consumer"]["ConsumerARN"]
        described = kinesis.describe_stream_consumer(ConsumerARN=consumer)["ConsumerDescription"]
        expect_equal((described["ConsumerStatus"], described["StreamARN"]), ("ACTIVE", arn), "the consumer")
        expect_equal([c["ConsumerARN"] for c in kinesis.list_stream_consumers(StreamARN=arn)["Consumers"]], [consumer], "the consumers")
        kinesis.put_records(StreamName="events", Records=[{**row(n), "ExplicitHashKey": "0"} for n in range(50)])
        events = iter(subscribed(kinesis, consumer))
        expect_equal(len(next(events)["Records"]), 50, "the records of the first event")
        kinesis.put_record(StreamName="events", **{**row(50), "ExplicitHashKey": "1"})
        event = next(e for e in events if e["Records"])
        expect_equal(event["Records"][0]["Data"], row(50)["Data"], "the record that came meanwhile")
        kinesis.split_shard(StreamName="events", ShardToSplit="shardId-000000000000", NewStartingHashKey="9")
        last = list(events)[-1]
        expect_equal([child["ShardId"] for child in last["ChildShards"]], ["shardId-000000000002", "shardId-000000000003"], "the children")
        position = {"Type": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": event["ContinuationSequenceNumber"]}
        expect_equal(sum(len(e["Records"]) for e in subscribed(kinesis, consumer, position)), 0, "the records after the last one")
        kinesis.deregister_stream_consumer(ConsumerARN=consumer)
        expect_error("ResourceNotFoundException", kinesis.describe_stream_consumer, ConsumerARN=consumer)
        millrace.stop()


def subscribed(kinesis, consumer, position=None):
    start = position or {"Type": "TRIM_HORIZON"}
    answer = kinesis.subscribe_to_shard(ConsumerARN=consumer, ShardId="shardId-000000000000", StartingPosition=start)
    return (event["SubscribeToShardEvent"] for event in answer["EventStream"])


def test_a_subscription_does_not_hold_up_the_end(folder):
    with started(folder) as millrace:
        kinesis = client(millrace)
        arn = kinesis.describe_stream_summary(StreamName="events")["StreamDescriptionSummary"]["StreamARN"]
        consumer = kinesis.register_stream_consumer(StreamARN=arn, ConsumerName="reader")["Consumer"]["ConsumerARN"]
        events = iter(subscribed(kinesis, consumer, {"Type": "LATEST"}))
        expect_equal(next(events)["Records"], [], "the records of the first event")
        millrace.stop()
        expect_equal([event for event in events if event["Records"]], [], "the events after the end")


def test_aggregated_records_are_rows(folder):
    record = b"\xf3\x89\x9a\xc2" + aggregated(b'{"n":1}', b'{"n":2}', b"no json")
    with started(folder) as millrace:
        kinesis = client(millrace)
        kinesis.put_records(StreamName="events", Records=[row(0), {"Data": record, "PartitionKey": "a"}, row(3)])
        expect_equal(rows(millrace), [0, 1, 2, 3], "the rows")
        expect_equal(int(millrace.query("SELECT count(*) FROM _rejects")[0][0]), 1, "the rejects")
        kinesis.create_stream(StreamName="made", ShardCount=1)
        kinesis.put_record(StreamName="made", Data=record, PartitionKey="a")
        expect_equal(read_all(kinesis, "made"), [record], "the record in a stream without tables")
        millrace.stop()


def aggregated(*bodies):
    """An AggregatedRecord with one key, and its MD5."""
    import hashlib
    records = [b"\x08\x00\x1a" + bytes([len(body)]) + body for body in bodies]
    message = b"\x0a\x01k" + b"".join(b"\x1a" + bytes([len(record)]) + record for record in records)
    return message + hashlib.md5(message).digest()


def test_bad_requests(folder):
    with started(folder) as millrace:
        kinesis = client(millrace)
        expect_error("ResourceNotFoundException", kinesis.put_record, StreamName="none", **row(1))
        expect_error("InvalidArgumentException", kinesis.get_records, ShardIterator="AAAAforged")
        expect_error("ValidationException", kinesis.put_record, StreamName="events", Data=b"x" * (1 << 20), PartitionKey="k")
        expect_error("ResourceNotFoundException", kinesis.get_shard_iterator, StreamName="events", ShardId="shardId-000000000099",
                     ShardIteratorType="LATEST")
        arn = "arn:aws:kinesis:us-east-1:123456789012:stream/events"
        expect_error("UnknownOperationException", kinesis.start_stream_encryption, StreamARN=arn, EncryptionType="KMS", KeyId="k")
        status, _, _ = millrace.request("POST", "/", b"{}", {**LIST_STREAMS, "Origin": "https://evil.example"})
        expect_equal(status, 403, "the status of a request from another site's page")
        kinesis.put_record(StreamName="events", Data=b"no json", PartitionKey="k")
        kinesis.put_record(StreamName="events", **row(1))
        expect_equal(rows(millrace), [1], "the rows after a record that is no JSON")
        millrace.stop()


def facts(kinesis, stream):
    summary = kinesis.describe_stream_summary(StreamName=stream)["StreamDescriptionSummary"]
    return summary["MaxRecordSizeInKiB"], summary["StreamModeDetails"]["StreamMode"], summary["OpenShardCount"]


def test_large_records_and_modes(folder):
    with started(folder) as millrace:
        kinesis = client(millrace)
        kinesis.create_stream(StreamName="large", ShardCount=1)
        kinesis.create_stream(StreamName="wide", StreamModeDetails={"StreamMode": "ON_DEMAND"}, MaxRecordSizeInKiB=2048)
        expect_equal(facts(kinesis, "wide"), (2048, "ON_DEMAND", 4), "a stream as it was made")
        arn = kinesis.describe_stream_summary(StreamName="large")["StreamDescriptionSummary"]["StreamARN"]
        kinesis.update_max_record_size(StreamARN=arn, MaxRecordSizeInKiB=10240)
        kinesis.update_stream_mode(StreamARN=arn, StreamModeDetails={"StreamMode": "ON_DEMAND"})
        data = b"x" * ((10 << 20) - 1)
        kinesis.put_record(StreamName="large", Data=data, PartitionKey="k")
        expect_error("ValidationException", kinesis.put_record, StreamName="events", Data=b"x" * (1 << 20), PartitionKey="k")
        millrace.stop()
        kinesis = client(millrace.start())
        expect_equal(facts(kinesis, "large"), (10240, "ON_DEMAND", 1), "after a restart")
        expect_equal(kinesis.describe_limits()["OnDemandStreamCount"], 2, "streams on demand")
        expect(read_all(kinesis, "large") == [data], "the record of 10 MiB is not read back")
        streams = {stream["name"]: stream["is_source"] for stream in millrace.json("GET", "/v1/streams")["streams"]}
        expect_equal(streams, {"events": True, "large": False, "wide": False}, "the streams")
        millrace.stop()


def test_an_end_with_a_subscriber_that_does_not_read(folder):
    import json
    import socket
    with started(folder) as millrace:
        kinesis = client(millrace)
        kinesis.create_stream(StreamName="large", ShardCount=1)
        arn = kinesis.describe_stream_summary(StreamName="large")["StreamDescriptionSummary"]["StreamARN"]
        consumer = kinesis.register_stream_consumer(StreamARN=arn, ConsumerName="stuck")["Consumer"]["ConsumerARN"]
        for _ in range(30):
            kinesis.put_record(StreamName="large", Data=b"x" * 1_000_000, PartitionKey="k")
        body = json.dumps({"ConsumerARN": consumer, "ShardId": "shardId-000000000000", "StartingPosition": {"Type": "TRIM_HORIZON"}})
        with socket.create_connection(("127.0.0.1", millrace.port)) as stuck:
            stuck.sendall((f"POST / HTTP/1.1\r\nHost: 127.0.0.1:{millrace.port}\r\nX-Amz-Target: Kinesis_20131202.SubscribeToShard\r\n"
                           f"Content-Type: application/x-amz-json-1.1\r\nContent-Length: {len(body)}\r\n\r\n{body}").encode())
            expect(stuck.recv(1) == b"H", "no answer to SubscribeToShard")
            millrace.stop()


def test_signatures(folder):
    (folder / "keys").write_text(" ".join(KEYS) + "\n")
    (folder / "keys").chmod(0o600)
    with started(folder, flags=["--aws-keys", str(folder / "keys")]) as millrace:
        client(millrace).put_record(StreamName="events", **row(1))
        expect_error("InvalidSignatureException", client(millrace, (KEYS[0], "wrong")).put_record, StreamName="events", **row(2))
        expect_error("UnrecognizedClientException", client(millrace, ("AKIDOTHER", KEYS[1])).put_record, StreamName="events", **row(3))
        status, _, answer = millrace.request("POST", "/", b"{}", LIST_STREAMS)
        expect(status == 400 and b"MissingAuthenticationToken" in answer, f"an unsigned request is answered with {status} {answer}")
        expect_equal(rows(millrace), [1], "the rows")
        millrace.stop()


def test_the_example_producer(folder):
    import shutil
    shutil.copytree(ROOT / "examples" / "orders", folder / "orders")
    with started(folder / "orders", (ROOT / "examples" / "orders" / "orders.yaml").read_text()) as millrace:
        command = [sys.executable, str(ROOT / "examples" / "orders" / "producer.py"), "--endpoint", f"http://127.0.0.1:{millrace.port}",
                   "--rate", "2000", "--count", "300", "--seed", "7"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        expect_equal(done.returncode, 0, f"the producer's exit code ({done.stderr})")
        millrace.catch_up()
        counts = [int(millrace.query(f"SELECT count(*) FROM {table}")[0][0]) for table in ("checked_orders", "_rejects")]
        expect(counts[0] > 250 and sum(counts) == 300, f"rows and rejects of 300 orders are {counts}")
        millrace.stop()
