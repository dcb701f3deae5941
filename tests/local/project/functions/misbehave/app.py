"""A function that fails in every way that a function can fail."""

import os
import time
from typing import Any


def handler(event: dict[str, Any], _context: object) -> Any:
    match event["queryStringParameters"]["how"]:
        case "raise":
            raise RuntimeError("on purpose")
        case "exit":
            os._exit(3)
        case "hang":
            time.sleep(30)
            return None
        case "unknown-key":
            return {"statusCode": 200, "status": 200}
        case "object-body":
            return {"statusCode": 200, "body": {"a": 1}}
        case "no-status":
            return {"statusCode": "soon"}
        case "odd-status":
            return {"statusCode": 999}
        case "list-of-headers":
            return {"statusCode": 200, "headers": ["X-A"]}
        case "object-header":
            return {"statusCode": 200, "headers": {"X-A": {}}}
        case "line-break":
            return {"statusCode": 200, "headers": {"X-A": "a\r\nX-B: b"}}
        case "not-json":
            return {"statusCode": 200, "body": b"bytes"}
        case "too-large":
            return {"statusCode": 200, "body": "x" * 6_291_556}
        case "nearly-too-large":
            return {"statusCode": 200, "body": "x" * 6_200_000}
        case "print":
            print("printed, not answered")
            return {"statusCode": 200, "body": "fine"}
        case "metrics":
            print("before", '{"_aws":{"Timestamp":1},"Count":[1.0]}', '{"level":"INFO"}', "after", sep="\n")
            return {"statusCode": 200, "body": "fine"}
        case "base64":
            return {"statusCode": 200, "body": "/w==", "isBase64Encoded": True}
        case "headers":
            return {
                "statusCode": "201",
                "headers": {"X-One": "1", "X-Both": "no", "Content-Type": "text/plain", "Date": "never"},
                "multiValueHeaders": {"x-both": ["a", "b"], "X-Yes": [True]},
            }
        case _:
            return None
