#!/usr/bin/env python3
"""Shows that the stand-in for AWS Lambda (tests/harness/lambda_runtime.py) sees what a runtime does wrong, and does what Lambda does."""
import json
import pathlib
import random
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from harness import lambda_events  # noqa: E402
from harness.lambda_api import PAYLOAD_BYTES_MAX  # noqa: E402
from harness.lambda_runtime import Function, Settings  # noqa: E402
from harness.lambda_source import FAILED, EventSourceMapping  # noqa: E402
from harness.memory_stream import MemoryStream  # noqa: E402
from harness.millrace import Failure  # noqa: E402

BOOTSTRAP = r'''
import base64, http.client, json, os, pathlib, sys, time
api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
def ask(method, path, body=None, headers={}):
    api.request(method, "/2018-06-01/runtime/" + path, body, headers)
    answer = api.getresponse()
    return answer, answer.read()
MISUSE = {"Lambda-Runtime-Function-Error-Type": "Test.Misuse"}
ERROR = json.dumps({"errorMessage": "m", "errorType": "Test.Misuse", "stackTrace": []})
wanted = os.environ.get("INIT")
if wanted == "exit": sys.exit(3)
if wanted == "error": ask("POST", "init/error", ERROR, MISUSE); sys.exit(1)
if wanted == "slow": time.sleep(0.3)
while True:
    answer, body = ask("GET", "invocation/next")
    id, event = answer.headers["Lambda-Runtime-Aws-Request-Id"], json.loads(body)
    if "Records" in event:
        kept = pathlib.Path(os.environ["MILLRACE_DATA"] + ".kept")
        numbers = [record["kinesis"]["sequenceNumber"] for record in event["Records"]]
        bad = [n for n, record in zip(numbers, event["Records"]) if b"bad" in base64.b64decode(record["kinesis"]["data"])]
        with open(os.environ["KEPT"], "a") as file: file.write("\n".join(n for n in numbers if not bad or int(n) < int(bad[0])) + "\n")
        if bad: pathlib.Path(os.environ["KEPT"] + "." + bad[0]).touch()
        once = pathlib.Path(os.environ["KEPT"] + ".seen").exists()
        pathlib.Path(os.environ["KEPT"] + ".seen").touch()
        failures = [] if once or not bad else [{"itemIdentifier": bad[0]}]
        ask("POST", f"invocation/{id}/response", json.dumps({"batchItemFailures": failures}))
        continue
    do, status = event["do"], []
    for step in do:
        if step == "answer":
            facts = {"status": status, "home": os.environ.get("HOME"), "headers": dict(answer.headers), "bytes": len(body)}
            said = ask("POST", f"invocation/{id}/response", json.dumps(facts))
        elif step == "large": said = ask("POST", f"invocation/{id}/response", b" " * event["bytes"])
        elif step == "unknown": said = ask("POST", "invocation/8476a536-e9f4-11e8-9739-2dfe598c3fcd/response", "{}")
        elif step == "error": said = ask("POST", f"invocation/{id}/error", ERROR, MISUSE)
        elif step == "shapeless": said = ask("POST", f"invocation/{id}/error", "oh", MISUSE)
        elif step == "next": said = ask("GET", "invocation/next")
        elif step == "put": said = ask("PUT", f"invocation/{id}/response", "{}")
        elif step == "elsewhere": said = ask("GET", "invocation/last")
        elif step == "late init": said = ask("POST", "init/error", ERROR, MISUSE)
        elif step == "sleep": time.sleep(event["seconds"]); continue
        elif step == "exit": os._exit(1)
        status.append(said[0].status)
    pathlib.Path(os.environ["MILLRACE_DATA"] + ".status").write_text(json.dumps(status))
'''
ECHO = r'''
def handler(event, context):
    return {"length": len(event["text"]), "left": context.get_remaining_time_in_millis(), "name": context.function_name,
            "memory": context.memory_limit_in_mb, "arn": context.invoked_function_arn}
'''
MISUSES = {"unknown": 400, "shapeless": 400, "next": 403, "put": 405, "elsewhere": 404, "late init": 403}


def equal(actual, expected, what):
    if actual != expected:
        raise Failure(f"{what}: {str(actual)[:400]}, not {expected}")


def function(folder, concurrency=1, **more):
    (folder / "bootstrap.py").write_text(BOOTSTRAP)
    settings = Settings([sys.executable, folder / "bootstrap.py"], folder, **{"seconds": 5, **more})
    return Function(settings, concurrency)


