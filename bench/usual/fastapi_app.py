"""The endpoint written with FastAPI and Mangum: one application, and one function for both methods."""

import os
from decimal import Decimal
from typing import Annotated, Any

import boto3
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from boto3.dynamodb.conditions import Key
from fastapi import Depends, FastAPI, HTTPException, Request
from mangum import Mangum
from model import Outcome, Outcomes

logger = Logger()
metrics = Metrics()
table = boto3.resource("dynamodb").Table(os.environ["OUTCOMES_TABLE"])
app = FastAPI()


def caller(request: Request) -> dict[str, Any]:
    authorizer: dict[str, Any] | None = request.scope["aws.event"]["requestContext"].get("authorizer")
    if not authorizer:
        raise HTTPException(401, "Unauthorized")
    return authorizer


@app.post("/api/outcomes")
def record(outcome: Outcome, who: Annotated[dict[str, Any], Depends(caller)]) -> dict[str, bool]:
    if who["caller"] == "session":
        outcome.user_id = int(who["userId"])
    table.put_item(Item=outcome.item())
    metrics.add_dimension("outcome_type", outcome.outcome_type)
    metrics.add_metric("OutcomesRecorded", MetricUnit.Count, 1)
    metrics.add_metric("ValueRecorded", MetricUnit.NoUnit, float(outcome.value_usd or Decimal(0)))
    metrics.flush_metrics()
    return {"ok": True}


@app.get("/api/outcomes")
def list_outcomes(who: Annotated[dict[str, Any], Depends(caller)], limit: int = 20) -> Outcomes:
    found = table.query(
        KeyConditionExpression=Key("user_id").eq(who["userId"]), Limit=min(limit, 50), ScanIndexForward=False
    )
    return Outcomes.of(found["Items"])


handler = Mangum(app, lifespan="off")
