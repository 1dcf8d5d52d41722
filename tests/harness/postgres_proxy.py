"""A proxy for PostgreSQL that reads the messages of its protocol, and breaks a connection at the statement that it is told to.

Source  PostgreSQL's documentation, "Message Formats".
"""
import socket
import struct
import threading

SSL_REQUEST, GSS_REQUEST = 80877103, 80877104


def read_exactly(source, size):
    data = b""
    while len(data) < size:
        piece = source.recv(size - len(data))
        if not piece:
            raise EOFError
        data += piece
    return data


def read_message(source):
    kind = read_exactly(source, 1)
    return kind, read_exactly(source, struct.unpack("!i", read_exactly(source, 4))[0] - 4)


def message(kind, body):
    return kind + struct.pack("!i", len(body) + 4) + body


class PostgresProxy:
    """Passes connections on to `server` (a PostgresServer). `plan(text)` says what becomes of each statement: "pass"; "lose" (done, and
    answered, but the connection breaks instead of the answer); "drop" (the connection breaks, and the server never sees it).
    `copied(bytes)` is called for each piece of rows (CopyData) before it is passed on. `lost` keeps the answers that were lost, each a
    list of messages; `on_lost()` is called before the connection breaks."""

    def __init__(self, server):
        self.server, self.plan, self.copied = server, lambda text: "pass", lambda data: None
        self.lost, self.on_lost = [], lambda: None
        self.listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self.accept, daemon=True).start()

    @property
    def url(self):
        return self.server.url.replace(f":{self.server.port}", f":{self.listener.getsockname()[1]}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.listener.close()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        try:
            with client, socket.create_connection(("127.0.0.1", self.server.port)) as server:
                for end in (client, server):
                    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self.session(client, server).run()
        except (OSError, EOFError):
            pass

    def session(self, client, server):
        return Session(self, client, server)


class Session:
    """One connection: what the client asks passes by here, what the server answers is handed through."""

    def __init__(self, proxy, client, server):
        self.proxy, self.client, self.server, self.is_lost = proxy, client, server, False

    def run(self):
        while True:
            size = struct.unpack("!i", read_exactly(self.client, 4))[0]
            body = read_exactly(self.client, size - 4)
            if struct.unpack("!i", body[:4])[0] not in (SSL_REQUEST, GSS_REQUEST):  # not here
                break
            self.client.sendall(b"N")
        self.server.sendall(struct.pack("!i", size) + body)
        threading.Thread(target=self.hand_through, daemon=True).start()
        try:
            while True:
                kind, body = read_message(self.client)
                if kind == b"P":
                    name, text, rest = body.split(b"\0", 2)
                    body = name + b"\0" + self.statement(text.decode()).encode() + b"\0" + rest
                elif kind == b"d":
                    self.proxy.copied(body)
                self.server.sendall(message(kind, body))
        finally:
            self.server.shutdown(socket.SHUT_RDWR)

    def hand_through(self):
        lost = []
        try:
            while not lost or lost[-1][0] != b"Z":  # ready for the next statement: the answer is whole
                kind, body = read_message(self.server)
                if self.is_lost:
                    lost.append((kind, body))
                else:
                    self.client.sendall(message(kind, body))
            self.proxy.lost.append(lost)
            self.proxy.on_lost()
        except (OSError, EOFError):
            pass
        self.hang_up()

    def hang_up(self):
        for end in (self.client, self.server):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def statement(self, text):
        fault = self.proxy.plan(text)
        if fault == "drop":
            raise EOFError
        self.is_lost = fault == "lose"
        return text
