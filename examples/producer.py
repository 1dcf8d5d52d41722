"""Sends records to a Millrace stream over HTTP: at a rate, and each until it is acknowledged.

A record counts as delivered when the answer names its position. Until then the same body is sent again: after 429 and
503 (when Retry-After says), after other 5xx, and after a lost connection. A body may so arrive twice; the pipeline's
`unique` keeps each record once.
"""
import argparse
import http.client
import json
import random
import sys
import time
import urllib.parse

RETRY_STATUS = {429, 500, 502, 503, 504}


def seconds_of(retry_after):
    try:
        return min(max(float(retry_after or 0), 0), 60)
    except ValueError:  # a date
        return 1.0


class Producer:
    """One connection to the stream `name`, opened again as needed."""

    def __init__(self, url, name, content_type, token=None):
        self.address = urllib.parse.urlsplit(url)
        self.path = f"/v1/streams/{urllib.parse.quote(name)}/records"
        self.headers = {"Content-Type": content_type, **({"Authorization": f"Bearer {token}"} if token else {})}
        self.connection = None
        self.slow_downs = self.resent = 0

    def _post(self, body):
        if self.connection is None:
            secure = self.address.scheme == "https"
            kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
            self.connection = kind(self.address.hostname, self.address.port, timeout=30)
        self.connection.request("POST", self.path, body, self.headers)
        response = self.connection.getresponse()
        return response.status, response.headers, response.read()

    def deliver(self, body):
        """Returns the acknowledgement. Raises ValueError if the body itself is refused."""
        wait = 0.05
        while True:
            asked = 0.0
            try:
                status, headers, answer = self._post(body)
                if status == 200:
                    return json.loads(answer)
                if status not in RETRY_STATUS:
                    raise ValueError(f"status {status}: {answer.decode(errors='replace')}")
                self.slow_downs += 1
                asked = seconds_of(headers.get("Retry-After"))
            except (OSError, http.client.HTTPException):
                self.connection = None
                self.resent += 1
            time.sleep(max(asked, wait * random.uniform(0.5, 1)))
            wait = min(wait * 2, 5)


def run(stream, make_record, content_type="application/x-ndjson", header=None):
    """The command line of the examples. `make_record(random, index)` returns one record as text."""
    parser = argparse.ArgumentParser(description=f"Sends generated records to the stream '{stream}'.")
    parser.add_argument("--url", default="http://127.0.0.1:8080")
    parser.add_argument("--rate", type=float, default=100, help="records a second (%(default)s)")
    parser.add_argument("--count", type=int, default=1000, help="how many; 0: until interrupted (%(default)s)")
    parser.add_argument("--batch", type=int, default=10, help="records in a body (%(default)s)")
    parser.add_argument("--seed", type=int, help="for the same records again")
    parser.add_argument("--token", help="if the server asks for one")
    options = parser.parse_args()
    if options.rate <= 0 or options.count < 0 or options.batch < 1:
        parser.error("--rate and --batch must be above 0, --count not below it")

    producer = Producer(options.url, stream, content_type, options.token)
    source = random.Random(options.seed)
    started, sent, delivered = time.monotonic(), 0, 0
    try:
        while not options.count or sent < options.count:
            size = min(options.batch, options.count - sent) if options.count else options.batch
            lines = [header] if header else []
            lines += [make_record(source, sent + i) for i in range(size)]
            sent += size
            # By schedule: a slow answer does not slow down what is to come.
            time.sleep(max(0.0, started + sent / options.rate - time.monotonic()))
            delivered += producer.deliver(("\n".join(lines) + "\n").encode())["records"]
    except ValueError as error:
        sys.exit(f"refused: {error}")
    except KeyboardInterrupt:
        pass
    seconds = max(time.monotonic() - started, 1e-9)
    print(f"{delivered} records delivered in {seconds:.1f} s ({delivered / seconds:.0f}/s), "
          f"{producer.slow_downs} times told to slow down, {producer.resent} times sent again after a lost connection")
