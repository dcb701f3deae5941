"""GET /.well-known/outcomes-keys.json: return the public keys that verify statements. Anybody may call it."""

import os
import time

from outcomes.aws.paced_reads import PacedReads
from outcomes.aws.services import DynamoDB
from outcomes.edge.api import Response, ok, public_endpoint
from outcomes.errors import Busy
from outcomes.ledger.store import LIMITS
from outcomes.statements.signing_keys import published

TABLE = os.environ["STATEMENTS_TABLE"]
READ_SECONDS = 6.0

dynamodb = DynamoDB(LIMITS)


@public_endpoint(failure="Failed to list keys")
def handler() -> Response:
    return ok(published(PacedReads(dynamodb, time.monotonic() + READ_SECONDS, Busy), TABLE))
