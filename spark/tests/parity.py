"""Each case of parity.yaml by millrace itself and by Spark, over the same records: the same tables, or the same refusal."""

import shutil
import sys
import time

import bench
import delta_files
import parity_lake

from millrace_spark import pipeline, validate
from millrace_spark.job_run import Jobs


def range_of(case):
    """The days that a case runs, nothing if it has none."""
    if "key" in case and "each" not in case:
        return ()
    days = case.get("days", "autumn")
    return parity_lake.DAYS[days] if days in parity_lake.DAYS else days.split()


def by_millrace(data, name, case):
    """What is wrong with it, or nothing."""
    days = range_of(case)
    code, output, errors = parity_lake.command(data, "job", *(("backfill", name, *days) if days else ("run", name)))
    return errors or output if code else ""


def by_spark(jobs, name, case):
    days = range_of(case)
    runs = jobs.backfill(name, *days) if days else jobs.run(name)
    return next((run.error for run in runs if run.status != "succeeded"), "")


def problem_of(case, theirs, ours):
    """What is wrong with the ends of both runs."""
    if "fails" in case:
        return "" if case["fails"] in theirs and case["fails"] in ours else f"should fail with {case['fails']}: {theirs!r}, {ours!r}"
    return theirs and f"millrace: {theirs}" or ours and f"Spark: {ours}"


def run_cases(path, chosen):
    parity_lake.make(path, chosen)
    shutil.copytree(path / "data", path / "theirs")
    jobs = Jobs(bench.session(), pipeline.read(path / "spark.yaml"), path / "data", tell=lambda _: None)
    problems = []
    for name, case in chosen.items():
        start = time.monotonic()
        theirs, ours = by_millrace(path / "theirs", name, case), by_spark(jobs, name, case)
        problem = problem_of(case, theirs, ours)
        if not problem and "fails" not in case:
            problem = delta_files.difference(path / "data/tables" / name, path / "theirs/tables" / name)
        if problem:
            problems.append(f"{name}: {problem}")
        print(f"  {'PROBLEM' if problem else 'same'}: {name}, {time.monotonic() - start:.1f} s {problem[:500]}", flush=True)
    bench.expect(not problems, "\n".join(problems))


def test_each_case_gives_what_millrace_gives():
    """All of them, or those whose names are further arguments."""
    chosen = {name: case for name, case in parity_lake.cases().items() if name in sys.argv[2:] or not sys.argv[2:]}
    run_cases(bench.folder("parity"), chosen)


def place_in(text, name, case):
    """Where the refused text stands: `line:column` of the file."""
    lines = text.splitlines()
    first = lines.index(f"  {name}:")
    if case["at"] == "key":
        row = next(i for i in range(first, len(lines)) if lines[i].strip().startswith("distribute_by:"))
        return f"{row + 1}:{lines[row].index(':') + 3}"
    row = lines.index("    sql: |", first) + 1
    column = -1
    for _ in range(case.get("nth", 1)):
        column = lines[row].index(case["at"], column + 1)
    return f"{row + 1}:{column + 1}"


def test_what_cannot_run_on_spark_is_refused_with_its_place():
    path = bench.folder("refused")
    cases = parity_lake.refused()
    text = parity_lake.pipeline_text(cases, with_key=True)
    (path / "spark.yaml").write_text(text)
    found = [(error.place, error.message) for error in validate.problems(pipeline.read(path / "spark.yaml"))]
    problems = []
    for name, case in cases.items():
        place = f"{path / 'spark.yaml'}:{place_in(text, name, case)}"
        if not any(at == place and case["says"] in message for at, message in found):
            line = place.split(":")[1]
            near = [one for one in found if one[0].split(":")[1] == line]
            problems.append(f"{name}: {place}: {case['says']} is not told, but {near}")
    bench.expect(not problems, "\n".join(problems))
    bench.expect_equal(len(found), len(cases), "how much is refused")


if __name__ == "__main__":
    bench.main([test_what_cannot_run_on_spark_is_refused_with_its_place, test_each_case_gives_what_millrace_gives])
