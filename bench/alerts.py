"""Measures how long after its acknowledgement an order's alert is at a webhook. Sender and receiver are processes of their own,
so that neither waits for the other; the clock is the machine's."""
import http.client
import http.server
import json
import multiprocessing
import queue
import time

from process import Failure

ALERT = """
alerts:
  fraud: {from: checked_orders, when: is_fraud, select: order_id, send: {webhook: "URL"}}
"""
RECORDS = 10  # in a body
SENDERS = 2


def receive(port, arrivals):
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            now = time.monotonic()
            self.send_response(204)
            self.end_headers()
            arrivals.put([(row["data"]["order_id"], now) for row in json.loads(body)["rows"]])

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    port.put(server.server_address[1])
    server.serve_forever()


class Receiver:
    """A webhook in a process of its own; `arrivals` gets lists of (order, when it came)."""

    def __init__(self):
        context = multiprocessing.get_context("spawn")
        port, self.arrivals = context.Queue(), context.Queue()
        self.process = context.Process(target=receive, args=(port, self.arrivals), daemon=True)
        self.process.start()
        self.url = f"http://127.0.0.1:{port.get(timeout=30)}/"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.join()

    def drain(self, count, seconds=30):
        """When each of `count` orders came first."""
        times, until = {}, time.monotonic() + seconds
        while len(times) < count and time.monotonic() < until:
            try:
                for order, at in self.arrivals.get(timeout=1):
                    times.setdefault(order, at)
            except queue.Empty:
                pass
        return times


def send(port, sender, rate, seconds, one_in, run, acknowledged):
    """Bodies by schedule; tells when the orders that alert were acknowledged."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.connect()
    start, times, bodies = time.monotonic() + 0.2, {}, int(rate * seconds / RECORDS / SENDERS)
    for body in range(bodies):
        lines, alerting = [], []
        for record in range(RECORDS):
            order = f"{run}-{sender}-{body * RECORDS + record}"
            is_fraud = (body * RECORDS + record) % one_in == 0
            lines.append(f'{{"order_id":"{order}","customer_id":"customer-{body % 1000:07}","amount":{5000 if is_fraud else 12.5},'
                         '"currency":"USD","country":"US","ts":"2026-11-20T12:00:00Z"}')
            if is_fraud:
                alerting.append(order)
        time.sleep(max(0.0, start + body * RECORDS * SENDERS / rate - time.monotonic()))
        connection.request("POST", "/v1/streams/orders/records", "\n".join(lines), {"Content-Type": "application/x-ndjson"})
        answer = connection.getresponse()
        answer.read()
        now = time.monotonic()
        if answer.status != 200:
            acknowledged.put({})
            return
        times.update(dict.fromkeys(alerting, now))
    acknowledged.put(times)


def measure(millrace, receiver, rate, seconds, one_in):
    """One order in `one_in` is above the limit. Checks that each order that must alert came, and no other; latencies in ms."""
    context = multiprocessing.get_context("spawn")
    run, acknowledged = str(time.monotonic_ns()), context.Queue()
    senders = [context.Process(target=send, args=(millrace.port, number, rate, seconds, one_in, run, acknowledged), daemon=True)
               for number in range(SENDERS)]
    for sender in senders:
        sender.start()
    sent = {}
    for _ in senders:
        sent.update(acknowledged.get(timeout=seconds + 60))
    for sender in senders:
        sender.join()
    expected = int(rate * seconds / RECORDS / SENDERS) * RECORDS * SENDERS // one_in
    if len(sent) != expected:
        raise Failure(f"{len(sent)} orders that alert were acknowledged, not {expected}")
    came = receiver.drain(len(sent))
    if set(came) != set(sent):
        raise Failure(f"{len(set(sent) - set(came))} alerts did not come, {len(set(came) - set(sent))} came for nothing")
    latencies = sorted((came[order] - at) * 1000 for order, at in sent.items())
    return {"count": len(latencies), "p50": latencies[len(latencies) // 2], "p99": latencies[int(len(latencies) * 0.99)],
            "max": latencies[-1]}
