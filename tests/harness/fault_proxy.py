"""A proxy for HTTP that spoils chosen requests: lost answers, statuses of its own, hangs."""
import http.client
import http.server
import ssl
import threading

ERRORS = {409: "ConditionalRequestConflict", 412: "PreconditionFailed", 500: "InternalError", 503: "SlowDown"}


class FaultProxy:
    """Passes requests on to `upstream` (host:port). `plan(method, target)` says what becomes of each:

    "pass"; "lose" (done, but the answer is lost); "drop" (not done, no answer); a status (not done, answered with it);
    "late 500" (done, but answered with a 500); "hang" (not done, no answer until the proxy closes).
    With `certificate`, a file that holds the key too, it speaks TLS. `errors` adds codes to the statuses' own.
    """

    def __init__(self, upstream, plan, certificate=None, errors=None):
        self.upstream, self.plan, self.seen = upstream, plan, []
        self.closing, self.errors = threading.Event(), {**ERRORS, **(errors or {})}
        proxy = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def handle_any(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                fault = proxy.plan(self.command, self.path)
                proxy.seen.append((self.command, self.path, fault))
                if fault == "hang":
                    proxy.closing.wait(60)
                if fault in ("hang", "drop"):
                    self.close_connection = True
                    return
                if isinstance(fault, int):
                    self.answer(fault, [], f"<Error><Code>{proxy.errors.get(fault, 'Fault')}</Code></Error>".encode())
                    return
                status, headers, content = proxy.forward(self.command, self.path, self.headers, body)
                if fault == "lose":
                    self.close_connection = True
                    return
                self.answer(500 if fault == "late 500" else status, headers, content)

            do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = handle_any

            def answer(self, status, headers, content):
                self.send_response_only(status)
                for name, value in headers:
                    if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                        self.send_header(name, value)
                lengths = [value for name, value in headers if name.lower() == "content-length"]
                self.send_header("Content-Length", lengths[0] if self.command == "HEAD" and lengths else str(len(content)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(content)

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, request, client_address):
                """A client that went away before its answer."""

        self.server = Server(("127.0.0.1", 0), Handler)
        self.scheme = "https" if certificate else "http"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"{self.scheme}://127.0.0.1:{self.server.server_address[1]}"

    def forward(self, method, target, headers, body):
        connection = http.client.HTTPConnection(self.upstream, timeout=60)
        connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders(body)
        response = connection.getresponse()
        content = response.read()
        connection.close()
        return response.status, response.getheaders(), content

    def close(self):
        self.closing.set()
        self.server.shutdown()
        self.server.server_close()
