"""Cut what a DynamoDB client does not need out of botocore's data: python layers/common/cut_aws_data.py FOLDER

Each cold start reads the data that a client is made of. Most of it is other services' endpoints, and operations on
whole tables. What is kept: every partition and region, and the operations that read and write items. It is cut from the
botocore of uv.lock, by `make lock`, and is right for an older or newer one too: these operations have not changed their
shapes since 2018, and whatever else a client reads is the runtime's own.
"""

import json
import sys
from pathlib import Path
from typing import Any

from botocore.loaders import Loader

SERVICES = ["dynamodb", "secretsmanager"]
MODEL = "dynamodb/2012-08-10/service-2"

# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.API.html#HowItWorks.API.DataPlane
DATA_PLANE = [
    "BatchGetItem",
    "BatchWriteItem",
    "DeleteItem",
    "GetItem",
    "PutItem",
    "Query",
    "Scan",
    "TransactGetItems",
    "TransactWriteItems",
    "UpdateItem",
]


def endpoints() -> dict[str, Any]:
    """All partitions and regions, with the endpoints of what we call."""
    endpoints: dict[str, Any] = Loader().load_data("endpoints")
    for partition in endpoints["partitions"]:
        partition["services"] = {name: value for name, value in partition["services"].items() if name in SERVICES}
    return endpoints


def model() -> dict[str, Any]:
    """DynamoDB's data plane, without its documentation."""
    model: dict[str, Any] = Loader().load_data(MODEL)
    operations = {name: model["operations"][name] for name in DATA_PLANE}
    needed = wanted = _shapes_in(operations)
    while wanted:
        wanted = _shapes_in([model["shapes"][name] for name in wanted]) - needed
        needed |= wanted
    shapes = {name: shape for name, shape in model["shapes"].items() if name in needed}
    kept: dict[str, Any] = _undocumented(model | {"operations": operations, "shapes": shapes})
    return kept


def files() -> dict[str, str]:
    """What to write, by name."""
    return {
        f"{name}.json": json.dumps(data, indent=1) + "\n"
        for name, data in {"endpoints": endpoints(), MODEL: model()}.items()
    }


def _shapes_in(value: Any) -> set[str]:
    if isinstance(value, dict):
        here = {value["shape"]} if isinstance(value.get("shape"), str) else set()
        return here.union(*map(_shapes_in, value.values()))
    return set().union(*map(_shapes_in, value)) if isinstance(value, list) else set()


def _undocumented(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            name: _undocumented(member)
            for name, member in value.items()
            if not (name == "documentation" and isinstance(member, str))
        }
    return [_undocumented(member) for member in value] if isinstance(value, list) else value


if __name__ == "__main__":
    for name, text in files().items():
        path = Path(sys.argv[1]) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
