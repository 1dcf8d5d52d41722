#!/usr/bin/env python3
"""Sends payments: ./produce.py --rate 100 --count 1000"""
import csv
import datetime
import io
import pathlib
import sys
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import producer  # noqa: E402

MERCHANTS = ["Stadtwerke Jena", "Müller, Sohn & Co", 'The "Best" Shop', "Rail & Road"]


def make_payment(random, _index):
    row = io.StringIO()
    csv.writer(row, lineterminator="").writerow([
        f"pay-{uuid.UUID(int=random.getrandbits(128), version=4)}",
        f"DE89{random.randrange(1000):012}",
        f"{random.choice([-1, 1]) * (random.lognormvariate(5, 2) + 0.01):.2f}",
        random.choice(["EUR", "USD", "GBP", "CHF", "SEK"]),
        random.choice(MERCHANTS),
        datetime.datetime.now(datetime.timezone.utc).isoformat(),
    ])
    return row.getvalue()


if __name__ == "__main__":
    producer.run("payments", make_payment, "text/csv", "payment_id,account_id,amount,currency,merchant,booked_at")
