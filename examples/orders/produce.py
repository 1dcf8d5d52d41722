#!/usr/bin/env python3
"""Sends orders: ./produce.py --rate 100 --count 1000"""
import datetime
import json
import pathlib
import sys
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import producer  # noqa: E402

COUNTRIES = {"EUR": "DE", "USD": "US", "GBP": "GB", "CHF": "CH", "JPY": "JP", "SEK": "SE"}


def make_order(random, _index):
    currency = random.choice(list(COUNTRIES))
    order = {
        "order_id": str(uuid.UUID(int=random.getrandbits(128), version=4)),
        "customer_id": f"customer-{random.randrange(1000):07}",
        "amount": round(random.lognormvariate(4.5, 1.5) + 0.01, 2),
        "currency": currency,
        "country": COUNTRIES[currency],
        "ts": datetime.datetime.now(datetime.timezone.utc).isoformat(),
    }
    if random.random() < 0.01:
        del order["order_id"]  # as broken clients do: it ends in the rejects
    return json.dumps(order)


if __name__ == "__main__":
    producer.run("orders", make_order)
