"""Events as AWS's services send them to a function: their shapes of the Lambda developer guide, field by field."""
import base64
import datetime
import hashlib
import json
import uuid

from harness.lambda_api import ACCOUNT, REGION


def arn(service, resource):
    return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{resource}"


def bytes_of(value):
    """A record's data: bytes as they are, a text, or anything else as JSON."""
    if isinstance(value, bytes):
        return value
    return (value if isinstance(value, str) else json.dumps(value)).encode()


def encoded(value):
    return base64.b64encode(bytes_of(value)).decode()


def kinesis_record(record, stream="orders"):
    """`record` has shard, sequence_number, key, data and arrived (seconds)."""
    return {"kinesis": {"kinesisSchemaVersion": "1.0", "partitionKey": record.key, "sequenceNumber": str(record.sequence_number),
                        "data": encoded(record.data), "approximateArrivalTimestamp": round(record.arrived, 3)},
            "eventSource": "aws:kinesis", "eventVersion": "1.0", "eventID": f"{record.shard}:{record.sequence_number}",
            "eventName": "aws:kinesis:record", "invokeIdentityArn": f"arn:aws:iam::{ACCOUNT}:role/lambda-kinesis-role",
            "awsRegion": REGION, "eventSourceARN": arn("kinesis", f"stream/{stream}")}


def kinesis(records, stream="orders"):
    return {"Records": [kinesis_record(record, stream) for record in records]}


def sqs_record(body, message_id=None, queue="orders", received=1, fifo_group=None):
    sent = int(datetime.datetime.now().timestamp() * 1000)
    attributes = {"ApproximateReceiveCount": str(received), "SentTimestamp": str(sent), "SenderId": "AIDAIENQZJOLO23YVJ4VO",
                  "ApproximateFirstReceiveTimestamp": str(sent + 2)}
    if fifo_group:
        attributes |= {"MessageGroupId": fifo_group, "MessageDeduplicationId": hashlib.sha256(bytes_of(body)).hexdigest(),
                       "SequenceNumber": "18849496460467696128"}
    return {"messageId": message_id or str(uuid.uuid4()), "receiptHandle": f"AQEB{uuid.uuid4().hex}==", "body": bytes_of(body).decode(),
            "attributes": attributes, "messageAttributes": {}, "md5OfBody": hashlib.md5(bytes_of(body)).hexdigest(),
            "eventSource": "aws:sqs", "eventSourceARN": arn("sqs", queue + (".fifo" if fifo_group else "")), "awsRegion": REGION}


def sqs(bodies, **more):
    return {"Records": [sqs_record(body, **more) for body in bodies]}


def firehose(values, stream="orders", invocation_id=None):
    now = int(datetime.datetime.now().timestamp() * 1000)
    return {"invocationId": invocation_id or str(uuid.uuid4()), "deliveryStreamArn": arn("firehose", f"deliverystream/{stream}"),
            "region": REGION, "records": [{"recordId": f"{49546986683135544286507457936321625675700192471156785154 + n}",
                                           "approximateArrivalTimestamp": now, "data": encoded(value)}
                                          for n, value in enumerate(values)]}


def event_bridge(detail, event_id=None, source="com.example.shop", detail_type="OrderPlaced"):
    return {"version": "0", "id": event_id or str(uuid.uuid4()), "detail-type": detail_type, "source": source, "account": ACCOUNT,
            "time": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"), "region": REGION, "resources": [],
            "detail": detail}


def api_body(body, is_base64):
    return {"body": encoded(body) if is_base64 else bytes_of(body).decode(), "isBase64Encoded": is_base64}


def api_gateway_v1(body, path="/v1/streams/orders/records", method="POST", content_type="application/x-ndjson", is_base64=False):
    headers = {"Content-Type": content_type, "Host": "abcdef1234.execute-api.us-east-1.amazonaws.com", "X-Forwarded-Port": "443",
               "X-Forwarded-Proto": "https", "X-Forwarded-For": "198.51.100.7"}
    return {"resource": "/{proxy+}", "path": path, "httpMethod": method, "headers": headers,
            "multiValueHeaders": {name: [value] for name, value in headers.items()}, "queryStringParameters": None,
            "multiValueQueryStringParameters": None, "pathParameters": {"proxy": path.lstrip("/")}, "stageVariables": None,
            "requestContext": {"accountId": ACCOUNT, "apiId": "abcdef1234", "httpMethod": method, "path": f"/prod{path}",
                               "protocol": "HTTP/1.1", "requestId": str(uuid.uuid4()), "requestTimeEpoch": 1795435200000,
                               "resourceId": "123abc", "resourcePath": "/{proxy+}", "stage": "prod",
                               "identity": {"sourceIp": "198.51.100.7", "userAgent": "curl/8.5.0"}},
            **api_body(body, is_base64)}


