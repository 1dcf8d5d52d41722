"""Runs one judge over a millrace of its own."""
import pathlib
import tempfile

from harness.millrace import Failure, Millrace


def judged(pipeline, check):
    """The exit code: 0 if `check(millrace)` raises no Failure, and no ValueError of the parser that judges."""
    with tempfile.TemporaryDirectory(prefix="millrace_judged_") as folder:
        (pathlib.Path(folder) / "pipeline.yaml").write_text(pipeline)
        try:
            with Millrace(folder).start() as millrace:
                check(millrace)
                millrace.stop()
        except (Failure, ValueError) as failure:
            print(f"{type(failure).__name__}: {failure}")
            return 1
    return 0