def judge_answers(folder):
    with function(folder) as one:
        before = time.time()
        answer = one.invoke({"do": ["answer"]}).json()
        equal((answer["status"], answer["home"]), ([], None), "what came before the answer, and HOME")
        deadline = int(answer["headers"]["Lambda-Runtime-Deadline-Ms"]) / 1000
        equal(before + 4.9 < deadline < time.time() + 5.1, True, "whether the deadline is a time of the epoch")
        big = one.invoke({"do": ["answer"], "text": "x" * 300_000}).json()
        equal((big["headers"].get("Transfer-Encoding"), big["bytes"] > 300_000), ("chunked", True), "how a large event comes")
        one.invoke({"do": ["answer", "answer"]})
        one.invoke({"do": ["answer"]})
        status = pathlib.Path(one.environments[0].tmp / "millrace.status")
        equal(json.loads(status.read_text()), [202], "the answer to an answer")
        equal(len(one.violations), 1, "violations by a second answer")
        equal(one.invoke({"do": ["large"], "bytes": PAYLOAD_BYTES_MAX}).kind, "response", "the largest answer")
        outcome = one.invoke({"do": ["large"], "bytes": PAYLOAD_BYTES_MAX + 1})
        equal((outcome.kind, outcome.error_type), ("error", "Function.ResponseSizeTooLarge"), "an answer too large")
        outcome = one.invoke({"do": ["error"]})
        equal((outcome.kind, outcome.error_type, outcome.json()["errorMessage"]), ("error", "Test.Misuse", "m"), "an error")
        equal(one.count("starts"), 1, "starts")


def judge_misuse(folder):
    with function(folder) as one:
        for number, (step, status) in enumerate(MISUSES.items()):
            equal(one.invoke({"do": [step, "answer"]}).json()["status"], [status], f"the status of {step}")
            equal(len(one.violations), number + 1, f"violations after {step}")


def judge_ends(folder):
    with function(folder, seconds=1) as one:
        equal(one.invoke({"do": ["exit"]}).kind, "crash", "an exit")
        equal(one.invoke({"do": ["answer"]}).kind, "response", "the invocation after it")
        begin = time.monotonic()
        outcome = one.invoke({"do": ["sleep", "answer"], "seconds": 30})
        equal((outcome.kind, 0.9 < time.monotonic() - begin < 3), ("timeout", True), "an event that takes too long")
        equal(one.invoke({"do": ["answer", "sleep"], "seconds": 30}).kind, "response", "one that answers and does not go on")
        equal((one.count("starts"), one.count("timeouts"), one.count("crashes")), (3, 2, 1), "starts, timeouts, crashes")
        equal(len(one.violations), 1, "violations")
        equal(one.invoke({"do": ["answer"]}).kind, "response", "the invocation after all that")
    for how, kind in (("exit", "init_error"), ("error", "init_error"), ("slow", "response")):
        (folder / how).mkdir()
        with function(folder / how, environment={"INIT": how}) as one:
            equal(one.invoke({"do": ["answer"]}).kind, kind, f"an init that is {how}")
            errors, times = one.environments[0].init_errors, one.environments[0].init_seconds
            equal((len(errors), bool(times)), (how == "error", how == "slow"), "errors and times of an init")
            equal(how != "slow" or times[0] > 0.3, True, "the time of a slow init")


def judge_kills(folder):
    """A plan's kills fall where it says: a lost answer counts as none, one that was taken as one."""
    for step, kinds in (("init", ("init_error",)), ("delivered", ("crash",)), ("response", ("crash",)), ("answered", ("response",))):
        place, armed = folder / step, [True]
        place.mkdir()

        def plan(at, armed=armed, step=step):
            return 0 if at == step and armed.pop(0) else None

        armed.append(False)
        armed += [False] * 10
        with function(place, plan=plan) as one:
            equal(one.invoke({"do": ["answer"]}).kind in kinds, True, f"a kill at {step}")
            equal(one.invoke({"do": ["answer"]}).kind, "response", f"what comes after a kill at {step}")
            equal((one.count("starts"), one.count("kills")), (2, 1), f"starts and kills at {step}")


def judge_freezing(folder):
    with function(folder, freezes=True) as one:
        one.invoke({"do": ["answer"]})
        state = pathlib.Path(f"/proc/{one.environments[0].process.pid}/stat")
        time.sleep(0.1)
        equal(state.read_text().rpartition(")")[2].split()[0], "T", "the state between invocations")
        equal(one.invoke({"do": ["answer"]}).kind, "response", "the invocation after a freeze")
    one = function(folder / "..", concurrency=1)
    one.lifetime = 2
    with one:
        for _ in range(5):
            equal(one.invoke({"do": ["answer"]}).kind, "response", "an invocation")
        equal((len(one.environments), one.given_up), (3, 2), "environments that were made and given up")


