"""Start each built function under AWS's own runtime client, on a read-only root, with a real event each.

The root contains what Lambda's has: /var/task with the function, /opt with the layer, and Python with awslambdaric, but
no SDK, no HOME and nothing that can be written. https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html
"""

import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.measure import OF_LAMBDA
from bench.runtime_api import life
from ops.errors import StackError
from tests.events import KEY, proxy_event, session

ROOT = Path(__file__).parents[2]
CLIENT = ("awslambdaric", "runtime_client*", "simplejson", "snapshot_restore_py")
"""Modules that AWS's runtime client needs. They are in Lambda's runtime, but not in the build."""

# The arguments are the root, the function's folder, the layer's, Python's and the runtime client's.
IN_A_ROOT = """
set -e
mount -t tmpfs -o size=1m none "$1"
for folder in usr lib lib64 bin etc var/task opt var/lang var/runtime; do mkdir -p "$1/$folder"; done
show() { mount --bind "$1" "$2"; mount -o remount,bind,ro "$2"; }
for folder in usr lib lib64 bin etc; do if [ -d /$folder ]; then show /$folder "$1/$folder"; fi; done
show "$2" "$1/var/task"; show "$3" "$1/opt"; show "$4" "$1/var/lang"; show "$5" "$1/var/runtime"
mount -o remount,ro "$1"
cd "$1"
exec /usr/sbin/chroot . /var/lang/bin/python3.13 -S -m awslambdaric app.handler
"""
PACKAGES = ROOT / ".tools/rehearse/lib/python3.13/site-packages"
PYTHON = (ROOT / ".tools/rehearse/bin/python3.13").resolve().parents[1]
UNSHARE = ["/usr/bin/unshare", "--user", "--map-root-user", "--mount", "/bin/sh"]

USER = 4711
TODAY = f"{datetime.now(UTC):%Y-%m-%d}"
OUTCOME = {"outcomeType": "deal_closed", "title": "Rehearsed", "valueUsd": 12.5}
NO_EVENT = {"messageId": "m-1", "receiptHandle": "r-1", "body": "{}", "attributes": {"ApproximateReceiveCount": "1"}}


def of_user(method: str, path: str, **given: Any) -> dict[str, Any]:
    return proxy_event(method, path, authorizer=session(USER), **given)


def events(key: str, outcome: str, image: Mapping[str, Any]) -> dict[str, tuple[dict[str, Any], str]]:
    """Return for each function an event, and what its answer contains.

    outcome: the id of a recorded outcome. image: its row.
    """
    asked = {
        **proxy_event("POST", authorizer=None, headers={"Authorization": f"Bearer {key}"}),
        **{"type": "REQUEST", "methodArn": "arn:aws:execute-api:us-east-1:123456789012:a1b2c3/v1/POST/api/outcomes"},
    }
    keys = {name: image[name] for name in ("user_id", "created_at") if name in image}
    change = {"Keys": keys, "NewImage": image, "SequenceNumber": "1", "ApproximateCreationDateTime": 1.0}
    one = {"parameters": {"id": outcome}}
    return {
        "Authorizer": (asked, '"caller": "key"'),
        "RecordOutcome": (of_user("POST", "/api/outcomes", body=OUTCOME), '"statusCode": 200'),
        "RecordBatch": (of_user("POST", "/api/outcomes/batch", body={"outcomes": [OUTCOME]}), '\\"created\\":1'),
        "ListOutcomes": (of_user("GET", "/api/outcomes"), outcome),
        "SummarizeOutcomes": (of_user("GET", "/api/outcomes/summary"), '\\"count\\":3'),
        "ExportOutcomes": (of_user("GET", "/api/outcomes/export", query={"format": "ndjson"}), outcome),
        "GetOutcome": (of_user("GET", "/api/outcomes/{id}", **one), outcome),
        "CorrectOutcome": (
            of_user("POST", "/api/outcomes/{id}/corrections", body={"type": "confirm"}, **one),
            '\\"status\\":\\"confirmed\\"',
        ),
        "ManageKeys": (of_user("POST", "/api/keys", body={"name": "Rehearsed"}), '\\"key\\":\\"oc_'),
        "Mcp": (
            proxy_event("POST", "/mcp", authorizer=KEY, body={"jsonrpc": "2.0", "id": 1, "method": "tools/list"}),
            "record_outcome",
        ),
        "Statements": (of_user("GET", "/api/statements"), '\\"statements\\":[]'),
        "StatementKeys": (proxy_event("GET", "/.well-known/outcomes-keys.json", authorizer=None), '\\"keys\\":['),
        "Costs": (
            of_user(
                "PUT",
                "/api/costs/{date}/{source}",
                parameters={"date": TODAY, "source": "openai"},
                body={"lines": [{"costUsd": 3.7, "quantity": None, "label": ""}]},
            ),
            '\\"version\\":1',
        ),
        "TryDefinition": (
            of_user(
                "POST",
                "/api/definitions/try",
                body={"definition": {"timezone": "UTC", "disputeDays": 0, "types": {"*": {"when": "claimed"}}}},
            ),
            '\\"counted\\":{\\"count\\":',
        ),
        "Definitions": (of_user("GET", "/api/definitions"), '\\"definitions\\":[]'),
        "Watches": (of_user("GET", "/api/watches"), '\\"watches\\":[]'),
        "EvaluateWatches": ({}, '"users": '),
        "PublishEvents": (
            {"Records": [{"eventID": "e-1", "eventName": "INSERT", "dynamodb": change}]},
            '"batchItemFailures": []',
        ),
        "DeliverWebhook": ({"Records": [NO_EVENT]}, '"batchItemFailures": []'),
        # A record of an erasure would forbid to switch off DataRequests.
        "EraseUser": ({"again": True}, '"done": true'),
        "ExportUser": ({"user_id": USER}, outcome),
    }


def folders(place: Path, build: Path, name: str) -> list[Path]:
    """Return the folders that IN_A_ROOT names. place: where the root and the runtime client's folder are made."""
    root, client = place / "root", place / "client"
    root.mkdir(exist_ok=True)
    if not client.exists():
        client.mkdir()
        for found in (each for pattern in CLIENT for each in PACKAGES.glob(pattern)):
            subprocess.run(["cp", "-r", found, client], check=True)
    return [root, build / f"{name}Function", build / "CommonLayer", PYTHON, client]


def check_namespaces() -> None:
    """Raise StackError if this machine does not let us make a root."""
    if not Path(UNSHARE[0]).exists():
        raise StackError(f"{UNSHARE[0]} is missing, in whose roots functions start: rehearse on Linux")
    tried = subprocess.run([*UNSHARE, "-c", "mount -t tmpfs none /mnt"], capture_output=True, text=True, check=False)
    if tried.returncode:
        raise StackError(
            "this machine does not let us make a read-only root with unshare: allow user namespaces, for example with "
            f"`sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0` ({tried.stderr.strip()})"
        )


def start(places: list[Path], variables: Mapping[str, str], event: dict[str, Any]) -> Any:
    """Return the answer of a function. places: see `folders`. Raises RuntimeError if it does not answer."""
    paths = {"PYTHONPATH": "/var/task:/opt/python:/var/runtime", "LAMBDA_TASK_ROOT": "/var/task"}
    command = [*UNSHARE, "-c", IN_A_ROOT, "sh", *map(str, places)]
    _, answer = life(command, {**OF_LAMBDA, **variables, **paths}, event)
    return answer
