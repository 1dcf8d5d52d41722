"""The peer of `./mill bench lambda`: orders of Kinesis to Parquet, as plain Python on AWS Lambda does it.

AWS's own client runs it: `python -m awslambdaric lambda_handler.handler`. TARGET is a folder or s3://bucket/prefix. What is good goes
into one file per day and batch; what is not is left out. A failed batch is repeated whole: the same file is written again.
"""
import base64
import csv
import os
import pathlib

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

TARGET = os.environ["TARGET"]
AMOUNT_MAX = 1e10
COLUMNS = ("order_id", "customer_id", "amount", "currency", "country", "ts")
BERLIN = pa.timestamp("us", "Europe/Berlin")


def read_lookup(name, key, value):
    with open(name, newline="", encoding="utf-8") as file:
        return {row[key]: row[value] for row in csv.DictReader(file)}


# Read once per environment, before the first event.
SEGMENTS = read_lookup("customers.csv", "customer_id", "segment")
LIMITS = {currency: float(limit) for currency, limit in read_lookup("fraud_rules.csv", "currency", "max_amount").items()}
if TARGET.startswith("s3://"):
    import boto3
    S3 = boto3.client("s3")
    BUCKET, _, PREFIX = TARGET.removeprefix("s3://").partition("/")


def decoded(records):
    for record in records:
        try:
            order = orjson.loads(base64.b64decode(record["kinesis"]["data"]))
        except orjson.JSONDecodeError:
            continue
        amount = order.get("amount")
        if order.get("order_id") and order.get("ts") and isinstance(amount, (int, float)) and 0 < amount < AMOUNT_MAX:
            yield order


def checked(records):
    """The table of a batch."""
    orders = list(decoded(records))
    order_ids, customer_ids, amounts, currencies, countries, times = ([order.get(name) for order in orders] for name in COLUMNS)
    times = pa.array(times, pa.string()).cast(pa.timestamp("us", "UTC"))
    return pa.table({
        "order_id": pa.array(order_ids, pa.string()), "customer_id": pa.array(customer_ids, pa.string()),
        "amount": pa.array(amounts, pa.float64()).cast(pa.decimal128(12, 2)), "currency": pa.array(currencies, pa.string()),
        "country": pa.array(countries, pa.string()), "ts": times,
        "segment": pa.array([SEGMENTS.get(customer) for customer in customer_ids], pa.string()),
        "is_fraud": [amount > LIMITS.get(currency, 1000) for amount, currency in zip(amounts, currencies)],
        "day": pc.local_timestamp(times.cast(BERLIN)).cast(pa.date32())})


def write(rows, name):
    file = pa.BufferOutputStream()
    pq.write_table(rows, file, compression="zstd")
    body = file.getvalue()
    if TARGET.startswith("s3://"):
        S3.put_object(Bucket=BUCKET, Key=f"{PREFIX}/{name}", Body=body.to_pybytes())
    else:
        path = pathlib.Path(TARGET, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)


def handler(event, _):
    records = event["Records"]
    rows = checked(records)
    first, last = (records[index]["kinesis"]["sequenceNumber"] for index in (0, -1))
    for day in pc.unique(rows["day"]):
        write(rows.filter(pc.equal(rows["day"], day)).drop_columns(["day"]), f"day={day}/{first}-{last}.parquet")
    return {"batchItemFailures": []}
