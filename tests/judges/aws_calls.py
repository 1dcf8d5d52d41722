#!/usr/bin/env python3
"""Judges how we ask AWS's services and whom we are for them, by moto, which checks signatures: each service by one operation, in
its own protocol, and STS with the credentials of the environment, of a role and of a web identity.

    BUILD=build/release python aws_calls.py
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys

from harness.s3_store import REGION, S3Store

CALLS = [
    ("kinesis", "CreateStream", {"body": {"StreamName": "orders", "ShardCount": 1}}, ""),
    ("kinesis", "ListStreams", {"body": {}}, '"orders"'),
    ("dynamodb", "ListTables", {"body": {}}, '"TableNames"'),
    ("glue", "ListJobs", {"body": {}}, '"JobNames"'),
    ("sqs", "CreateQueue", {"body": {"QueueName": "alerts"}}, "/alerts"),
    ("cloudwatch", "PutMetricData", {"parameters": {"Namespace": "Millrace", "MetricData.member.1.MetricName": "lag",
                                                    "MetricData.member.1.Value": "1"}}, "PutMetricDataResponse"),
    ("redshift_data", "ExecuteStatement", {"body": {"Sql": "SELECT 1", "Database": "dev", "WorkgroupName": "w",
                                                    "ClientToken": "t"}}, '"Id"'),
    ("sns", "CreateTopic", {"parameters": {"Name": "fraud"}}, ":fraud</TopicArn>"),
    ("sts", "GetCallerIdentity", {"parameters": {}}, ":user/millrace</Arn>"),
]


def ask(store, questions, environment=()):
    program = pathlib.Path(os.environ["BUILD"], "src", "aws", "aws_lines")
    clean = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    given = {**clean, **store.environment(), "AWS_ENDPOINT_URL": store.url, **dict(environment)}
    lines = "".join(json.dumps({"do": "call", **question}) + "\n" for question in questions)
    done = subprocess.run([program, "lake"], env={name: value for name, value in given.items() if value is not None}, input=lines,
                          capture_output=True, text=True, timeout=120, check=False)
    answers = done.stdout.splitlines()
    return answers if len(answers) == len(questions) else [done.stdout + done.stderr] * len(questions)


def judge_services(store):
    answers = ask(store, [{"service": service, "operation": operation, **rest} for service, operation, rest, _ in CALLS])
    for (service, operation, _, part), answer in zip(CALLS, answers):
        if '"error"' in answer[:10] or part not in json.loads(answer):
            yield f"{service} {operation}: {answer[:500]}, without {part!r}"


def judge_identities(store, open_store, folder):
    whoami = [{"service": "sts", "operation": "GetCallerIdentity", "parameters": {}}]
    role = "arn:aws:iam::123456789012:role/shop"
    (folder / "config").write_text(f"[profile shop]\nregion = {REGION}\nrole_arn = {role}\nsource_profile = base\n"
                                   "role_session_name = judged\n")
    (folder / "credentials").write_text(f"[base]\naws_access_key_id = {store.access_key}\n"
                                        f"aws_secret_access_key = {store.secret_key}\n")
    (folder / "token").write_text("a.web.token\n")
    no_keys = {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None}
    cases = {
        "a role": {**no_keys, "AWS_CONFIG_FILE": str(folder / "config"), "AWS_SHARED_CREDENTIALS_FILE": str(folder / "credentials"),
                   "AWS_PROFILE": "shop"},
        "a web identity": {**no_keys, "AWS_ROLE_ARN": role, "AWS_WEB_IDENTITY_TOKEN_FILE": str(folder / "token"),
                           "AWS_ROLE_SESSION_NAME": "judged"},
    }
    for name, environment in cases.items():
        # moto's mode that checks signatures cannot bear a request that rightly has none.
        answer = ask(open_store if name == "a web identity" else store, whoami, environment)[0]
        if ":assumed-role/shop/judged</Arn>" not in answer:
            yield f"{name}: {answer[:500]}"
    answer = ask(store, whoami, {**no_keys, "AWS_EC2_METADATA_DISABLED": "true"})[0]
    if "no AWS credentials" not in answer:
        yield f"no credentials: {answer[:500]}"


def main():
    folder = pathlib.Path(os.environ["BUILD"]).resolve().parent / "test_data" / "aws_calls"
    shutil.rmtree(folder, ignore_errors=True)
    store = S3Store(folder)
    open_store = S3Store(folder / "open", checks_signatures=False)
    try:
        make_role(store)
        problems = [*judge_services(store), *judge_identities(store, open_store, folder)]
    finally:
        store.close()
        open_store.close()
    print("\n".join(problems))
    print(f"{len(CALLS)} operations, {len(problems)} problems")
    return 1 if problems else 0


def make_role(store):
    iam = store.boto3("iam")
    trust = ('{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"AWS":"arn:aws:iam::'
             '123456789012:user/millrace"}}]}')
    iam.create_role(RoleName="shop", AssumeRolePolicyDocument=trust)
    policy = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}'
    iam.put_role_policy(RoleName="shop", PolicyName="all", PolicyDocument=policy)


if __name__ == "__main__":
    sys.exit(main())
