#!/usr/bin/env python3
"""Judges our S3 client: by boto3, which looks at the same bucket of a real server, and by a proxy that loses answers.

    BUILD=build/release [VERSITYGW=install|FILE] python s3.py [--seed N]

tests/harness/s3_store.py says which server it is.
"""
import argparse
import concurrent.futures
import hashlib
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys

from harness.fault_proxy import FaultProxy
from harness.s3_store import S3Store, versitygw

BUCKET = "lake"
KEYS = ["plain", "t/date=2024-01-01/x+y z.parquet", "ü/ñ%41", "t'(e)*s!t~", "a;b&c=d,e:f@g$h", "a<b>&amp;c", "日本/本"]
FAULTS = ["lose", "drop", "late 500", 409, 500, 503]


class Ours:
    """Our client as a process that is asked line by line."""

    def __init__(self, store, url=None, bucket=BUCKET, **environment):
        binary = pathlib.Path(os.environ["BUILD"], "src", "aws", "aws_lines")
        clean = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        self.process = subprocess.Popen([binary, bucket], env={**clean, **store.environment(url), **environment}, text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, encoding="utf-8")

    def ask(self, what, **question):
        self.process.stdin.write(json.dumps({"do": what, **question}) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        self.process.wait(60)


class Problems(list):
    def equal(self, actual, expected, what):
        if actual != expected:
            self.append(f"{what}: {actual!r}, not {expected!r}")

    def refusal(self, answer, code, *parts):
        if not isinstance(answer, dict) or answer.get("error") != code or not all(part in answer["message"] for part in parts):
            self.append(f"expected {code} with {parts}, got {answer}")


def judge_contents(store, problems, _):
    ours, boto = Ours(store), store.boto3()
    for index, key in enumerate(KEYS):
        problems.equal(ours.ask("put", key=key, text=f"text {index} é"), "done", f"put {key}")
        body = boto.get_object(Bucket=BUCKET, Key=key)["Body"].read().decode()
        problems.equal(body, f"text {index} é", f"boto3 reads {key}")
        problems.equal(ours.ask("get", key=key).get("text"), body, f"we read {key}")
        problems.equal(ours.ask("create", key=key, text="other"), "exists", f"create {key}")
    listed = [item["key"] for item in ours.ask("list", keys_max=2)["objects"]]
    problems.equal(listed, sorted(KEYS, key=str.encode), "all keys, two a page")
    theirs = [item["Key"] for item in boto.list_objects_v2(Bucket=BUCKET)["Contents"]]
    problems.equal(listed, theirs, "keys as boto3 lists them")
    for options in ({"prefix": "t"}, {"start_after": "plain"}, {"delimiter": "/"}, {"prefix": "t/", "delimiter": "/"}):
        page = boto.list_objects_v2(Bucket=BUCKET, **{"Prefix": options.get("prefix", ""), "StartAfter": options.get("start_after", ""),
                                                      "Delimiter": options.get("delimiter", "")})
        answer = ours.ask("list", **options)
        problems.equal([item["key"] for item in answer["objects"]], [item["Key"] for item in page.get("Contents", [])], f"{options}")
        problems.equal(answer["prefixes"], [item["Prefix"] for item in page.get("CommonPrefixes", [])], f"prefixes {options}")
    ours.ask("put", key="ten", text="0123456789")
    for offset, size, text in ((0, 3, "012"), (7, 3, "789"), (7, 100, "789"), (10, 5, ""), (3, 0, "")):
        problems.equal(ours.ask("get", key="ten", offset=offset, size=size)["text"], text, f"range {offset} {size}")
    head, theirs = ours.ask("head", key="ten"), boto.head_object(Bucket=BUCKET, Key="ten")
    problems.equal((head["size"], head["etag"]), (theirs["ContentLength"], theirs["ETag"]), "head")
    problems.equal(head["modified_at"][:19], theirs["LastModified"].strftime("%Y-%m-%dT%H:%M:%S"), "modified_at")
    problems.equal(ours.ask("head", key="absent"), None, "head of nothing")
    problems.equal(ours.ask("get", key="ten", if_match=head["etag"])["text"], "0123456789", "if_match")
    problems.refusal(ours.ask("get", key="ten", if_match='"other"'), "invalid", "PreconditionFailed")
    problems.equal(ours.ask("remove", keys=[*KEYS, "ten", "absent"]), "done", "remove")
    problems.equal(boto.list_objects_v2(Bucket=BUCKET).get("Contents", []), [], "after removing all")
    ours.close()


def judge_uploads(store, problems, _):
    ours, boto = Ours(store), store.boto3()
    for size in (0, 1, 5 << 20, (5 << 20) + 1, (23 << 20) + 7):
        digest = ours.ask("upload", key="big", size=size)
        body = boto.get_object(Bucket=BUCKET, Key="big")["Body"].read()
        problems.equal((len(body), hashlib.sha256(body).hexdigest()), (size, digest), f"upload of {size}")
    problems.equal(boto.list_multipart_uploads(Bucket=BUCKET).get("Uploads", []), [], "uploads left over")
    proxy = FaultProxy(store.address, lambda method, target: 403 if "partNumber=2" in target else "pass")
    spoilt = Ours(store, proxy.url)
    problems.refusal(spoilt.ask("upload", key="never", size=23 << 20), "denied")
    problems.equal(boto.list_multipart_uploads(Bucket=BUCKET).get("Uploads", []), [], "uploads left over after an error")
    problems.equal(ours.ask("head", key="never"), None, "an upload that was given up")
    for one in (ours, spoilt, proxy):
        one.close()


def judge_refusals(store, problems, _):
    cases = [({"AWS_SECRET_ACCESS_KEY": "guessed"}, BUCKET, "denied", ["SignatureDoesNotMatch", "check the secret access key"]),
             ({"AWS_ACCESS_KEY_ID": "AKIDNOBODY"}, BUCKET, "denied", ["InvalidAccessKeyId", "does not know these credentials"]),
             ({}, "no-such-bucket", "not_found", ["NoSuchBucket", "make the bucket"])]
    for environment, bucket, code, parts in cases:
        ours = Ours(store, bucket=bucket, **environment)
        problems.refusal(ours.ask("list"), code, *parts)
        ours.close()
    ours = Ours(store)
    problems.refusal(ours.ask("get", key="absent"), "not_found", "NoSuchKey", "s3://lake/absent")
    ours.close()
    nowhere = Ours(store, url="http://nowhere.invalid", AWS_MAX_ATTEMPTS="1")
    problems.refusal(nowhere.ask("list"), "unavailable", "nowhere.invalid")
    nowhere.close()


def judge_races(store, problems, _):
    ours = Ours(store)
    for number in range(20):
        outcomes = ours.ask("race", key=f"race/{number}", writers=16)
        won = outcomes.pop("created", 0)
        problems.equal((won, sum(outcomes.values())), (1, 15), f"race {number}, created and others")
        problems.equal(set(outcomes) <= {"exists", "conflict"}, True, f"race {number}: {outcomes}")
    ours.close()


def commit(ours, version, text):
    """Puts `text` at the first free version from `version` on, as the lake does; returns that version."""
    while True:
        key = f"log/{version:020}.json"
        outcome = ours.ask("create", key=key, text=text)
        if outcome == "created":
            return version
        if outcome == "conflict" or isinstance(outcome, dict) and outcome["error"] == "unavailable":
            continue
        there = ours.ask("get", key=key)
        while there.get("error") == "unavailable":
            there = ours.ask("get", key=key)
        if there.get("text") == text:
            return version
        if "text" in there:
            version += 1  # another writer's


def judge_faults(store, problems, rng):
    lock_free = random.Random(rng.random())

    def plan(method, _):
        chance = 0.4 if method == "PUT" else 0.1
        return lock_free.choice(FAULTS if method == "PUT" else ["drop", 500, 503]) if lock_free.random() < chance else "pass"

    proxy = FaultProxy(store.address, plan)

    def write_some(writer):
        ours, version = Ours(store, proxy.url), 0
        for number in range(25):
            version = commit(ours, version, f"writer {writer} commit {number}") + 1
        ours.close()

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(write_some, writer) for writer in range(4)]:
            done.result()
    boto = store.boto3()
    keys = [item["Key"] for item in boto.list_objects_v2(Bucket=BUCKET, Prefix="log/")["Contents"]]
    problems.equal(keys, [f"log/{version:020}.json" for version in range(100)], "versions")
    texts = sorted(boto.get_object(Bucket=BUCKET, Key=key)["Body"].read().decode() for key in keys)
    problems.equal(texts, sorted(f"writer {writer} commit {number}" for writer in range(4) for number in range(25)), "commits")
    if len({fault for _, _, fault in proxy.seen}) < 7:
        problems.append("the proxy did not use all its faults")
    proxy.close()


