#!/usr/bin/env python3
"""Judges tables that `millrace lambda` and `millrace run` write in turns from one stream of kinesis-local, a server that nobody here
wrote, over kills and reshards: records come plain and as the KPL packs them. See kinesis_source.py for where the server comes from.

    BUILD=build/release [KINESIS_LOCAL=FOLDER|install] python lambda_kinesis.py
"""
import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from deltalake import DeltaTable  # noqa: E402
from harness.lambda_runtime import Function, Settings  # noqa: E402
from harness.lambda_source import EventSourceMapping, KinesisStream  # noqa: E402
from harness.millrace import BINARY, Failure  # noqa: E402
from judges import delta  # noqa: E402
from judges.kinesis_source import Bench, KinesisLocal, modules_of_kinesis_local  # noqa: E402

RESHARDS = {1: 4, 3: 2, 4: 3}
TURNS = 6


def check(bench):
    rows = [row["n"] for row in DeltaTable(str(bench.lake / "tables" / "kept")).to_pyarrow_table().to_pylist()]
    if sorted(rows) != list(range(bench.done)):
        lost = set(range(bench.done)) - set(rows)
        raise Failure(f"{len(rows)} rows, {len(set(rows))} different, of {bench.done}; lost: {sorted(lost)[:20]}")
    delta.check_folder(bench.lake)


def judge_turns(folder, modules):
    server = KinesisLocal(folder / "server", modules)
    mapping = None
    try:
        bench = Bench(folder / "reader", server)
        path, bench.lake = bench.millrace.folder / "pipeline.yaml", folder / "lake"
        path.write_text(f"lake: {bench.lake / 'tables'}\n{path.read_text().lstrip()}")
        bench.make_stream(2)
        names = [name for name in bench.millrace.environment if name.startswith("AWS_")]
        variables = {name: bench.millrace.environment[name] for name in names} | {"MILLRACE_PIPELINE": "pipeline.yaml"}
        plan = iter([0.05, 0.2, 0, 0.1] * 50)
        settings = Settings([BINARY, "lambda"], folder / "lambda", variables, (path,),
                            plan=lambda step: next(plan) if step == "delivered" and bench.done % 300 == 0 else None)
        with Function(settings, 2) as function:
            mapping = EventSourceMapping(KinesisStream(bench.kinesis, "events"), function, batch_size=17, repeats=0.2, seed=3)
            for turn in range(TURNS):
                bench.put(100)
                if turn in RESHARDS:
                    bench.kinesis.update_shard_count(StreamName="events", TargetShardCount=RESHARDS[turn], ScalingType="UNIFORM_SCALING")
                    bench.await_active()
                    bench.put(100)
                mapping.drain(120)
                check(bench)
                bench.put(50)
                bench.millrace.start()
                bench.judge()
                bench.millrace.stop() if turn % 2 else bench.millrace.kill()
            mapping.drain(120)
            check(bench)
            if function.violations:
                raise Failure(f"the runtime did wrong: {function.violations}")
            print(f"{bench.done} records in {TURNS} turns, {mapping.invocations} invocations, {function.count('kills')} kills")
    finally:
        if mapping:
            mapping.stop.set()
        bench.millrace.kill()
        server.close()


def main():
    modules = modules_of_kinesis_local()
    if not modules:
        print("kinesis-local is left out: see KINESIS_LOCAL")
        return 0
    with tempfile.TemporaryDirectory(prefix="millrace_lambda_kinesis_") as place:
        try:
            judge_turns(pathlib.Path(place), modules)
        except Failure as failure:
            print(failure)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
