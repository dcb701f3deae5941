"""Clients made of less of botocore's data are the same clients."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cut_aws_data
import pytest
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.session import get_session
from outcomes.storage.aws import CUT, aws_session
from outcomes.storage.dynamodb import dynamodb_client

ITEM = {
    "user_id": {"S": "42"},
    "value_usd": {"N": "12.50"},
    "nested": {"M": {"list": {"L": [{"NULL": True}, {"BOOL": False}, {"SS": ["a", "b"]}]}}},
}


def test_the_cut_is_of_the_botocore_that_is_locked() -> None:
    """If this fails, `make lock` was not run after botocore changed."""
    kept = {str(path.relative_to(CUT)): path.read_text() for path in CUT.rglob("*.json")}
    assert kept == cut_aws_data.files()


def test_it_is_smaller_by_far() -> None:
    builtin = Path(aws_session().get_component("data_loader").BUILTIN_DATA_PATH)
    assert (CUT / "endpoints.json").stat().st_size * 50 < (builtin / "endpoints.json").stat().st_size


def test_no_folder_of_another_service_is_looked_into(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []
    listdir = os.listdir

    def listed(path: str) -> list[str]:
        looked.append(path)
        return listdir(path)

    monkeypatch.setattr("os.listdir", listed)
    dynamodb_client()
    assert looked
    assert all("dynamodb" in path for path in looked)


def regions() -> Iterator[tuple[str, str]]:
    session = get_session()
    for service in cut_aws_data.SERVICES:
        for partition in session.get_available_partitions():
            for region in session.get_available_regions(service, partition, allow_non_regional=True):
                yield service, region
    yield "dynamodb", "eu-made-up-9"


@pytest.mark.parametrize("fips", [False, True])
def test_every_region_has_the_endpoint_that_botocore_knows(fips: bool) -> None:
    config = Config(use_fips_endpoint=fips)
    ours, theirs = aws_session(), get_session()
    for service, region in regions():
        made = [session.create_client(service, region, config=config) for session in (ours, theirs)]
        assert made[0].meta.endpoint_url == made[1].meta.endpoint_url, region
        assert made[0].meta.partition == made[1].meta.partition


def answering(client: Any, status: int, body: bytes) -> Any:
    """Make a client whose service gives this answer without a network."""

    class Raw:
        def stream(self, **_: Any) -> Iterator[bytes]:
            yield body

    headers: Any = {"x-amzn-RequestId": "R1", "Date": "now"}

    def answer(request: Any, **_: Any) -> AWSResponse:
        return AWSResponse(request.url, status, headers, Raw())

    client.meta.events.register("before-send.dynamodb", answer)
    return client


@pytest.mark.parametrize(
    ("operation", "parameters", "body"),
    [
        ("put_item", {"TableName": "t", "Item": ITEM}, {}),
        ("get_item", {"TableName": "t", "Key": {"user_id": {"S": "42"}}}, {"Item": ITEM}),
        (
            "query",
            {"TableName": "t", "KeyConditionExpression": "user_id = :u"},
            {"Items": [ITEM, ITEM], "Count": 2, "ScannedCount": 2, "LastEvaluatedKey": {"user_id": {"S": "42"}}},
        ),
        (
            "batch_write_item",
            {"RequestItems": {"t": [{"PutRequest": {"Item": ITEM}}]}},
            {"UnprocessedItems": {"t": [{"PutRequest": {"Item": ITEM}}]}},
        ),
    ],
)
def test_an_answer_is_read_as_botocore_reads_it(operation: str, parameters: Any, body: Any) -> None:
    clients = [dynamodb_client(), get_session().create_client("dynamodb")]
    said = [getattr(answering(client, 200, json.dumps(body).encode()), operation)(**parameters) for client in clients]
    assert said[0] == said[1]
    assert said[0]["ResponseMetadata"]["RequestId"] == "R1"


def test_a_failure_is_read_as_botocore_reads_it() -> None:
    body = {
        "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
        "Message": "cancelled",
        "CancellationReasons": [
            {"Code": "None"},
            {"Code": "ConditionalCheckFailed", "Message": "m", "Item": {"digest": {"B": "AAEC"}}},
        ],
    }
    caught: list[Any] = []
    for client in (dynamodb_client(), get_session().create_client("dynamodb")):
        with pytest.raises(ClientError) as raised:
            answering(client, 400, json.dumps(body).encode()).transact_write_items(
                TransactItems=[{"Put": {"TableName": "t", "Item": ITEM}}]
            )
        caught.append(raised.value)
    assert caught[0].response == caught[1].response
    assert type(caught[0]).__name__ == "TransactionCanceledException"
    assert caught[0].response["CancellationReasons"][1]["Item"] == {"digest": {"B": b"\x00\x01\x02"}}


def test_an_answer_that_is_no_json_is_a_failure() -> None:
    with pytest.raises(ValueError, match="Expecting value"):
        answering(dynamodb_client(), 200, b"<html>").put_item(TableName="t", Item=ITEM)
