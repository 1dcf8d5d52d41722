#!/usr/bin/env python3
"""Sends readings: ./produce.py --rate 100 --count 1000"""
import datetime
import json
import math
import pathlib
import sys
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import producer  # noqa: E402


def make_reading(random, index):
    device = random.randrange(1000)
    warmth = 20 + device % 50 + 10 * math.sin(index / 500)
    return json.dumps({
        "reading_id": str(uuid.UUID(int=random.getrandbits(128), version=4)),
        "device_id": f"device-{device:05}",
        "celsius": 999.99 if random.random() < 0.01 else round(random.gauss(warmth, 5), 2),  # 999.99: a broken wire
        "humidity": random.randrange(20, 95),
        "firmware": f"2.{device % 9}",
        "ts": datetime.datetime.now(datetime.timezone.utc).isoformat(),
    })


if __name__ == "__main__":
    producer.run("sensors", make_reading)
