"""Jobs that run elsewhere: spark-submit as a script plays it, Glue as moto does. With Spark itself: spark/tests/started.py."""
import json
import os
import signal
import time
import urllib.request

from harness.fault_proxy import FaultProxy
from harness.millrace import Millrace
from harness.s3_store import S3Store, versitygw
from operations import expect, expect_equal, expect_texts

PIPELINE = """
pipeline: shop
timezone: Europe/Berlin
{lake}
sources:
  orders: {{from: log, schema: {{customer: varchar, amount: bigint, ts: timestamptz}}, event_time: {{column: ts}}}}
tables:
  sales:
    from: orders
    sql: SELECT *, CAST(ts AT TIME ZONE 'Europe/Berlin' AS DATE) AS day FROM orders
    partition_by: [day]
    commit: {{every: 100ms}}
engines: {engines}
jobs:
  daily:
    each: day
    engine: {engine}
    sql: SELECT customer, sum(amount) AS total FROM sales WHERE day = $day GROUP BY ALL
    retry: {{attempts: 2, wait: 10ms}}
"""
SPARK = """
  spark: {submit: ./spark-submit, conf: {spark.hadoop.fs.s3a.secret.key: "${LAKE_SECRET}"}}"""
GLUE = """
  glue: {job: nightly}"""
SECRET = "open sesame"
DAYS = ("2026-11-18", "2026-11-19")


def with_spark(folder, script):
    (folder / "pipeline.yaml").write_text(PIPELINE.format(lake="", engines=SPARK, engine="spark"))
    write_script(folder, script)
    return Millrace(folder, environment={"LAKE_SECRET": SECRET})


def write_script(folder, lines):
    (folder / "spark-submit").write_text("#!/bin/sh\n" + lines)
    (folder / "spark-submit").chmod(0o755)


def send(millrace):
    millrace.send("orders", "".join(json.dumps({"customer": "ann", "amount": 1, "ts": f"{day}T12:00:00Z"}) + "\n" for day in DAYS).encode())
    millrace.settle()


def backfill(millrace):
    return millrace.command("job", "backfill", "daily", *DAYS, "--data", str(millrace.data))


def history(millrace):
    rows = millrace.query("SELECT \"partition\", status, attempt, coalesce(error, '') FROM _runs WHERE job = 'daily' ORDER BY ALL")
    return [tuple(map(str, row)) for row in rows]


def states(millrace):
    return [partition["state"] for partition in millrace.json("GET", "/v1/jobs")["jobs"][0]["partitions"]]


def test_one_spark_run_for_a_backfill_that_fails(folder):
    script = f'echo "$@" >> {folder}/calls\necho "{SECRET}"\necho "ValueError: {SECRET} is wrong"\nexit 1\n'
    with with_spark(folder, script) as millrace:
        millrace.start()
        send(millrace)
        code, output, errors = backfill(millrace)
        expect_equal(code, 1, "the exit code")
        expect_texts(output + errors, "spark-submit ended with 1: ValueError: *** is wrong (its output: ")
        calls = (folder / "calls").read_text().splitlines()
        expect_equal(len(calls), 2, "how often spark-submit was started: once for each attempt")
        expect_texts(calls[0], "order", "--partitions 2026-11-18..2026-11-19 ")
        expect_equal([row[:3] for row in history(millrace)], [(day, "failed", "2") for day in DAYS], "the runs")
        expect_equal(states(millrace), ["failed"] * 2, "the partitions")
        told = output + errors + millrace.log.read_text() + "".join(calls) + str(history(millrace))
        expect(SECRET not in told, "the secret is shown")
        write_script(folder, "kill -9 $$")
        expect_texts("".join(backfill(millrace)[1:]), "spark-submit was killed by signal 9")
        (folder / "spark-submit").unlink()
        expect_texts("".join(backfill(millrace)[1:]), "cannot be started: there is no such program", "submit: /path/to/spark-submit")
        expect_equal(len(history(millrace)), 6, "one row for each run")


