"""Alerts, to a webhook that verifies their signatures, through kills and while the receiver is down."""
import base64
import json
import time

from harness.webhook import Webhook
from operations import expect, expect_equal, expect_texts
from operations.bench_pipeline import numbers, started

PIPELINE = """
pipeline: operations
sources:
  events: {from: log, shards: 2, schema: {n: bigint, name: varchar}}
tables:
  kept:
    from: events
    sql: SELECT n, name FROM events
    commit: {every: 200ms}
alerts:
  even:
    from: kept
    when: n % 2 = 0
    select: n
    send:
      webhook: {url: "${WEBHOOK}", secret: ["${NEW_SECRET}", "${OLD_SECRET}"], timeout: 2s}
      log: info
"""
KEY = b"0123456789abcdef0123456789abcdef"


def environment(webhook):
    return {"WEBHOOK": webhook.url, "NEW_SECRET": "whsec_" + base64.b64encode(KEY).decode(), "OLD_SECRET": "an older secret of ours"}


def evens(webhook):
    """The numbers that came, each under one id."""
    found = {}
    for identity, data in webhook.rows().items():
        expect(len({json.dumps(one) for one in data}) == 1, f"{identity} came with several rows: {data}")
        expect(data[0]["n"] not in found, f"{data[0]['n']} came under {identity} and {found.get(data[0]['n'])}")
        found[data[0]["n"]] = identity
    return sorted(found)


def wait_evens(millrace, webhook, end):
    wanted = list(range(0, end, 2))
    millrace.wait_for(f"the webhook has the even numbers below {end}", lambda: evens(webhook) == wanted)


def wait_ended(millrace):
    """Every alert has ended, in both targets: what a kill made be sent again, too."""
    millrace.wait_for("no delivery is behind", lambda: all(
        int(one["behind_records"]) == 0 for one in millrace.json("GET", "/v1/alerts?limit=0")["deliveries"]))


def test_signed_and_tried_again(folder):
    def answer(number, body):
        # What is hung up on may be sent again at once, uncounted, where the connection was one of before.
        return {1: 503, 2: None, 3: 429, 4: 503}.get(number, 204)

    webhook = Webhook(KEY, answer)
    with started(folder, PIPELINE, environment=environment(webhook)) as millrace:
        millrace.send("events", numbers(0, 20))
        wait_evens(millrace, webhook, 20)
        expect_equal(webhook.problems, [], "what the receiver found")
        millrace.wait_for("the history is there", lambda: len(millrace.query("SELECT id FROM _alerts WHERE outcome = 'sent'")) == 20)
        delivery = next(one for one in millrace.json("GET", "/v1/alerts?limit=0")["deliveries"] if one["target"] == "webhook")
        expect(int(delivery["retries"]) >= 3, f"retries: {delivery}")
        code, output, _ = millrace.command("alerts", "list", "--data", str(millrace.data), "--target", "webhook")
        expect_equal(code, 0, "the exit code")
        expect_texts(output, "even", "webhook", "sent", '{"n":18}')
        identity = next(iter(webhook.rows()))
        code, output, errors = millrace.command("alerts", "show", identity, "--data", str(millrace.data))
        expect_equal((code, errors), (0, ""), "the outcome of `alerts show`")
        expect_texts(output, identity, "webhook", "log")
        metrics = millrace.request("GET", "/metrics")[2].decode()
        expect_texts(metrics, 'millrace_alerts_total{alert="even",outcome="sent",target="webhook"} 10', "millrace_alert_seconds_bucket")
        millrace.stop()
    expect("older secret" not in millrace.log.read_text() and base64.b64encode(KEY).decode() not in millrace.log.read_text(),
           "a secret is in the log")
    webhook.stop()


def test_kills(folder):
    webhook = Webhook(KEY)
    with started(folder, PIPELINE, environment=environment(webhook)) as millrace:
        for life in range(8):
            for part in range(5):
                millrace.send("events", numbers(life * 100 + part * 20, life * 100 + part * 20 + 20))
            time.sleep(0.05 * life)
            millrace.kill()
            millrace.start()
        wait_evens(millrace, webhook, 800)
        wait_ended(millrace)
        millrace.stop()
        repeats = sum(len(data) - 1 for data in webhook.rows().values())
        millrace.start()
        time.sleep(0.3)
        wait_evens(millrace, webhook, 800)
        expect_equal(sum(len(data) - 1 for data in webhook.rows().values()), repeats, "repeats after a gentle end")
        ids = millrace.query("SELECT count(DISTINCT id) FROM _alerts WHERE target = 'webhook'")
        expect_equal(int(ids[0][0]), 400, "ids in the history")
        millrace.stop()
    expect_equal(webhook.problems, [], "what the receiver found")
    webhook.stop()


def test_dead_receiver(folder):
    webhook = Webhook(KEY)
    port = webhook.port
    webhook.stop()
    text = PIPELINE.replace("    send:", "    retry_for: 1h\n    send:")
    with started(folder, text, environment=environment(webhook)) as millrace:
        for part in range(10):
            millrace.send("events", numbers(part * 20, part * 20 + 20))
        millrace.settle()
        millrace.wait_for("the log has all", lambda: len(millrace.query("SELECT id FROM _alerts WHERE target = 'log'")) == 100)
        delivery = next(one for one in millrace.json("GET", "/v1/alerts?limit=0")["deliveries"] if one["target"] == "webhook")
        expect(int(delivery["behind_records"]) > 0, f"not behind: {delivery}")
        millrace.stop()
        millrace.start()
        webhook = Webhook(KEY, port=port)
        wait_evens(millrace, webhook, 200)
        millrace.stop()
    webhook.stop()


def test_refused_and_retried(folder):
    statuses = {"now": 400}
    webhook = Webhook(KEY, lambda number, body: statuses["now"])
    with started(folder, PIPELINE, environment=environment(webhook)) as millrace:
        millrace.send("events", numbers(0, 4))
        dead = "SELECT count(*) FROM _alerts WHERE outcome = 'dead'"
        millrace.wait_for("both are dead", lambda: int(millrace.query(dead)[0][0]) == 2)
        code, output, _ = millrace.command("alerts", "retry", "--data", str(millrace.data), "--alert", "even")
        expect_equal(code, 1, "the exit code while the receiver refuses")
        expect_texts(output, "0 sent, 2 still dead", "answered with 400")
        millrace.stop()
        statuses["now"] = 204
        code, output, errors = millrace.command("alerts", "retry", "--data", str(millrace.data))
        expect_equal((code, output.strip()), (0, "2 sent, 0 still dead"), f"without an instance ({errors})")
        expect_equal(evens(webhook), [0, 2], "what came")
    webhook.stop()


def test_not_to_the_machines_keys(folder):
    text = PIPELINE.replace('"${WEBHOOK}"', '"http://metadata.example/"').replace("    select: n\n", "    select: n\n    retry_for: 0s\n")
    written = text.replace("http://metadata.example/", "http://169.254.169.254/latest/meta-data")
    (folder / "pipeline.yaml").write_text(written)
    from harness.millrace import Millrace
    code, _, errors = Millrace(folder, environment=environment(Webhook(KEY))).command("validate", "pipeline.yaml")
    expect_equal(code, 2, "the exit code")
    expect_texts(errors, "leads to the machine's own keys")
