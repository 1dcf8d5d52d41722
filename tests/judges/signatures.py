#!/usr/bin/env python3
"""Judges our Signature Version 4 by botocore: random requests signed by both must have the same signature, and what botocore
signed, in headers or presigned, must be verified by us and no longer once a byte of it is changed.

    BUILD=build/release python signatures.py [--count 300] [--seed N]
"""
import argparse
import datetime
import json
import os
import pathlib
import random
import subprocess
import sys
import urllib.parse
from unittest import mock

from botocore import auth, awsrequest, credentials

WORDS = ["a", "date=2024-01-01", "x+y z", "ü/ñ%41", "t'(e)*s!t~", "a;b&c=d,e:f@g$h", "..", ".", "", "%2F", "日本", "-._~", '"<>#?[]']
NOW = datetime.datetime(2026, 1, 31, 12, 0, 0, tzinfo=datetime.timezone.utc)
HOST = "example.amazonaws.com"


def random_request(rng):
    """(method, target, headers, body) of a request to S3 or to a JSON service."""
    service = rng.choice(["s3", "kinesis"])
    words = [word for word in WORDS if service != "s3" or word not in ("..", ".")]
    path = "/" + "/".join(urllib.parse.quote(rng.choice(words), safe="-._~") for _ in range(rng.randint(0, 4)))
    pairs = [(rng.choice(WORDS) or "k", rng.choice(WORDS)) for _ in range(rng.randint(0, 4))]
    query = "&".join(f"{urllib.parse.quote(name, safe='-._~')}={urllib.parse.quote(value, safe='-._~')}" for name, value in pairs)
    headers = [("Host", HOST)] + [(f"X-Amz-Meta-{index}", rng.choice(["v", " a  b ", "x;y", '"q"'])) for index in range(rng.randint(0, 3))]
    if rng.random() < 0.5:
        headers.append(("Content-Type", "application/x-amz-json-1.1"))
    body = "" if service == "s3" and rng.random() < 0.5 else "".join(rng.choice(WORDS) for _ in range(rng.randint(0, 5)))
    return service, rng.choice(["GET", "PUT", "POST"]), path + ("?" + query if query else ""), headers, body


def botocore_signed(kind, request, keys, region):
    service, method, target, headers, body = request
    aws_request = awsrequest.AWSRequest(method=method, url=f"https://{HOST}{target}", headers=dict(headers), data=body.encode())
    with mock.patch("botocore.auth.get_current_datetime", return_value=NOW.replace(tzinfo=None)):
        if kind == "sign":
            signer = auth.S3SigV4Auth if service == "s3" else auth.SigV4Auth
            signer(keys, service, region).add_auth(aws_request)
        else:
            signer = auth.S3SigV4QueryAuth if service == "s3" else auth.SigV4QueryAuth
            signer(keys, service, region, expires=60).add_auth(aws_request)
    signed_target = aws_request.url[len(f"https://{HOST}"):]
    return signed_target, [("Host", HOST)] + [pair for pair in aws_request.headers.items() if pair[0].lower() != "host"]


class Ours:
    def __init__(self):
        binary = pathlib.Path(os.environ["BUILD"], "src", "aws", "signature_lines")
        self.process = subprocess.Popen([binary], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8")

    def ask(self, what, request, keys, region):
        service, method, target, headers, body = request
        question = {"do": what, "method": method, "target": target, "headers": headers, "body": body, "key": keys.access_key,
                    "secret": keys.secret_key, "token": keys.token or "", "region": region, "service": service,
                    "date": NOW.strftime("%Y%m%dT%H%M%SZ"), "seconds": 60}
        self.process.stdin.write(json.dumps(question) + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().rstrip("\n")


def judge(ours, request, keys, region):
    service, method, _, _, body = request
    _, headers = botocore_signed("sign", request, keys, region)
    theirs = dict(headers)["Authorization"]
    answer = ours.ask("sign", request, keys, region)
    if json.loads(answer).get("Authorization", "").rsplit("=", 1)[1] != theirs.rsplit("=", 1)[1]:
        yield f"signed {answer}, botocore {theirs}"
    signed = (service, method, request[2], headers, body)
    target, query_headers = botocore_signed("presign", (*request[:4], ""), keys, region)  # it would move a body into the query
    presigned = (service, method, target, query_headers, "")
    for name, good in (("signed", signed), ("presigned", presigned)):
        verdict = ours.ask("verify", good, keys, region)
        if verdict != "verified":
            yield f"{name} by botocore, refused: {verdict}"
        spoilt = [(good[0], good[1] + "X", *good[2:]), (*good[:2], good[2] + ("&" if "?" in good[2] else "?") + "z=1", *good[3:])]
        if name == "signed" or service != "s3":
            spoilt.append((*good[:4], good[4] + "x"))
        for bad in spoilt:
            if ours.ask("verify", bad, keys, region) == "verified":
                yield f"{name} and then changed, but verified: {bad}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    options = parser.parse_args()
    rng, ours, problems = random.Random(options.seed), Ours(), []
    for _ in range(options.count):
        request = random_request(rng)
        keys = credentials.Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", rng.choice([None, "to+ken/x=="]))
        problems += [f"{request}: {problem}" for problem in judge(ours, request, keys, rng.choice(["us-east-1", "eu-west-1"]))]
    for problem in problems[:20]:
        print(problem)
    print(f"{options.count} requests, {len(problems)} problems, seed {options.seed}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