def api_gateway_v2(body, path="/v1/streams/orders/records", method="POST", content_type="application/x-ndjson", is_base64=False):
    return {"version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": "", "cookies": [],
            "headers": {"content-type": content_type, "host": "abcdef1234.execute-api.us-east-1.amazonaws.com",
                        "x-forwarded-for": "198.51.100.7", "x-forwarded-port": "443", "x-forwarded-proto": "https"},
            "requestContext": {"accountId": ACCOUNT, "apiId": "abcdef1234", "domainName": "abcdef1234.execute-api.us-east-1.amazonaws.com",
                               "domainPrefix": "abcdef1234", "requestId": "JKJaXmPLvHcESHA=", "routeKey": "$default", "stage": "$default",
                               "time": "20/Nov/2026:12:00:00 +0000", "timeEpoch": 1795435200000,
                               "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "198.51.100.7",
                                        "userAgent": "curl/8.5.0"}},
            **api_body(body, is_base64)}


def s3_put(key="incoming/orders.json", bucket="my-orders"):
    return {"Records": [{"eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": REGION, "eventTime": "2026-11-20T12:00:00.000Z",
                         "eventName": "ObjectCreated:Put", "userIdentity": {"principalId": "EXAMPLE"},
                         "requestParameters": {"sourceIPAddress": "198.51.100.7"},
                         "responseElements": {"x-amz-request-id": "EXAMPLE123456789", "x-amz-id-2": "EXAMPLE123/mnopqrst"},
                         "s3": {"s3SchemaVersion": "1.0", "configurationId": "all",
                                "bucket": {"name": bucket, "arn": f"arn:aws:s3:::{bucket}"},
                                "object": {"key": key, "size": 1024, "eTag": "0123456789abcdef0123456789abcdef",
                                           "sequencer": "0A1B2C3D4E5F678901"}}}]}


def dynamodb_stream():
    return {"Records": [{"eventID": "7de3041dd709b024af6f29e4fa13d34c", "eventName": "INSERT", "eventVersion": "1.1",
                         "eventSource": "aws:dynamodb", "awsRegion": REGION,
                         "eventSourceARN": arn("dynamodb", "table/orders/stream/2026-11-20T00:00:00.000"),
                         "dynamodb": {"ApproximateCreationDateTime": 1795435200, "Keys": {"id": {"S": "o1"}},
                                      "NewImage": {"id": {"S": "o1"}, "amount": {"N": "1"}}, "SequenceNumber": "13021600000000001596893679",
                                      "SizeBytes": 112, "StreamViewType": "NEW_IMAGE"}}]}


def sns(message="hello"):
    return {"Records": [{"EventVersion": "1.0", "EventSource": "aws:sns", "EventSubscriptionArn": arn("sns", "orders:21be56ed"),
                         "Sns": {"Type": "Notification", "MessageId": str(uuid.uuid4()), "TopicArn": arn("sns", "orders"), "Subject": None,
                                 "Message": message, "Timestamp": "2026-11-20T12:00:00.000Z", "SignatureVersion": "1",
                                 "Signature": "EXAMPLE", "SigningCertUrl": "EXAMPLE", "UnsubscribeUrl": "EXAMPLE",
                                 "MessageAttributes": {}}}]}


def without(event, *path):
    """A copy of a Kinesis event whose first record lacks the member at `path`."""
    copy = json.loads(json.dumps(event))
    place = copy["Records"][0]
    for name in path[:-1]:
        place = place[name]
    del place[path[-1]]
    return copy


def malformed(good_kinesis_event):
    """(what is wrong, payload) of events that no service sends, and that must not be taken for one."""
    good = good_kinesis_event
    bad_data = json.loads(json.dumps(good))
    bad_data["Records"][0]["kinesis"]["data"] = "*** no base64 ***"
    bad_number = json.loads(json.dumps(good))
    bad_number["Records"][0]["kinesis"]["sequenceNumber"] = "12x"
    yield "no JSON", b'{"Records": ['
    yield "nothing", b""
    yield "a list", b"[]"
    yield "a text", b'"hello"'
    yield "null", b"null"
    yield "an empty object", b"{}"
    yield "records that are no list", b'{"Records": 7}'
    yield "a record that is no object", b'{"Records": [7]}'
    yield "a record without its source", json.dumps(without(good, "eventSource")).encode()
    yield "a record without kinesis", json.dumps(without(good, "kinesis")).encode()
    yield "a record without data", json.dumps(without(good, "kinesis", "data")).encode()
    yield "a record without its sequence number", json.dumps(without(good, "kinesis", "sequenceNumber")).encode()
    yield "data that is no base64", json.dumps(bad_data).encode()
    yield "a sequence number that is no number", json.dumps(bad_number).encode()
    yield "deep nesting", b"[" * 100_000 + b"]" * 100_000
    yield "invalid UTF-8", b'{"Records": [{"eventSource": "\xff\xfe"}]}'