def judge_mapping(folder):
    stream, chance = MemoryStream(4), random.Random(1)
    kept = folder / "kept"
    kept.touch()

    def plan(step):
        return 0 if step in ("delivered", "response") and chance.random() < 0.1 else None

    for n in range(1000):
        stream.put({"n": n}, f"key {n}")
    with function(folder, concurrency=3, plan=plan, environment={"KEPT": str(kept)}) as three:
        mapping = EventSourceMapping(stream, three, batch_size=50, repeats=0.1, regroups=True)
        mapping.drain(60)
        equal(len(three.environments) > 1 and three.violations == [] and mapping.failures > 0, True, "whether it was as wanted")
        wanted = sorted(str(record.sequence_number) for records in stream.records.values() for record in records)
        lines = kept.read_text().split()
        equal((sorted(set(lines)) == wanted, len(lines) > len(wanted)), (True, True), "whether all came, some again")
    stream = MemoryStream(1)
    numbers = [stream.put(b"bad" if n == 7 else b"good").sequence_number for n in range(20)]
    kept.write_text("")
    pathlib.Path(f"{kept}.seen").unlink()
    with function(folder, environment={"KEPT": str(kept)}) as one:
        mapping = EventSourceMapping(stream, one)
        mapping.drain(30)
        equal((mapping.invocations, mapping.partial, mapping.failures), (2, 1, 0), "invocations, partial ones, failures")
        equal(kept.read_text().split()[:7], [str(number) for number in numbers[:7]], "what was done the first time")
    equal({number.bit_length() for number in numbers}, {186}, "the bits of a sequence number")
    batch = stream.read(stream.shards()[0], None, 3)

    class Answered:
        answered = True

    first, last = (str(batch[index].sequence_number) for index in (0, 2))
    two = b'{"batchItemFailures": [{"itemIdentifier": "%s"}, {"itemIdentifier": "%s"}]}' % (last.encode(), first.encode())
    wholes = (b"", b"null", b"{}", b'{"batchItemFailures": []}', b'{"batchItemFailures": null}')
    failures = (b"oh", b'"ok"', b'{"batchItemFailures": [{"itemIdentifier": ""}]}', b'{"batchItemFailures": [{"id": "1"}]}',
                b'{"batchItemFailures": [{"itemIdentifier": "7"}]}')
    for body, checkpoint in [(body, None) for body in wholes] + [(body, FAILED) for body in failures] + [(two, int(first))]:
        Answered.body = body
        equal(EventSourceMapping.checkpoint_of(Answered, batch), checkpoint, f"what {body} means")


def judge_client_of_aws(folder):
    """AWS's own client of the Runtime API finds nothing missing, and does nothing that is refused."""
    (folder / "echo.py").write_text(ECHO)
    settings = Settings([sys.executable, "-m", "awslambdaric", "echo.handler"], folder, files=(folder / "echo.py",), memory_mb=512)
    with Function(settings) as one:
        for size in (1, 3_000_000):
            answer = one.invoke({"text": "x" * size}).json()
            equal((answer["length"], answer["name"], answer["memory"]), (size, "millrace", "512"), "the answer of AWS's client")
            equal(58_000 < answer["left"] <= 60_000, True, "the time that is left")
            equal(answer["arn"], "arn:aws:lambda:us-east-1:123456789012:function:millrace", "the function's ARN")
        outcome = one.invoke({"fail": True})
        equal((outcome.kind, outcome.error_type, outcome.json()["errorMessage"]), ("error", "", "'text'"), "an error")
        equal(one.invoke({"text": "y"}).kind, "response", "the invocation after an error")
        equal((one.violations, one.count("starts")), ([], 1), "violations and starts")


def judge_events(_):
    record = MemoryStream(1, created=1795435200).put({"a": 1})
    good = lambda_events.kinesis([record])
    equal(good["Records"][0]["eventID"], f"shardId-000000000000:{record.sequence_number}", "the id of an event")
    payloads = [payload for _, payload in lambda_events.malformed(good)]
    equal(len(set(payloads)) > 12 and json.dumps(good).encode() not in payloads, True, "whether malformed events are such")


def main():
    failed = 0
    for judge in (judge_answers, judge_misuse, judge_ends, judge_kills, judge_freezing, judge_mapping, judge_client_of_aws,
                  judge_events):
        with tempfile.TemporaryDirectory(prefix="millrace_lambda_") as folder:
            place = pathlib.Path(folder, "function")
            place.mkdir()
            begin = time.monotonic()
            try:
                judge(place)
                print(f"{judge.__name__}: fine, {time.monotonic() - begin:.1f} s")
            except Failure as failure:
                failed += 1
                print(f"{judge.__name__}: {failure}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
