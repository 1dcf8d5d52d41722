"""Headers and keys of Kafka's records as columns, in rejects and their replays."""
from harness.kafka import Client
from harness.millrace import Millrace
from operations import expect, expect_equal, expect_texts
from operations.bench_pipeline import written
from operations.kafka_source import broker

PIPELINE = """
pipeline: reader
sources:
  events:
    from: kafka
    brokers: "%s"
    schema: {n: bigint}
    headers: {trace: x-trace-id, tenant: tenant}
    key_column: customer
    partition_key: customer
lookups:
  tenants: {from: tenants.csv, key: id}
tables:
  kept:
    from: events
    lookups: {tenants: tenant}
    unique: {key: customer, within: 1h}
    expect: {known_tenant: {check: %s, otherwise: reject}}
    sql: SELECT n, trace, tenants.name AS tenant, customer FROM events
    commit: {every: 100ms}
"""
TRACE = "0af7651916cd43dd8448eb211c80319c"
ROWS = "SELECT n, trace, tenant, customer FROM kept ORDER BY n"
REJECTS = "SELECT reason, partition_key, headers, raw FROM _rejects WHERE replay IS NULL ORDER BY _offset"


def put(client, n, headers, key=None):
    producer = client.producer()
    producer.produce("events", f'{{"n":{n}}}', key=key, headers=headers)
    expect_equal(producer.flush(20), 0, "the records that were not acknowledged")


def file(folder, address, check="tenants IS NOT NULL"):
    folder.mkdir(exist_ok=True)
    (folder / "tenants.csv").write_text("id,name\nacme,Acme Ltd\nb,Brown & Sons\n")
    return written(folder, PIPELINE % (address, check))


def await_answer(millrace, sql, expected):
    millrace.wait_for(f"{sql} gives {expected}", lambda: str(millrace.query(sql)) == str(expected))


def test_headers_and_keys_are_columns_and_come_back_with_a_replay(folder):
    with broker(folder) as peer, Millrace(file(folder / "reader", peer.address)) as millrace:
        client = Client(peer.address)
        client.create("events")
        put(client, 1, [("x-trace-id", TRACE), ("tenant", "acme"), ("other", b"\xff\xfe")], "c1")
        put(client, 2, [("tenant", "acme"), ("tenant", "b"), ("x-trace-id", None)], "c2")
        put(client, 3, [("Tenant", "acme"), ("x-trace-id", "")], "c3")  # another header
        put(client, 4, [("tenant", "acme"), ("x-trace-id", b"\xff")], "c4")
        put(client, 5, [("tenant", "acme")])
        put(client, 6, None, b"\xfe")
        put(client, 7, [("tenant", "acme")], "c1")  # its key was there
        millrace.start()
        rows = [[1, TRACE, "Acme Ltd", "c1"], [2, None, "Brown & Sons", "c2"], [5, None, "Acme Ltd", None]]
        await_answer(millrace, ROWS, rows)
        rejects = [
            ["known_tenant", "c3", '{"x-trace-id":""}', '{"n":3}'],
            ["invalid_utf8", "c4", '{"tenant":"acme","x-trace-id":{"base64":"/w=="}}', '{"n":4}'],
            ["invalid_utf8", "\\xfe", None, '{"n":6}'],
            ["duplicate", "c1", '{"tenant":"acme"}', '{"n":7}'],
        ]
        shown = REJECTS.replace("raw", "decode(raw) AS raw")
        await_answer(millrace, shown, rejects)
        details = millrace.query("SELECT detail FROM _rejects WHERE reason = 'invalid_utf8' ORDER BY _offset")
        expect_texts(str(details), "header 'x-trace-id': \\\\xff is not UTF-8", "key: \\\\xfe is not UTF-8")
        by_api = millrace.json("GET", "/v1/rejects?reason=known_tenant")["rejects"]
        expect_equal([one["headers"] for one in by_api], [{"x-trace-id": ""}], "the headers of a reject")
        code, out, errors = millrace.command("rejects", "show", "--data", "data", by_api[0]["id"])
        expect(code == 0, f"rejects show: {code} {out} {errors}")
        expect_texts(out, 'headers     {"x-trace-id":""}')

        millrace.wait_for("all is committed", lambda: str(millrace.tables()["kept"]["positions"][0]["committed"]) == "7")
        millrace.kill()
        file(millrace.folder, peer.address, "true")  # the fix
        millrace.start()
        expect_equal(str(millrace.query(ROWS)), str(rows), "the rows after a kill")
        expect_equal(millrace.query(shown), rejects, "the rejects after a kill")
        started = millrace.json("POST", "/v1/rejects/replay", {"table": "kept", "stage": "expect"})
        expect_equal(int(started["records"]), 1, "the records that are replayed")
        await_answer(millrace, ROWS, [*rows[:2], [3, "", None, "c3"], rows[2]])
        millrace.json("POST", "/v1/rejects/replay", {"reason": "invalid_utf8"})
        outcomes = "SELECT partition_key, outcome, headers FROM _rejects WHERE replay IS NOT NULL ORDER BY _offset"
        await_answer(millrace, outcomes, [
            ["c3", "accepted", '{"x-trace-id":""}'],
            ["c4", "rejected", '{"tenant":"acme","x-trace-id":{"base64":"/w=="}}'],
            ["\\xfe", "accepted", None],  # its key is text now
        ])
        millrace.stop()
        code, out, errors = millrace.command("job", "prove", "--data", "data", "kept")
        expect(code == 0, f"the proof: {code} {out} {errors}")


def test_wrong_headers_are_named_with_their_place(folder):
    millrace = Millrace(file(folder, "a:1"))
    text = (folder / "pipeline.yaml").read_text()
    for old, new, wanted in (
        ("headers: {trace:", "headers: {N:", ("pipeline.yaml:8:15", "there are two columns 'N'")),
        ("tenant: tenant}", "_tenant: tenant}", ("pipeline.yaml:8:34", "names that start with _")),
        ("key_column: customer", "key_column: trace", ("pipeline.yaml:9:17", "there are two columns 'trace'")),
        ('from: kafka\n    brokers: "a:1"', "from: log", ("pipeline.yaml:7:14", "'headers' is only for from: kafka")),
        ("trace, tenants", "trade, tenants", ("pipeline.yaml:19", "trade", "trace")),
        ("{tenants: tenant}", "{tenants: tenent}", ("'events' has no column 'tenent'", "did you mean 'tenant'")),
    ):
        expect(old in text, f"the file has no {old}")
        (folder / "pipeline.yaml").write_text(text.replace(old, new))
        code, out, errors = millrace.command("validate", "pipeline.yaml")
        expect_equal(code, 2, f"the exit code for {new}")
        expect_texts(out + errors, *wanted)
    (folder / "pipeline.yaml").write_text(text)
    code, out, errors = millrace.command("validate", "pipeline.yaml")
    expect(code == 0, f"validate: {code} {out} {errors}")
