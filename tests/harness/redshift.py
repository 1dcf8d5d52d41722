"""What stands in for Redshift: its Data API, and its wire protocol, over a real PostgreSQL.

Statements run there as they are, but for COPY, whose files are read as Redshift reads them (columns by their order, types that
must fit, every length of the manifest), and for the few words that PostgreSQL lacks. A statement that `judge` is given, or that
`statements` keeps, is the program's own text.
"""
import base64
import http.server
import io
import json
import re
import threading
import uuid

import psycopg
import pyarrow
import pyarrow.parquet
from psycopg import sql as psycopg_sql

from harness.postgres_proxy import PostgresProxy, Session

COPY = re.compile(r"""COPY "(\w+)" FROM 's3://([^/']+)/([^']+)' IAM_ROLE (default|'([^']+)') FORMAT AS PARQUET MANIFEST""")
NAME = r'"(?:[^"]|"")*"'
KEYS = re.compile(rf"""( DISTKEY \({NAME}\)| DISTSTYLE \w+| SORTKEY \({NAME}(?:, {NAME})*\))+$""")
STAGE = re.compile(r"CREATE TEMPORARY TABLE \"(\w+)\" \((.*)\)$", re.S)
COLUMN = re.compile(rf"({NAME}) ([A-Z ]+)(?:\((\d+)(?:,(\d+))?\))?")
IN_NO_TRANSACTION = re.compile(r"ALTER TABLE .* ALTER COLUMN ")
SETUP = """
CREATE DOMAIN public.super AS jsonb;
CREATE FUNCTION public.json_parse(text) RETURNS public.super LANGUAGE sql IMMUTABLE AS 'SELECT $1::jsonb::public.super';
CREATE VIEW public.svv_columns AS SELECT table_schema, table_name, column_name,
    CASE domain_name WHEN 'super' THEN 'super' ELSE data_type END AS data_type, character_maximum_length, numeric_precision,
    numeric_scale FROM information_schema.columns;
"""


class Refused(Exception):
    """What Redshift says; its text."""


def arrow_type(name, first, second):
    """What COPY takes for a column that is declared so."""
    return {"BIGINT": pyarrow.int64(), "REAL": pyarrow.float32(), "DOUBLE PRECISION": pyarrow.float64(), "BOOLEAN": pyarrow.bool_(),
            "DATE": pyarrow.date32(), "TIMESTAMP": pyarrow.timestamp("us"), "VARCHAR": pyarrow.string()}.get(name) or \
        pyarrow.decimal128(int(first), int(second))


class Redshift:
    """Makes PostgreSQL's statements of Redshift's. `roles` may read `store`."""

    def __init__(self, postgres, store, roles=("arn:aws:iam::123456789012:role/copy", "default")):
        self.postgres, self.s3, self.roles = postgres, store.boto3(), set(roles)
        self.statements, self.lock = [], threading.Lock()
        postgres.psql(SETUP)

    def translated(self, text, session, in_transaction):
        with self.lock:
            self.statements.append(text)
        if in_transaction and IN_NO_TRANSACTION.match(text):
            raise Refused("ALTER TABLE ALTER COLUMN cannot run inside a transaction block")
        if made := STAGE.match(text):
            session[made[1]] = COLUMN.findall(made[2])
        if copy := COPY.fullmatch(text):
            return self.inserted(copy, session)
        return KEYS.sub("", text)

    def read(self, bucket, key):
        try:
            return self.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        except Exception as error:  # whatever boto3 says
            raise Refused(f"S3ServiceException: The specified key does not exist. s3://{bucket}/{key} ({error})") from None

    def inserted(self, copy, session):
        table, bucket, key, word, role = copy.groups()
        if (role or word) not in self.roles:
            raise Refused(f"User arn:aws:redshift:us-east-1:123456789012:dbuser is not authorized to assume IAM Role {role or word}")
        rows = []
        for entry in json.loads(self.read(bucket, key))["entries"]:
            if entry["mandatory"] is not True:
                raise Refused("the entry is not mandatory")
            place, _, name = entry["url"].removeprefix("s3://").partition("/")
            data = self.read(place, name)
            if len(data) != entry["meta"]["content_length"]:
                raise Refused(f"the length of {name} is not what the manifest says")
            rows += self.rows(pyarrow.parquet.read_table(io.BytesIO(data)), session[table])
        literal = psycopg_sql.Literal
        values = ["(" + ", ".join(literal(value).as_string(None) for value in row) + ")" for row in rows]
        return f'INSERT INTO "{table}" VALUES ' + ", ".join(values)

    def rows(self, read, columns):
        if read.num_columns != len(columns):
            raise Refused(f"the file has {read.num_columns} columns, the table {len(columns)}")
        for field, (name, declared, first, second) in zip(read.schema, columns):
            if field.type != arrow_type(declared, first, second):
                raise Refused(f"Spectrum Scan Error: incompatible Parquet schema for column {name}: {declared} and {field.type}")
            if declared == "VARCHAR" and any(len((text.as_py() or "").encode()) > int(first) for text in read[field.name]):
                raise Refused(f"Spectrum Scan Error: the length of a value exceeds the length of {name}")
        return zip(*(column.to_pylist() for column in read.columns))