def judge_certificates(store, problems, _):
    certificate = store.folder / "certificate.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                    "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", certificate, "-out",
                    store.folder / "public.pem"], check=True, capture_output=True)
    with certificate.open("a") as both:
        both.write((store.folder / "public.pem").read_text())
    proxy = FaultProxy(store.address, lambda *_: "pass", certificate)
    trusting = Ours(store, proxy.url, AWS_CA_BUNDLE=str(store.folder / "public.pem"))
    problems.equal(trusting.ask("put", key="tls", text="over TLS"), "done", "put over TLS")
    problems.equal(trusting.ask("get", key="tls").get("text"), "over TLS", "get over TLS")
    wary = Ours(store, proxy.url)
    problems.refusal(wary.ask("get", key="tls"), "invalid", "certificate", "AWS_CA_BUNDLE")
    for one in (trusting, wary, proxy):
        one.close()


def judge_probe(store, problems, _):
    ours = Ours(store)
    problems.equal(ours.ask("probe", prefix="t/"), "done", "probe of a good store")
    proxy = FaultProxy(store.address, lambda method, _: 200 if method == "PUT" else "pass")
    careless = Ours(store, proxy.url)
    problems.refusal(careless.ask("probe", prefix="t/"), "invalid", "ignores If-None-Match")
    problems.equal(ours.ask("list", prefix="t/")["objects"], [], "what a probe leaves")
    for one in (ours, careless, proxy):
        one.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    options = parser.parse_args()
    folder = pathlib.Path(os.environ["BUILD"]).resolve().parent / "test_data" / "s3"
    shutil.rmtree(folder, ignore_errors=True)
    store, problems = S3Store(folder, versitygw()), Problems()
    try:
        store.boto3().create_bucket(Bucket=BUCKET)
        for judge in (judge_contents, judge_uploads, judge_refusals, judge_races, judge_probe, judge_certificates,
                      judge_faults):
            before = len(problems)
            judge(store, problems, random.Random(options.seed))
            problems[before:] = [f"{judge.__name__}: {problem}" for problem in problems[before:]]
    finally:
        store.close()
    print("\n".join(problems))
    print(f"{store.name}: {len(problems)} problems, seed {options.seed}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
