"""The pipeline that the operation tests run."""
from harness.millrace import Millrace

PIPELINE = """
pipeline: operations
sources:
  events: {from: log, shards: 2, schema: {n: bigint, name: varchar}}
tables:
  kept:
    from: events
    sql: SELECT n, name FROM events
    commit: {every: %s}
"""


def written(folder, text=None, every="100ms"):
    (folder / "pipeline.yaml").write_text(text or PIPELINE % every)
    return folder


def started(folder, text=None, every="100ms", **options):
    return Millrace(written(folder, text, every), **options).start()


def numbers(first, end):
    return "".join(f'{{"n":{n},"name":"name {n}"}}\n' for n in range(first, end)).encode()
