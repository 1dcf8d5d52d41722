"""The Runtime API (version 2018-06-01) of one environment of tests/harness/lambda_runtime.py, as HTTP.

It answers as the specification and AWS's own runtime interface emulator do: 202, 400 InvalidRequestID, 403 InvalidStateTransition, 404,
405, 413. Where those let a wrong request pass (a second `next`, an error that has no message) it refuses; `violated` is told each time.
"""
import http.server
import json
import re
import threading

REGION, ACCOUNT = "us-east-1", "123456789012"
PAYLOAD_BYTES_MAX = 6 * 1024 * 1024 + 100  # as in AWS's emulator: 6 MiB, and room for what Lambda itself wraps around
CHUNKED_FROM_BYTES = 2048                  # Go's server, which Lambda's is, sends longer bodies in chunks
PATHS = {("GET", "next"): re.compile(r"/2018-06-01/runtime/invocation/next"),
         ("POST", "response"): re.compile(r"/2018-06-01/runtime/invocation/([^/]+)/response"),
         ("POST", "error"): re.compile(r"/2018-06-01/runtime/invocation/([^/]+)/error"),
         ("POST", "init_error"): re.compile(r"/2018-06-01/runtime/init/error")}
ERROR_TYPE = "Lambda-Runtime-Function-Error-Type"


class Server:
    """The Runtime API of one environment."""

    def __init__(self, environment):
        class Handler(ApiHandler):
            pass

        Handler.environment = environment

        class Listener(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request, client_address):
                """A process that was killed."""

        self.listener = Listener(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.listener.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    @property
    def address(self):
        return f"127.0.0.1:{self.listener.server_address[1]}"

    def close(self):
        self.listener.shutdown()
        self.listener.server_close()


class ApiHandler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1                            # headers and body leave as one
    environment = None

    def log_message(self, *_):
        pass

    def handle_any(self):
        body = self.read_body()
        known = [(method, name, found) for (method, name), path in PATHS.items() if (found := path.fullmatch(self.path))]
        if not known:
            return self.refuse(404, "NotFound", f"{self.command} {self.path} is not of the Runtime API")
        method, name, found = known[0]
        if self.command != method:
            return self.refuse(405, "MethodNotAllowed", f"{self.path} wants {method}, not {self.command}")
        return getattr(self, "on_" + name)(body, *found.groups())

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = do_PATCH = handle_any

    def read_body(self):
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():
            """Trailers."""
        return b"".join(parts)

    def on_next(self, _):
        event = self.environment.wait_for_event()
        if event is None:
            self.close_connection = True
            return
        if isinstance(event, str):
            self.refuse(403, "InvalidStateTransition", event)
            return
        if self.environment.kill_by_plan("delivered"):
            self.close_connection = True
            return
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Lambda-Runtime-Aws-Request-Id", event.id)
        self.send_header("Lambda-Runtime-Deadline-Ms", str(int(event.deadline * 1000)))
        self.send_header("Lambda-Runtime-Invoked-Function-Arn",
                         f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{self.environment.settings.name}")
        self.send_header("Lambda-Runtime-Trace-Id", f"Root=1-{int(event.begin):08x}-{event.id[:8]}{event.id[-12:]}0000;Sampled=0")
        self.send_event(event.payload)

    def send_event(self, payload):
        if len(payload) <= CHUNKED_FROM_BYTES:
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)
        else:
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for start in range(0, len(payload), 32768):
                part = payload[start:start + 32768]
                self.wfile.write(b"%x\r\n%b\r\n" % (len(part), part))
            self.wfile.write(b"0\r\n\r\n")
        self.wfile.flush()

    def on_response(self, body, request_id):
        is_too_large = len(body) > PAYLOAD_BYTES_MAX
        kind, error_type = ("error", "Function.ResponseSizeTooLarge") if is_too_large else ("response", "")
        if not self.environment.take_answer(request_id, kind, b"" if is_too_large else body, error_type):
            self.refuse(400, "InvalidRequestID", f"an answer to {request_id}, which is not under way")
        elif is_too_large:
            self.refuse(413, "RequestEntityTooLarge", f"an answer of {len(body)} bytes")
        else:
            self.accept()

    def on_error(self, body, request_id):
        if problem := self.wrong_error(body):
            self.refuse(400, "InvalidRequest", problem)
        elif self.environment.take_answer(request_id, "error", body, self.headers.get(ERROR_TYPE, "")):
            self.accept()
        else:
            self.refuse(400, "InvalidRequestID", f"an error of {request_id}, which is not under way")

    def on_init_error(self, body):
        if problem := self.wrong_error(body):
            self.refuse(400, "InvalidRequest", problem)
        elif self.environment.take_init_error(body):
            self.accept()
        else:
            self.refuse(403, "InvalidStateTransition", "an init error after the first `next`")

    def wrong_error(self, body):
        """Its body is JSON with errorMessage and errorType. The header with the type may be missing: AWS's client for Python sends none."""
        try:
            error = json.loads(body)
        except ValueError:
            error = None
        is_whole = isinstance(error, dict) and all(isinstance(error.get(name), str) for name in ("errorMessage", "errorType"))
        return None if is_whole else f"an error whose body is {body[:200]!r}"

    def accept(self):
        self.answer(202, {"status": "OK"})

    def refuse(self, status, kind, text):
        self.environment.violated(text)
        self.answer(status, {"errorType": kind, "errorMessage": text})

    def answer(self, status, value):
        content = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
        self.wfile.flush()