def test_spark_ends_with_millrace(folder):
    """Killed in the middle, it leaves no Spark behind; the next start says so, once."""
    with with_spark(folder, f"echo $$ > {folder}/pid.new\nmv {folder}/pid.new {folder}/pid\nexec sleep 120\n") as millrace:
        millrace.start()
        send(millrace)
        for how in ("kill", "stop"):
            begin(millrace)
            millrace.wait_for("Spark runs", (folder / "pid").exists)
            process = int((folder / "pid").read_text())
            (folder / "pid").unlink()
            millrace.kill() if how == "kill" else expect_equal(millrace.end(), 0, "the exit code of a stop")
            await_end(process)
            millrace.start()
        runs = history(millrace)
        expect_equal([row[:3] for row in runs], [(day, "failed", "1") for day in DAYS for _ in range(2)], "the runs")
        expect_texts(str(runs), "the process ended during the run", "the program was stopped during the run")


def begin(millrace):
    """A backfill that nobody waits for."""
    body = json.dumps({"from": DAYS[0], "to": DAYS[1], "dry_run": False})
    try:
        millrace.request("POST", "/v1/jobs/daily/backfill", body, {"Content-Type": "application/json"}, timeout=1)
    except TimeoutError:
        pass


def await_end(process):
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            if open(f"/proc/{process}/stat").read().rsplit(")", 1)[1].split()[0] == "Z":
                return
            os.kill(process, 0)
        except (FileNotFoundError, ProcessLookupError):
            return
        time.sleep(0.05)
    os.kill(process, signal.SIGKILL)
    expect(False, "Spark outlived millrace")


def test_wrong_settings_are_said_at_the_start(folder):
    (folder / "pipeline.yaml").write_text(PIPELINE.format(lake="", engines="{}", engine="glue"))
    _, _, errors = Millrace(folder).command("validate", "pipeline.yaml")
    expect_texts(errors, "pipeline.yaml:17:13: engine: which job of Glue is started? Say `engines: {glue: {job: NAME}}`",
                 "engine: Glue reads the tables on S3; say `lake: s3://bucket/prefix`")


def test_what_spark_cannot_run_needs_the_package(folder):
    millrace = with_spark(folder, "")
    for python, message in (("/no/python", "cannot be started"), ("true", "ended with 0"), ("./python", "No module named")):
        (folder / "python").write_text("#!/bin/sh\necho \"$0: No module named millrace_spark\" >&2\nexit 1\n")
        (folder / "python").chmod(0o755)
        python = folder / python if python[0] == "." else python
        text = (folder / "pipeline.yaml").read_text().replace("submit:", f"python: {python}, submit:")
        (folder / "wrong.yaml").write_text(text)
        code, _, errors = millrace.command("validate", "--engine", "spark", "wrong.yaml")
        expect_equal(code != 0, True, f"the exit code of validate with {python}")
        expect_texts(errors, "the package millrace_spark", message)
    expect_texts(errors, "`pip install` the wheel of spark/")
    (folder / "python").write_text(
        "#!/bin/sh\necho noise\necho '[{\"message\": \"no GROUP BY\", \"place\": \"'$PWD'/wrong.yaml:19:10\"}]'\nexit 2\n")
    code, _, errors = millrace.command("validate", "--engine", "spark", "wrong.yaml")
    expect_equal(code, 2, "the exit code")
    expect_texts(errors, "wrong.yaml:19:10: no GROUP BY", "19 |     sql: SELECT customer", "1 error")


