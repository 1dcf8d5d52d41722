"""Lambda's event source mapping of Kinesis: reads a stream's shards and invokes a function, one batch of a shard at a time.

Retries without end, as the documentation of "Using Lambda with Kinesis" and of ReportBatchItemFailures says: a batch whose invocation
failed comes again, one with failed items comes again from the lowest of them on.
"""
import json
import random
import threading
import time

from harness import lambda_events
from harness.memory_stream import Record
from harness.millrace import Failure

PAYLOAD_BYTES_MAX = 6 * 1024 * 1024
RECORD_BYTES_AROUND = 700          # of a record's JSON, its data left out
FAILED = object()


class KinesisStream:
    """A stream of a Kinesis API, read by boto3."""

    def __init__(self, client, name="orders"):
        self.client, self.name, self.iterators, self.buffers = client, name, {}, {}

    def shards(self):
        return [shard["ShardId"] for shard in self.client.list_shards(StreamName=self.name)["Shards"]]

    def read(self, shard, after, limit):
        kept = [record for record in self.buffers.get(shard, []) if after is None or record.sequence_number > after]
        if len(kept) < limit:
            kept += self.poll(shard)
        self.buffers[shard] = kept
        return kept[:limit]

    def poll(self, shard):
        if shard not in self.iterators:
            start = {"StreamName": self.name, "ShardId": shard, "ShardIteratorType": "TRIM_HORIZON"}
            self.iterators[shard] = self.client.get_shard_iterator(**start)["ShardIterator"]
        answer = {"Records": [], "MillisBehindLatest": 1}
        while self.iterators[shard] and not answer["Records"] and answer["MillisBehindLatest"]:
            answer = self.client.get_records(ShardIterator=self.iterators[shard], Limit=10_000)
            self.iterators[shard] = answer.get("NextShardIterator")
        return [Record(shard, int(one["SequenceNumber"]), one["PartitionKey"], one["Data"],
                       one["ApproximateArrivalTimestamp"].timestamp()) for one in answer["Records"]]


class EventSourceMapping:
    """Polls `stream` and invokes `function` (an object with `invoke(event)` as lambda_runtime.Function has it).

    Of each shard one batch is under way at a time, as with ParallelizationFactor 1. `splits`: BisectBatchOnFunctionError.
    `repeats`: the chance that a batch that succeeded is sent once more, since Lambda promises no more than at least once.
    `regroups`: a batch that comes again may have more records than before.
    """

    def __init__(self, stream, function, **options):
        self.stream, self.function = stream, function
        self.batch_size = options.pop("batch_size", 100)
        self.seed = options.pop("seed", 0)
        self.splits, self.regroups = options.pop("splits", False), options.pop("regroups", False)
        self.repeats, self.pause = options.pop("repeats", 0), options.pop("pause", 0.01)
        self.positions = {}                        # sequence number up to which a shard is done
        self.stop = threading.Event()
        self.lock = threading.Lock()
        self.invocations, self.failures, self.partial, self.kinds = 0, 0, 0, {}
        self.problems = []
        assert not options, options

    def drain(self, seconds=300):
        """Until each shard was read to its end."""
        deadline = time.monotonic() + seconds
        self.run(lambda shard: time.monotonic() > deadline or not self.stream.read(shard, self.positions.get(shard), 1))
        behind = [shard for shard in self.stream.shards() if self.stream.read(shard, self.positions.get(shard), 1)]
        if behind or self.problems:
            raise Failure(f"after {seconds} s {behind} are not read to their end: {self.kinds} {self.problems[:3]}")

    def run(self, is_done):
        """A thread a shard, until `is_done(shard)`."""
        threads = [threading.Thread(target=self.guarded, args=(shard, is_done), daemon=True) for shard in self.stream.shards()]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def guarded(self, shard, is_done):
        try:
            chance = random.Random(f"{self.seed} {shard}")
            while not self.stop.is_set() and not is_done(shard):
                batch = self.cut(self.stream.read(shard, self.positions.get(shard), self.batch_size))
                if batch:
                    self.deliver(shard, batch, chance)
                else:
                    time.sleep(self.pause)
        except Exception as error:  # a thread's end must not go unseen
            self.problems.append(f"{shard}: {type(error).__name__}: {error}")
            self.stop.set()

    def cut(self, batch):
        size = 0
        for index, record in enumerate(batch):
            size += len(record.data) * 4 // 3 + RECORD_BYTES_AROUND
            if size > PAYLOAD_BYTES_MAX and index:
                return batch[:index]
        return batch

    def deliver(self, shard, batch, chance):
        """Until all of the batch succeeded, whatever it takes."""
        attempts = 0
        while batch and not self.stop.is_set():
            checkpoint = self.invoke(batch)
            if checkpoint is None:
                if chance.random() < self.repeats:
                    self.invoke(batch)
                self.positions[shard] = batch[-1].sequence_number
                return
            if checkpoint is FAILED:
                attempts += 1
                time.sleep(min(self.pause * 2 ** min(attempts, 8), 1))
                if self.splits and len(batch) > 1:
                    middle = len(batch) // 2
                    self.deliver(shard, batch[:middle], chance)
                    batch = batch[middle:]
            else:
                done = [record for record in batch if record.sequence_number < checkpoint]
                if done:
                    self.positions[shard] = done[-1].sequence_number
                batch = batch[len(done):]
                attempts = 0 if done else attempts + 1
                time.sleep(min(self.pause * 2 ** min(attempts, 8), 1))
            if self.regroups and batch and chance.random() < 0.5:
                behind = batch[-1].sequence_number
                batch = self.cut(batch + self.stream.read(shard, behind, max(0, 2 * self.batch_size - len(batch))))

    def invoke(self, batch):
        """None if all succeeded, FAILED, or the sequence number from which on it comes again."""
        outcome = self.function.invoke(lambda_events.kinesis(batch, self.stream.name))
        checkpoint = self.checkpoint_of(outcome, batch)
        with self.lock:
            self.invocations += 1
            self.failures += checkpoint is FAILED
            self.partial += checkpoint is not None and checkpoint is not FAILED
            if not outcome.answered:
                self.kinds[outcome.kind] = self.kinds.get(outcome.kind, 0) + 1
        return checkpoint

    @staticmethod
    def checkpoint_of(outcome, batch):
        if not outcome.answered:
            return FAILED
        try:
            answer = json.loads(outcome.body) if outcome.body.strip() else None
        except ValueError:
            return FAILED
        if answer is not None and not isinstance(answer, dict):
            return FAILED
        items = (answer or {}).get("batchItemFailures")
        if not items:
            return None
        numbers = {str(record.sequence_number) for record in batch}
        named = [item.get("itemIdentifier") if isinstance(item, dict) else None for item in items]
        return min(map(int, named)) if all(name in numbers for name in named) else FAILED
