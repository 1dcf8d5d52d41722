#!/usr/bin/env python3
"""Of all that the program sends to Redshift, on any of its ways, tables of awkward names included: sqlfluff, in its dialect of Redshift,
parses every statement, and botocore's model takes every call of the Data API."""
import pathlib
import shutil
import sys
import tempfile

import botocore.session
from botocore.validate import ParamValidator
from sqlfluff.core import Linter

from harness.millrace import Failure
from operations import LeftOut, expect, expect_equal
from operations.redshift import ROLE, Place
from operations.warehouse import ask, send, told

AWKWARD = ["select", 'a ""b"" c', "ü.ö", "1st", "semi;colon -- x", "Upper Case", "/* c */", "it's", "$1", "group", "x" * 63]
COLUMNS = "customer, count(*) AS \"order\", sum(amount) AS \"sum(amount)\", [1] AS \"list\", " + ", ".join(
    f'max(customer) AS "{name}"' for name in AWKWARD)
WIDER = COLUMNS.replace("customer, count", "repeat(customer, 200) AS customer, max(ts) AS \"last\", count", 1)


def unparsable(linter, statement):
    parsed = linter.parse_string(statement + "\n")
    found = [str(violation) for violation in parsed.violations]
    return found + [part.raw for part in (parsed.tree.recursive_crawl("unparsable") if parsed.tree else [])]


def statements(folder, is_wire):
    """What is sent by loads that make tables, widen them, add columns, replace rows, and find nothing."""
    with Place(folder) as place:
        for columns, load, role in [(COLUMNS, ", sort_key: [day, it's], dist_key: 'semi;colon -- x'", "default"),
                                    (WIDER, ", dist_style: even", ROLE)]:
            shutil.rmtree(folder / "data" / "tables" / "daily", ignore_errors=True)
            millrace = place.millrace(is_wire, columns=columns, load=load, role=role).start()
            send(millrace, ["11-19", "11-20"], 3)
            runs = told(millrace, "job", "run", "daily")
            expect("daily@reporting 2026-11-20 succeeded" in runs and " failed" not in runs, runs)
            ask(millrace, "job", "load", "daily", "2026-11-20")
            millrace.stop()
        return set(place.redshift.statements), place.api.calls


def judge(folder):
    linter = Linter(dialect="redshift")
    expect(unparsable(linter, "INSERT INTO a VALUES (1) ON CONFLICT DO NOTHING"), "the judge finds nothing wrong in anything")
    sent, calls = set(), []
    for is_wire in (False, True):
        (folder / str(is_wire)).mkdir()
        texts, more = statements(folder / str(is_wire), is_wire)
        sent, calls = sent | texts, calls + more
    for start in ("CREATE SCHEMA", "CREATE TABLE", "CREATE TEMPORARY", "LOCK", "SELECT 1 /", "DELETE", "COPY", "INSERT", "DROP",
                  "ALTER TABLE", "BEGIN", "COMMIT", "SELECT \"table_name\"", "SELECT \"partition\""):
        expect(any(statement.startswith(start) for statement in sent), f"no statement begins with {start}")
    for what in ("ADD COLUMN", "ALTER COLUMN", "DISTKEY", "DISTSTYLE", "SORTKEY", "JSON_PARSE", "IAM_ROLE default"):
        expect(any(what in statement for statement in sent), f"no statement has {what}")
    for statement in sorted(sent):
        expect_equal(unparsable(linter, statement), [], f"what cannot be parsed of\n{statement}\n")
    print(f"{len(sent)} statements")
    judge_calls(calls)


def judge_calls(calls):
    """botocore's model of the service takes every request, and every answer of what stands in for it."""
    model = botocore.session.get_session().get_service_model("redshift-data")
    validator = ParamValidator()
    wanted = {"ExecuteStatement", "BatchExecuteStatement", "DescribeStatement", "GetStatementResult"}
    expect({name for name, _, _ in calls} >= wanted, "a call is missing")
    for name, request, answer in calls:
        operation = model.operation_model(name)
        for shape, document in ((operation.input_shape, request), (operation.output_shape, answer)):
            report = validator.validate(document, shape).generate_report()
            unknown = set(document) - set(shape.members)
            expect(not report and not unknown, f"{name}: {report} {unknown} in {document}")
    print(f"{len(calls)} calls")


def main():
    with tempfile.TemporaryDirectory(prefix="millrace_redshift_") as folder:
        try:
            judge(pathlib.Path(folder))
        except LeftOut as reason:
            print(f"left out: {reason}")
        except Failure as failure:
            print(failure)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
