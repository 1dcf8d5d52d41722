// The AWS SDK for JavaScript against an endpoint that is given: puts records and reads them back, by GetRecords and by SubscribeToShard
// (HTTP/2). What it reads is printed, a record a line.
//
//     node clients.mjs URL STREAM RECORDS
import {
  KinesisClient, PutRecordCommand, PutRecordsCommand, ListShardsCommand, GetShardIteratorCommand, GetRecordsCommand,
  DescribeStreamSummaryCommand, RegisterStreamConsumerCommand, SubscribeToShardCommand,
} from "@aws-sdk/client-kinesis";

const [endpoint, StreamName, count] = process.argv.slice(2);
const kinesis = new KinesisClient({
  endpoint, region: "eu-central-1", credentials: {accessKeyId: "AKIDEXAMPLE12345", secretAccessKey: "secretsecretsecret"},
});
const text = n => JSON.stringify({n});
const entry = n => ({Data: Buffer.from(text(n)), PartitionKey: `key ${n}`});
const fail = what => { console.error(what); process.exit(1); };

await kinesis.send(new PutRecordCommand({StreamName, ...entry(0)}));
const put = await kinesis.send(new PutRecordsCommand({StreamName, Records: Array.from({length: count - 1}, (_, n) => entry(n + 1))}));
if (put.FailedRecordCount) fail("records that failed");

const {Shards} = await kinesis.send(new ListShardsCommand({StreamName}));
const read = [];
for (const {ShardId} of Shards) {
  const start = {StreamName, ShardId, ShardIteratorType: "TRIM_HORIZON"};
  let {ShardIterator} = await kinesis.send(new GetShardIteratorCommand(start));
  while (ShardIterator) {
    const answer = await kinesis.send(new GetRecordsCommand({ShardIterator}));
    for (const record of answer.Records) {
      if (Math.abs(Date.now() - record.ApproximateArrivalTimestamp) > 3_600_000) fail(`a record of ${record.ApproximateArrivalTimestamp}`);
      read.push(Buffer.from(record.Data).toString());
    }
    if (!answer.Records.length && answer.MillisBehindLatest === 0) break;
    ShardIterator = answer.NextShardIterator;
  }
}

const {StreamDescriptionSummary: {StreamARN}} = await kinesis.send(new DescribeStreamSummaryCommand({StreamName}));
const {Consumer} = await kinesis.send(new RegisterStreamConsumerCommand({StreamARN, ConsumerName: "js"}));
const subscribed = [];
for (const {ShardId} of Shards) {
  if (subscribed.length === read.length) break;
  const {EventStream} = await kinesis.send(new SubscribeToShardCommand({
    ConsumerARN: Consumer.ConsumerARN, ShardId, StartingPosition: {Type: "TRIM_HORIZON"},
  }));
  for await (const {SubscribeToShardEvent: event} of EventStream) {
    subscribed.push(...event.Records.map(record => Buffer.from(record.Data).toString()));
    if (event.MillisBehindLatest === 0) break;
  }
}
if (subscribed.sort().join() !== [...read].sort().join()) fail(`SubscribeToShard gave ${subscribed.length} records, GetRecords ${read.length}`);
console.log(read.join("\n"));
process.exit(0);