class Cloud:
    """S3 and Glue on the loopback; `plan` spoils requests to Glue."""

    def __init__(self, folder, plan=lambda method, target: "pass"):
        self.s3 = S3Store(folder / "s3", versitygw(), checks_signatures=False)
        self.moto = S3Store(folder / "glue", checks_signatures=False)
        self.proxy = FaultProxy(self.moto.address, plan, errors={400: "ThrottlingException"})
        self.s3.boto3().create_bucket(Bucket="lake")
        self.glue = self.moto.boto3("glue")

    def make_job(self):
        self.glue.create_job(Name="nightly", Role="r", Command={"Name": "glueetl", "ScriptLocation": "s3://lake/job.py"},
                             ExecutionProperty={"MaxConcurrentRuns": 9})

    def moves_by_hand(self, times):
        """A run's state is another after so many looks."""
        self.post("state-manager/set-transition", {"model_name": "glue::job_run", "transition": {"progression": "manual", "times": times}})

    def post(self, path, body):
        data = json.dumps(body).encode()
        request = urllib.request.Request(f"{self.moto.url}/moto-api/{path}", data, {"Content-Type": "application/json"}, method="POST")
        urllib.request.urlopen(request, timeout=10).close()

    def runs(self):
        return self.glue.get_job_runs(JobName="nightly")["JobRuns"]

    def millrace(self, folder):
        (folder / "pipeline.yaml").write_text(PIPELINE.format(lake="lake: s3://lake/shop", engines=GLUE, engine="glue"))
        return Millrace(folder, environment={**self.s3.environment(), "AWS_ENDPOINT_URL_GLUE": self.proxy.url})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.proxy.close()
        self.s3.close()
        self.moto.close()


def test_glue_runs_that_fail(folder):
    """moto ends a run well, and nothing was computed: that is no success, and each attempt is one run of Glue."""
    with Cloud(folder) as cloud, cloud.millrace(folder) as millrace:
        millrace.start()
        send(millrace)
        expect_texts("".join(backfill(millrace)[1:]), "Glue StartJobRun: EntityNotFoundException")
        cloud.make_job()
        code, output, errors = backfill(millrace)
        expect_equal(code, 1, "the exit code")
        expect_texts(output + errors, "glue ended well, but did not run this partition")
        runs = cloud.runs()
        expect_equal(len(runs), 2, "the runs of Glue: one for each attempt")
        given = runs[0]["Arguments"]
        expect_equal((given["--millrace_job"], given["--millrace_partitions"], given["--millrace_file"]),
                     ("daily", "2026-11-18..2026-11-19", "pipeline.yaml"), "the arguments")
        expect_equal([row[:3] for row in history(millrace)],
                     [(day, "failed", attempt) for day in DAYS for attempt in ("1", "2")], "the runs")


def test_glue_throttled_and_gone(folder):
    faults = iter([400, 400])
    with Cloud(folder, lambda method, target: next(faults, "pass")) as cloud, cloud.millrace(folder) as millrace:
        cloud.make_job()
        cloud.moves_by_hand(1000)
        millrace.start()
        send(millrace)
        begin(millrace)
        millrace.wait_for("the run is started after all", lambda: len(cloud.runs()) == 1)
        cloud.post("reset", {})
        millrace.wait_for("the run is not found", lambda: len(history(millrace)) == 2)
        expect_texts(str(history(millrace)), "Glue GetJobRun: EntityNotFoundException")


def test_glue_goes_on_without_millrace(folder):
    """Killed, and stopped: Glue is not asked twice, and the run's rows are written when it is over."""
    with Cloud(folder) as cloud, cloud.millrace(folder) as millrace:
        cloud.make_job()
        cloud.moves_by_hand(1000)
        millrace.start()
        send(millrace)
        begin(millrace)
        millrace.wait_for("the run is started", lambda: len(cloud.runs()) == 1)
        millrace.kill()
        millrace.start()
        expect_equal(states(millrace), ["running"] * 2, "the partitions after a kill")
        expect_equal(millrace.end(), 0, "the exit code of a stop")
        cloud.moves_by_hand(1)
        millrace.start()
        millrace.wait_for("the rows are written", lambda: len(history(millrace)) == 2)
        expect_equal([row[1:3] for row in history(millrace)], [("failed", "1")] * 2, "the runs")
        expect_texts(str(history(millrace)), "did not run this partition")
        expect_equal(len(cloud.runs()), 1, "the runs of Glue")
