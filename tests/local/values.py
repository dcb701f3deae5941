"""Generate values of every DynamoDB type, in boto3's format."""

from typing import Any

VALUES: list[dict[str, Any]] = [
    {"S": "líne\nbreak \U0001f600"},
    {"S": ""},
    {"N": "0.10"},
    {"N": "-0.10"},
    {"N": "-99999999999999999999999999999999999999"},
    {"B": b"\x00\xff"},
    {"SS": ["a", "b"]},
    {"NS": ["1", "2.50"]},
    {"BS": [b"\x00", b"\xff"]},
    {"BOOL": False},
    {"NULL": True},
    {"L": [{"M": {"deep": {"L": [{"N": "1"}, {"B": b"\x01"}]}}}, {"SS": ["c"]}]},
    {"M": {}},
    {"M": {"S": {"S": "text"}, "N": {"M": {}}}},
]
