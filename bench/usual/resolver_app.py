"""The endpoint written like Powertools' own examples, with REST resolver, validation, Tracer, Logger and Metrics."""

import os
from decimal import Decimal
from typing import Annotated, Any

import boto3
from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.event_handler import APIGatewayRestResolver
from aws_lambda_powertools.event_handler.exceptions import UnauthorizedError
from aws_lambda_powertools.event_handler.openapi.params import Query
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext
from boto3.dynamodb.conditions import Key
from model import Outcome, Outcomes

logger = Logger()
metrics = Metrics()
tracer = Tracer()
table = boto3.resource("dynamodb").Table(os.environ["OUTCOMES_TABLE"])
app = APIGatewayRestResolver(enable_validation=True)


def caller() -> dict[str, Any]:
    authorizer: dict[str, Any] | None = app.current_event["requestContext"].get("authorizer")
    if not authorizer:
        raise UnauthorizedError("Unauthorized")
    return authorizer


@app.post("/api/outcomes")
@tracer.capture_method
def record(outcome: Outcome) -> dict[str, bool]:
    who = caller()
    if who["caller"] == "session":
        outcome.user_id = int(who["userId"])
    table.put_item(Item=outcome.item())
    metrics.add_dimension("outcome_type", outcome.outcome_type)
    metrics.add_metric("OutcomesRecorded", MetricUnit.Count, 1)
    metrics.add_metric("ValueRecorded", MetricUnit.NoUnit, float(outcome.value_usd or Decimal(0)))
    return {"ok": True}


@app.get("/api/outcomes")
@tracer.capture_method
def list_outcomes(limit: Annotated[int, Query(ge=1)] = 20) -> Outcomes:
    found = table.query(
        KeyConditionExpression=Key("user_id").eq(caller()["userId"]), Limit=min(limit, 50), ScanIndexForward=False
    )
    return Outcomes.of(found["Items"])


@logger.inject_lambda_context
@tracer.capture_lambda_handler
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return app.resolve(event, context)
