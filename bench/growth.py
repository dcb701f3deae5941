"""Measure with moto how a list's calls and reads grow with the number of stored outcomes."""

import logging
from typing import Any
from unittest.mock import patch

from botocore.session import get_session
from outcomes.ledger.store import OutcomeStore

from bench.measure import ROOT
from bench.outcome import USER_ID, stored
from bench.report import Report
from bench.storage import read_units
from ops.template import parse_yaml

TABLE = "OutcomesTable"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "bench"}


def list_growth(report: Report, sizes: list[int]) -> None:
    """Report how many queries, outcomes and read units a list of 20 takes, by the number of stored outcomes."""
    # Imported here because tests import this module, and moto is slow to import.
    from moto.server import ThreadedMotoServer

    table = parse_yaml((ROOT / "template.yaml").read_text())["Resources"][TABLE]["Properties"]
    rows = []
    logging.getLogger("werkzeug").setLevel(logging.WARNING)  # do not log each request
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with patch.dict("os.environ", CREDENTIALS | {"AWS_ENDPOINT_URL_DYNAMODB": f"http://{host}:{port}"}):
        dynamodb: Any = get_session().create_client("dynamodb")
        dynamodb.create_table(
            TableName=TABLE, **{key: table[key] for key in ("KeySchema", "AttributeDefinitions", "BillingMode")}
        )
        store = OutcomeStore(TABLE)
        answers: list[dict[str, Any]] = []
        call = store.dynamodb.call

        def query(operation: str, request: Any) -> Any:
            answers.append(call(operation, request))
            return answers[-1]

        filled = 0
        for size in sizes:
            for begin in range(filled, size, 25):
                puts = [{"PutRequest": {"Item": stored(index)}} for index in range(begin, min(begin + 25, size))]
                call("BatchWriteItem", {"RequestItems": {TABLE: puts}})
            filled = size
            answers.clear()
            with patch.object(store.dynamodb, "call", query):
                store.page(USER_ID, 20)
            read = [item for answer in answers for item in answer["Items"]]
            scanned = sum(answer["ScannedCount"] for answer in answers)
            rows.append([f"{size}", f"{len(answers)}", f"{scanned}", f"{read_units(*read)}"])
    server.stop()
    flat = all(row[1:] == rows[0][1:] for row in rows)
    report.text("## Growth of a list of 20")
    report.table(["outcomes stored", "queries", "outcomes read", "read units"], rows)
    report.text(f"Flat: {report.bar('growth of a list (0 when flat)', 0, 0 if flat else 1)[1]}.")
