"""That every record is accounted for: by hand and at night, after kills, and with something lost."""
import json

from harness.millrace import Millrace
from judges import delta
from operations import expect, expect_equal, expect_texts

PIPELINE = """
pipeline: shop
sources:
  orders: {from: log, shards: 2, partition_key: id, schema: {id: varchar, amount: "decimal(12,2)", tags: "varchar[]"}}
tables:
  checked:
    from: orders
    unique: {key: id, within: 1h}
    expect: {has_amount: {check: amount IS NOT NULL, otherwise: reject}}
    sql: SELECT id, amount, tags FROM orders WHERE amount <> 7
    commit: {every: 100ms}
  tags:
    from: checked
    sql: SELECT id, unnest(tags) AS tag FROM checked
    commit: {every: 150ms}
"""


def records(first, count):
    """Of ten records one is broken, one has no amount, one is a duplicate and one is left out."""
    lines = []
    for i in range(first, first + count):
        kind = i % 10
        order = {"id": f"o{i - 1 if kind == 3 else i}", "amount": 7 if kind == 4 else None if kind == 1 else 1000 + i, "tags": ["a", "b"]}
        lines.append("{broken" if kind == 0 else json.dumps(order))
    return ("\n".join(lines) + "\n").encode()


def prove(millrace, *words):
    code, output, _ = millrace.command("job", "prove", *words, "--data", str(millrace.data))
    return code, output


def shards(millrace, table):
    code, output = prove(millrace, table, "--output", "json")
    (run,) = json.loads(output)["runs"]
    expect_equal((code, run["job"], run["status"], run["error"]), (0, f"proof@{table}", "succeeded", None), "the proof")
    return run["shards"]


def total(found, key):
    return sum(shard[key] for shard in found)


def test_every_record_is_accounted_for(folder):
    (folder / "pipeline.yaml").write_text(PIPELINE)
    millrace = Millrace(folder)
    with millrace.start():
        for part in range(10):
            millrace.send("orders", records(part * 100, 100))
        code, output = prove(millrace)
        expect_equal(code, 0, f"the exit code of `job prove`, which said {output}")
        expect_texts(output, "proof@checked all succeeded, 600 rows", "proof@tags all succeeded, 1,200 rows", "holds")
        found = shards(millrace, "checked")
        counts = {key: total(found, key) for key in ("records", "with_rows", "rejected", "filtered", "rows", "both")}
        expect_equal(counts, {"records": 1000, "with_rows": 600, "rejected": 300, "filtered": 100, "rows": 600, "both": 0}, "the counts")
        expect_equal(total(shards(millrace, "tags"), "records"), 600, "what came to the chained table")
        for part in range(10, 16):
            millrace.send("orders", records(part * 100, 100))
            millrace.kill()
            millrace.start()
            shards(millrace, "checked")
            shards(millrace, "tags")
        expect_equal(total(shards(millrace, "checked"), "records"), 1600, "the records after kills")
        millrace.json("POST", "/v1/maintenance/runs", {})
        expect_equal(total(shards(millrace, "checked"), "rows"), 960, "the rows after compaction")
        status, _, answer = millrace.request("POST", "/v1/proofs", b'{"name":"cheked"}', {"Content-Type": "application/json"})
        expect_equal(status, 404, "the status of a proof of no table")
        expect_texts(answer.decode(), "did you mean 'checked'?")
        millrace.stop()
    delta.check_folder(millrace.data)


def test_a_lost_file_is_found_with_and_without_an_instance(folder):
    (folder / "pipeline.yaml").write_text(PIPELINE)
    millrace = Millrace(folder)
    with millrace.start():
        millrace.send("orders", records(0, 100))
        shards(millrace, "checked")
        millrace.stop()
    lost = next((millrace.data / "tables" / "tags").glob("*.parquet"))
    bytes_of_it = lost.read_bytes()
    lost.unlink()
    code, output = prove(millrace, "tags")
    expect_equal(code, 1, f"the exit code of the proof, which said {output}")
    expect_texts(output, "proof@tags all failed", "not compared", f"a data file is lost: {lost}", "from a backup of one moment")
    lost.write_bytes(bytes_of_it)
    shards(millrace, "tags")
    millrace.start()
    lost.unlink()
    code, output = prove(millrace)
    expect_equal(code, 1, f"the exit code of the proof, which said {output}")
    expect_texts(output, "proof@checked all succeeded", "proof@tags all failed")
    expect("millrace_proof_holds{table=\"tags\"} 0" in millrace.request("GET", "/metrics")[2].decode(), "the metric does not say so")
    lost.write_bytes(bytes_of_it)
    shards(millrace, "tags")
    rows = millrace.query("SELECT outcome, count(*) FROM _checks WHERE job = 'tags' AND \"check\" = 'source' GROUP BY ALL ORDER BY ALL")
    expect_equal([row[0] for row in rows], ["failed", "passed"], "the outcomes in _checks")
    code, output, _ = millrace.command("job", "history", "proof@tags", "--data", str(millrace.data))
    expect_texts(output, "proof@tags", "succeeded", "failed")
    millrace.stop()
