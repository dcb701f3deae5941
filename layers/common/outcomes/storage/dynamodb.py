"""The one DynamoDB client of a function."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast, override

from botocore import __version__
from botocore.config import Config
from botocore.parsers import JSONParser, ResponseParserFactory

from outcomes.storage.aws import aws_session
from outcomes.storage.restore import reseed_after_restore

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


def dynamodb_client() -> "DynamoDBClient":
    """A client that gives up within 12 s: 3 attempts of 1 s to connect and 2 s to answer, and 3 s of waits at most.

    boto3's own read timeout, 60 s, would outlive the function, and the caller would never hear what became of the call.

    What it answers is JSON as DynamoDB sends it, so a binary value (B) is the Base64 text of it.
    """
    reseed_after_restore()
    session = aws_session()
    session.register_component("response_parser_factory", _Parsers())
    config = Config(
        connect_timeout=1,
        read_timeout=2,
        retries={"mode": "standard", "total_max_attempts": 3},
        # The store makes only items that are valid, and DynamoDB looks at each of them anyway.
        parameter_validation=False,
        # botocore would put its own together anew, twice in every call.
        user_agent=f"outcomes-api Botocore/{__version__}",
    )
    return cast("DynamoDBClient", session.create_client("dynamodb", config=config))


class _Parsers(ResponseParserFactory):
    """One parser for all answers."""

    def __init__(self) -> None:
        super().__init__()
        self.parser = _Parser()

    @override
    def create_parser(self, protocol_name: str) -> JSONParser:
        return self.parser


class _Parser(JSONParser):
    """DynamoDB's JSON is what a caller gets, but for binary values: so it need not be rebuilt value by value."""

    @override
    def parse(self, response: Mapping[str, Any], shape: Any) -> Any:
        if response["status_code"] != 200:
            return super().parse(response, shape)
        return super().parse({**response, "body": b"{}"}, shape) | json.loads(response["body"])