def field(value):
    """A value as the Data API has it."""
    if value is None:
        return {"isNull": True}
    if isinstance(value, bool):
        return {"booleanValue": value}
    if isinstance(value, int):
        return {"longValue": value}
    if isinstance(value, float):
        return {"doubleValue": value}
    return {"blobValue": base64.b64encode(value).decode()} if isinstance(value, bytes) else {"stringValue": str(value)}


class Statement:
    def __init__(self, texts):
        self.id, self.texts, self.status, self.error = str(uuid.uuid4()), texts, "SUBMITTED", ""
        self.rows, self.parts = None, [{"Status": "SUBMITTED"} for _ in texts]


class DataApi:
    """The Redshift Data API on the loopback. `plan(operation, request)` says what becomes of each call:

    "pass"; "lose" (done, but the answer is lost); "drop" (not done, no answer); "expired", "throttled", "gone" (refused so);
    of statements also "abort" and "fail" (all but the last is done, then all is undone); "hidden" (of DescribeStatement: it says
    STARTED, whatever is true). `before(text)` is called before each statement of a batch runs, and before its COMMIT.
    """

    WORKGROUP = "reporting"

    def __init__(self, redshift):
        self.redshift, self.by_id, self.by_token = redshift, {}, {}
        self.plan, self.before, self.calls = lambda *_: "pass", lambda text: None, []
        self.lock = threading.Lock()
        api = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True
            wbufsize = -1  # headers and body leave as one

            def log_message(self, *_):
                pass

            def do_POST(self):
                request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                operation = self.headers["X-Amz-Target"].removeprefix("RedshiftData.")
                if "/redshift-data/aws4_request" not in self.headers.get("Authorization", ""):
                    return self.answer(400, {"__type": "MissingAuthenticationTokenException"})
                fault = api.plan(operation, request)
                if fault == "drop":
                    return self.drop()
                status, answer = api.handle(operation, request, fault)
                if status == 200:
                    api.calls.append((operation, request, answer))
                return self.drop() if fault == "lose" else self.answer(status, answer)

            def drop(self):
                self.close_connection = True

            def answer(self, status, answer):
                content = json.dumps(answer).encode()
                self.send_response_only(status)
                self.send_header("Content-Type", "application/x-amz-json-1.1")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.handle_error = lambda *_: None  # clients that are killed
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def handle(self, operation, request, fault):
        refusals = {"expired": "ExpiredTokenException", "throttled": "ThrottlingException", "gone": "ResourceNotFoundException"}
        if fault in refusals:
            return 400, {"__type": refusals[fault], "message": "as planned"}
        if operation in ("ExecuteStatement", "BatchExecuteStatement"):
            return self.execute(request, fault)
        statement = self.by_id.get(request["Id"])
        if statement is None:
            return 400, {"__type": "ResourceNotFoundException", "message": "Query does not exist."}
        if operation == "DescribeStatement":
            return 200, self.described(statement, fault)
        if operation == "GetStatementResult":
            rows = statement.rows or []
            start = int(request.get("NextToken", 0))
            answer = {"Records": [[field(value) for value in row] for row in rows[start:start + 2]]}
            if len(rows) > start + 2:
                answer["NextToken"] = str(start + 2)
            return 200, answer
        return 200, {"Status": True}

    def described(self, statement, fault):
        if fault == "hidden":
            return {"Id": statement.id, "Status": "STARTED"}
        answer = {"Id": statement.id, "Status": statement.status, "HasResultSet": statement.rows is not None}
        if statement.error:
            answer["Error"] = statement.error
        if len(statement.texts) > 1:
            answer["SubStatements"] = [{"Id": f"{statement.id}:{i + 1}", **part} for i, part in enumerate(statement.parts)]
        return answer

    def execute(self, request, fault):
        wrong = [name for name in ("Database", "ClientToken") if not request.get(name)]
        if request.get("WorkgroupName") != self.WORKGROUP or wrong or len(request.get("Sqls", [""])) > 40:
            return 400, {"__type": "ValidationException", "message": f"no such workgroup, or missing: {wrong}"}
        texts = request.get("Sqls") or [request["Sql"]]
        with self.lock:
            known = self.by_token.get(request["ClientToken"])
            if known and known.texts != texts:
                return 400, {"__type": "ValidationException", "message": "the token is of another statement"}
            if not known:
                known = self.by_token[request["ClientToken"]] = Statement(texts)
                self.by_id[known.id] = known
                threading.Thread(target=self.run, args=(known, "Sqls" in request, fault), daemon=True).start()
        return 200, {"Id": known.id}

    def run(self, statement, is_batch, fault):
        statement.status = "PICKED"
        session = {}
        try:
            with psycopg.connect(self.redshift.postgres.url, autocommit=not is_batch, options="-c timezone=UTC") as connection:
                statement.status = "STARTED"
                for index, text in enumerate(statement.texts):
                    statement.parts[index]["Status"] = "STARTED"
                    if is_batch:
                        self.before(text)
                    if fault in ("abort", "fail") and index == len(statement.texts) - 1:
                        raise Refused("as planned")
                    self.run_one(connection, statement, self.redshift.translated(text, session, is_batch))
                    statement.parts[index]["Status"] = "FINISHED"
                if is_batch:
                    self.before("COMMIT")
            statement.status = "FINISHED"
        except (Refused, psycopg.Error, ValueError) as error:
            statement.parts[index]["Status"] = "ABORTED" if fault == "abort" else "FAILED"
            statement.error = statement.parts[index]["Error"] = "ERROR: " + str(error).replace("division by", "Divide by")
            statement.status = statement.parts[index]["Status"]

    def run_one(self, connection, statement, text):
        done = connection.execute(text.encode())
        if done.description and len(statement.texts) == 1:
            statement.rows = done.fetchall()


class Wire(PostgresProxy):
    """The wire protocol on the loopback; its `plan` is that of PostgresProxy."""

    def __init__(self, redshift):
        super().__init__(redshift.postgres)
        self.redshift = redshift

    def session(self, client, server):
        return WireSession(self, client, server)


class WireSession(Session):
    """One connection, whose statements are Redshift's."""

    def __init__(self, wire, client, server):
        super().__init__(wire, client, server)
        self.stages, self.in_transaction = {}, False

    def statement(self, text):
        super().statement(text)
        if text in ("BEGIN", "COMMIT", "ROLLBACK"):
            self.in_transaction = text == "BEGIN"
        try:
            return self.proxy.redshift.translated(text, self.stages, self.in_transaction)
        except (Refused, ValueError) as error:
            said = str(error).replace("$", "")
            return f"DO $said$BEGIN RAISE EXCEPTION $text${said.replace('%', '%%')}$text$; END$said$"
