// The real Java clients of Kinesis, against an endpoint that is given. What they read is printed, a record a line.
//
//     Clients sync|async URL STREAM RECORDS        puts records, reads them back; async also by SubscribeToShard
//     Clients kcl URL AWS STREAM APPLICATION polling|fanout RECORDS   AWS: the endpoint of DynamoDB and CloudWatch
//     Clients kpl PORT CA_FILE STREAM RECORDS    puts with the KPL, over TLS
import software.amazon.kinesis.producer.KinesisProducer;
import software.amazon.kinesis.producer.KinesisProducerConfiguration;
import software.amazon.kinesis.producer.UserRecordResult;
import java.net.URI;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import software.amazon.awssdk.auth.credentials.AwsBasicCredentials;
import software.amazon.awssdk.auth.credentials.StaticCredentialsProvider;
import software.amazon.awssdk.core.SdkBytes;
import software.amazon.awssdk.http.urlconnection.UrlConnectionHttpClient;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.cloudwatch.CloudWatchAsyncClient;
import software.amazon.awssdk.services.dynamodb.DynamoDbAsyncClient;
import software.amazon.awssdk.services.kinesis.KinesisAsyncClient;
import software.amazon.awssdk.services.kinesis.KinesisClient;
import software.amazon.awssdk.services.kinesis.model.*;
import software.amazon.kinesis.common.ConfigsBuilder;
import software.amazon.kinesis.common.InitialPositionInStream;
import software.amazon.kinesis.common.InitialPositionInStreamExtended;
import software.amazon.kinesis.coordinator.Scheduler;
import software.amazon.kinesis.exceptions.InvalidStateException;
import software.amazon.kinesis.exceptions.ShutdownException;
import software.amazon.kinesis.lifecycle.events.*;
import software.amazon.kinesis.metrics.MetricsLevel;
import software.amazon.kinesis.processor.ShardRecordProcessor;
import software.amazon.kinesis.processor.SingleStreamTracker;
import software.amazon.kinesis.retrieval.fanout.FanOutConfig;
import software.amazon.kinesis.retrieval.polling.PollingConfig;

public final class Clients {
  static final Region REGION = Region.EU_CENTRAL_1;
  static final StaticCredentialsProvider KEYS =
      StaticCredentialsProvider.create(AwsBasicCredentials.create("AKIDEXAMPLE12345", "secretsecretsecret"));
  static final long SECONDS_MAX = 240;

  // The clients' threads do not end by themselves.
  public static void main(String[] words) {
    try {
      run(words);
      System.out.flush();
      System.exit(0);
    } catch (Throwable error) {
      error.printStackTrace();
      System.exit(1);
    }
  }

  static void run(String[] words) throws Exception {
    switch (words[0]) {
      case "sync" -> sync(URI.create(words[1]), words[2], Integer.parseInt(words[3]));
      case "async" -> async(URI.create(words[1]), words[2], Integer.parseInt(words[3]));
      case "kcl" -> kcl(words);
      case "kpl" -> kpl(words);
      default -> throw new IllegalArgumentException(words[0]);
    }
  }

  static String text(int n) {
    return "{\"n\":" + n + "}";
  }

  static PutRecordsRequest putRequest(String stream, int records) {
    var entries = IntStream.range(1, records)
        .mapToObj(n -> PutRecordsRequestEntry.builder().partitionKey("key " + n).data(SdkBytes.fromUtf8String(text(n))).build())
        .toList();
    return PutRecordsRequest.builder().streamName(stream).records(entries).build();
  }

  static PutRecordRequest putFirst(String stream) {
    return PutRecordRequest.builder().streamName(stream).partitionKey("key 0").data(SdkBytes.fromUtf8String(text(0))).build();
  }

  static void check(boolean holds, String what) {
    if (!holds) throw new IllegalStateException(what);
  }

  static void show(software.amazon.awssdk.services.kinesis.model.Record record) {
    // Times in CBOR are milliseconds: another unit would show here.
    var age = System.currentTimeMillis() - record.approximateArrivalTimestamp().toEpochMilli();
    check(Math.abs(age) < 3_600_000, "a record that came " + age + " ms ago");
    System.out.println(record.data().asUtf8String());
  }

  static void sync(URI endpoint, String stream, int records) {
    try (var kinesis = KinesisClient.builder().endpointOverride(endpoint).region(REGION).credentialsProvider(KEYS)
        .httpClient(UrlConnectionHttpClient.create()).build()) {
      kinesis.putRecord(putFirst(stream));
      check(kinesis.putRecords(putRequest(stream, records)).failedRecordCount() == 0, "records that failed");
      for (var shard : kinesis.listShards(r -> r.streamName(stream)).shards()) {
        String iterator = kinesis.getShardIterator(r -> r.streamName(stream).shardId(shard.shardId())
            .shardIteratorType(ShardIteratorType.TRIM_HORIZON)).shardIterator();
        while (iterator != null) {
          final String from = iterator;
          var answer = kinesis.getRecords(r -> r.shardIterator(from));
          answer.records().forEach(Clients::show);
          if (answer.records().isEmpty() && answer.millisBehindLatest() == 0) break;
          iterator = answer.nextShardIterator();
        }
      }
      try {
        kinesis.describeStream(r -> r.streamName("nowhere"));
        check(false, "a stream that is not there");
      } catch (ResourceNotFoundException expected) {
        check(expected.getMessage().contains("nowhere"), expected.getMessage());
      }
    }
  }

  static KinesisAsyncClient asyncClient(URI endpoint) {
    return KinesisAsyncClient.builder().endpointOverride(endpoint).region(REGION).credentialsProvider(KEYS).build();
  }

