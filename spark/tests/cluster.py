"""Jobs by key, by day and by both on a cluster of two executors: a real shuffle, and tasks that get the package from the driver."""

import os
import pathlib
import shutil

import bench
import delta_files
import handover
import parity
import parity_lake

from millrace_spark import pipeline
from millrace_spark.job_run import Jobs

CHOSEN = ("key_join", "key_full_join", "key_asof", "key_windows", "key_union", "key_by_day", "key_past_days", "qualify_latest", "each_hour")


def work_folder():
    """Where Spark's cluster within one machine leaves its executors' folders."""
    import pyspark

    return pathlib.Path(pyspark.__file__).parent / "work"


def test_a_cluster_of_two_gives_what_millrace_gives():
    path = bench.folder("cluster")
    chosen = {name: case for name, case in parity_lake.cases().items() if name in CHOSEN}
    bench.expect_equal(len(chosen), len(CHOSEN), "the cases")
    parity_lake.make(path, chosen)
    shutil.copytree(path / "data", path / "theirs")
    before = set(work_folder().glob("*"))
    os.environ.pop("PYTHONPATH")  # so that the executors have only what the driver sends them
    spark = bench.session(**{"spark.master": "local-cluster[2,1,1024]", "spark.executor.memory": "1g"})
    try:
        tracker = spark._jsc.sc().statusTracker()
        handover.wait_for("both executors", lambda: len(tracker.getExecutorInfos()) == 3)  # the driver counts
        jobs = Jobs(spark, pipeline.read(path / "spark.yaml"), path / "data", tell=lambda _: None)
        for name, case in chosen.items():
            theirs, ours = parity.by_millrace(path / "theirs", name, case), parity.by_spark(jobs, name, case)
            bench.expect_equal((theirs, ours), ("", ""), f"the runs of {name}")
            difference = delta_files.difference(path / "data/tables" / name, path / "theirs/tables" / name)
            bench.expect_equal(difference, "", f"the difference of {name}")
    finally:
        spark.stop()
        for one in set(work_folder().glob("*")) - before:
            shutil.rmtree(one, ignore_errors=True)


if __name__ == "__main__":
    bench.main([test_a_cluster_of_two_gives_what_millrace_gives])
