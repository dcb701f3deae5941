"""The one DynamoDB client of a function.

botocore rather than boto3: the same client without the resource layer, which costs start-up time.
"""

from typing import TYPE_CHECKING, cast

from botocore.config import Config
from botocore.session import get_session

from outcomes.restore import reseed_after_restore

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


def dynamodb_client() -> "DynamoDBClient":
    """A client that gives up within 12 s: 3 attempts of 1 s to connect and 2 s to answer, and 3 s of waits at most.

    boto3's own read timeout, 60 s, would outlive the function, and the caller would never hear what became of the call.
    """
    reseed_after_restore()
    config = Config(connect_timeout=1, read_timeout=2, retries={"mode": "standard", "total_max_attempts": 3})
    return cast("DynamoDBClient", get_session().create_client("dynamodb", config=config))