  static void async(URI endpoint, String stream, int records) throws Exception {
    try (var kinesis = asyncClient(endpoint)) {
      kinesis.putRecord(putFirst(stream)).get();
      check(kinesis.putRecords(putRequest(stream, records)).get().failedRecordCount() == 0, "records that failed");
      var arn = kinesis.describeStreamSummary(r -> r.streamName(stream)).get().streamDescriptionSummary().streamARN();
      var consumer = kinesis.registerStreamConsumer(r -> r.streamARN(arn).consumerName("async")).get().consumer();
      var seen = new CountDownLatch(records);
      List<Future<Void>> subscriptions = new ArrayList<>();
      for (var shard : kinesis.listShards(r -> r.streamName(stream)).get().shards()) {
        var handler = SubscribeToShardResponseHandler.builder()
            .subscriber(SubscribeToShardResponseHandler.Visitor.builder()
                .onSubscribeToShardEvent(event -> event.records().forEach(record -> {
                  show(record);
                  seen.countDown();
                })).build())
            .build();
        subscriptions.add(kinesis.subscribeToShard(r -> r.consumerARN(consumer.consumerARN()).shardId(shard.shardId())
            .startingPosition(p -> p.type(ShardIteratorType.TRIM_HORIZON)), handler));
      }
      check(seen.await(60, TimeUnit.SECONDS), seen.getCount() + " records did not come");
      subscriptions.forEach(subscription -> subscription.cancel(true));
    }
  }

  static void kcl(String[] words) throws Exception {
    var endpoint = URI.create(words[1]);
    var aws = URI.create(words[2]);
    String stream = words[3], application = words[4];
    int records = Integer.parseInt(words[6]);
    var kinesis = asyncClient(endpoint);
    var dynamo = DynamoDbAsyncClient.builder().endpointOverride(aws).region(REGION).credentialsProvider(KEYS).build();
    var cloudwatch = CloudWatchAsyncClient.builder().endpointOverride(aws).region(REGION).credentialsProvider(KEYS).build();
    Set<String> seen = ConcurrentHashMap.newKeySet();
    var done = new CountDownLatch(1);
    var start = InitialPositionInStreamExtended.newInitialPosition(InitialPositionInStream.TRIM_HORIZON);
    var configs = new ConfigsBuilder(new SingleStreamTracker(stream, start), application, kinesis, dynamo, cloudwatch, "worker",
        () -> new Processor(seen, records, done));
    var retrieval = words[5].equals("fanout") ? new FanOutConfig(kinesis).streamName(stream).applicationName(application)
        : new PollingConfig(stream, kinesis).idleTimeBetweenReadsInMillis(200);
    var coordinator = configs.coordinatorConfig().parentShardPollIntervalMillis(500).shardConsumerDispatchPollIntervalMillis(200);
    var leases = configs.leaseManagementConfig().failoverTimeMillis(3000).shardSyncIntervalMillis(2000);
    var scheduler = new Scheduler(configs.checkpointConfig(), coordinator, leases, configs.lifecycleConfig(),
        configs.metricsConfig().metricsLevel(MetricsLevel.NONE), configs.processorConfig(),
        configs.retrievalConfig().retrievalSpecificConfig(retrieval));
    var thread = new Thread(scheduler);
    thread.setDaemon(true);
    thread.start();
    check(done.await(SECONDS_MAX, TimeUnit.SECONDS), "only " + seen.size() + " of " + records + " records came");
    Thread.sleep(1000); // what would come twice
    scheduler.shutdown();
  }

  static final class Processor implements ShardRecordProcessor {
    private final Set<String> seen;
    private final int records;
    private final CountDownLatch done;

    Processor(Set<String> seen, int records, CountDownLatch done) {
      this.seen = seen;
      this.records = records;
      this.done = done;
    }

    @Override
    public void initialize(InitializationInput input) {}

    @Override
    public void processRecords(ProcessRecordsInput input) {
      for (var record : input.records()) {
        String data = StandardCharsets.UTF_8.decode(record.data()).toString();
        System.out.println(data);
        seen.add(data);
      }
      if (seen.size() >= records) done.countDown();
    }

    @Override
    public void leaseLost(LeaseLostInput input) {}

    @Override
    public void shardEnded(ShardEndedInput input) {
      try {
        input.checkpointer().checkpoint();
      } catch (ShutdownException | InvalidStateException error) {
        throw new IllegalStateException(error);
      }
    }

    @Override
    public void shutdownRequested(ShutdownRequestedInput input) {
      try {
        input.checkpointer().checkpoint();
      } catch (ShutdownException | InvalidStateException error) {
        throw new IllegalStateException(error);
      }
    }
  }

  static void kpl(String[] words) throws Exception {
    int records = Integer.parseInt(words[4]);
    var config = new KinesisProducerConfiguration().setKinesisEndpoint("127.0.0.1").setKinesisPort(Integer.parseInt(words[1]))
        .setRegion(REGION.id()).setMetricsLevel("none").setRecordMaxBufferedTime(100)
        .setCaCertFile(words[2]).setCredentialsProvider(KEYS);
    var producer = new KinesisProducer(config);
    var results = new ArrayList<Future<UserRecordResult>>();
    for (int n = 0; n < records; ++n) {
      // It aggregates once it knows the shards.
      if (n == records / 2) Thread.sleep(6000);
      results.add(producer.addUserRecord(words[3], "key " + n, ByteBuffer.wrap(text(n).getBytes(StandardCharsets.UTF_8))));
    }
    producer.flushSync();
    for (var result : results) check(result.get(60, TimeUnit.SECONDS).isSuccessful(), "a record that failed");
    producer.destroy();
    for (int n = 0; n < records; ++n) System.out.println(text(n));
  }
}
