"""A webhook's receiver on the loopback, which verifies signatures by the standard library alone."""
import base64
import hmac
import http.server
import json
import threading
import time


class Webhook:
    """Takes messages and keeps them. `answer(number, body)` gives the status of each, and None hangs up."""

    def __init__(self, secret=None, answer=None, port=0):
        self.secret, self.how = secret, answer or (lambda number, body: 204)
        self.messages, self.problems, self.count = [], [], 0
        self.lock = threading.Lock()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = outer.take(dict(self.headers.items()), body)
                if status is None:
                    self.close_connection = True
                    return
                self.send_response(status)
                self.send_header("Content-Length", "0")
                if status == 429:
                    self.send_header("Retry-After", "1")
                self.end_headers()

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            def handle_error(self, *_):  # a sender that was killed
                pass

        self.server = Server(("127.0.0.1", port), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/alerts?from=test"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def take(self, headers, body):
        with self.lock:
            self.count += 1
            number = self.count
        status = self.how(number, body)
        problem = self.problem_of({name.lower(): value for name, value in headers.items()}, body)
        with self.lock:
            if problem:
                self.problems.append(problem)
            if status == 204:
                self.messages.append(json.loads(body))
        return status

    def problem_of(self, headers, body):
        if self.secret is None:
            return "a signature without a secret" if "webhook-signature" in headers else None
        signed = headers["webhook-id"].encode() + b"." + headers["webhook-timestamp"].encode() + b"." + body
        wanted = "v1," + base64.b64encode(hmac.digest(self.secret, signed, "sha256")).decode()
        if wanted not in headers["webhook-signature"].split():
            return f"the signature {headers['webhook-signature']} is not {wanted}"
        if abs(time.time() - int(headers["webhook-timestamp"])) > 60:
            return "the timestamp is not fresh"
        if json.loads(body)["id"] != headers["webhook-id"]:
            return "the id of the header is not the body's"
        return None

    def rows(self):
        """By id: the data of each row that came, as a list of all that came under it."""
        rows = {}
        with self.lock:
            for message in self.messages:
                for row in message["rows"]:
                    rows.setdefault(row["id"], []).append(row["data"])
        return rows

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
