#!/usr/bin/env python3
"""Sends orders: ./produce.py --rate 100 --count 1000"""
import datetime
import json
import pathlib
import sys
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import producer  # noqa: E402


def make_order(random, _index):
    return json.dumps({
        "order_id": str(uuid.UUID(int=random.getrandbits(128), version=4)),
        "customer_id": f"customer-{random.randrange(1, 201):03}",
        "amount": round(random.lognormvariate(3.5, 0.8), 2),
        "ts": datetime.datetime.now(datetime.timezone.utc).isoformat(),
    })


if __name__ == "__main__":
    producer.run("orders", make_order)
