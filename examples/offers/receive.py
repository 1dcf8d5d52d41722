#!/usr/bin/env python3
"""A webhook that shows the offers it gets, checks their signatures and drops repeats: ./receive.py --port 9000

The key is the environment's OFFERS_SECRET.
"""
import argparse
import base64
import datetime
import hmac
import http.server
import json
import os
import time


def key_of(secret):
    return base64.b64decode(secret[6:]) if secret.startswith("whsec_") else secret.encode()


def is_signed(key, headers, body):
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    wanted = "v1," + base64.b64encode(hmac.digest(key, signed, "sha256")).decode()
    is_fresh = abs(time.time() - int(headers["webhook-timestamp"])) < 300
    return is_fresh and any(hmac.compare_digest(wanted, one) for one in headers.get("webhook-signature", "").split())


class Receiver(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    key = None
    seen = set()  # a real receiver keeps the ids of some days

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.key and not is_signed(self.key, self.headers, body):
            return self.answer(401)
        for row in json.loads(body)["rows"]:
            if row["id"] in self.seen:
                continue
            self.seen.add(row["id"])
            received = datetime.datetime.fromisoformat(row["received_at"].replace("Z", "+00:00"))
            age = datetime.datetime.now(datetime.timezone.utc) - received
            offer = row["data"]
            print(f"{offer['name']}: {offer['title']}, {offer['discount_percent']} % off "
                  f"({age.total_seconds() * 1000:.0f} ms after the order)", flush=True)
        return self.answer(204)

    def answer(self, status):
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=9000)
    options = parser.parse_args()
    if os.environ.get("OFFERS_SECRET"):
        Receiver.key = key_of(os.environ["OFFERS_SECRET"])
    http.server.ThreadingHTTPServer(("127.0.0.1", options.port), Receiver).serve_forever()
