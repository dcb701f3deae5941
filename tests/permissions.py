"""Evaluate each call to AWS that functions and operators' commands make in tests against the policies of their role.

A call belongs to the function or command whose file is the innermost on Python's stack; calls that a test makes itself
belong to nobody. Calls of functions in local stacks are evaluated there. docs/examples and sentences of our pages say
what an operator needs: "`make adopt` needs `cloudformation:DescribeStacks` and ...".
"""

import json
import re
import sys
import tomllib
from collections.abc import Collection, Iterator, Mapping
from fnmatch import fnmatchcase
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

from outcomes.aws.services import Answer, Service

from local.environment import ACCOUNT, REGION
from local.roles import Role, hash_keys, role_of
from ops.template import parse_yaml
from tests.template.conftest import EVERYTHING, ORIGINS, Deployment

ROOT = Path(__file__).parents[1]
KEPT = Path(__file__).with_suffix(".toml")

COMMANDS = {
    "ops/account.py": "docs/examples/deploy-role.json",
    "ops/configuration.py": "docs/examples/deploy-role.json",
    "ops/end_key.py": "docs/examples/deploy-role.json",
    "ops/publish.py": "docs/examples/deploy-role.json",
    "smoke/*": "docs/examples/smoke-role.json",
    "ops/adopt.py": "docs/runbook.md: `make adopt` needs",
    "ops/resend.py": "docs/runbook.md: `make resend` needs",
    "ops/data_request.py": "docs/data-requests.md: `make erase` and `make export-user` need",
    "history/*": "docs/migrating.md: `make import-history` needs",
}
"""Where our pages say what the commands need, by their files. ops/stacks.py and others serve several commands."""

SERVICES = {"cloudwatch-logs": "logs", "resource-groups-tagging-api": "tag", "secrets-manager": "secretsmanager"}
"""Names of services in actions, by those of the SDK."""

ACTIONS = {"s3:ListObjectsV2": "s3:ListBucket", "lambda:Invoke": "lambda:InvokeFunction"}
"""Actions that are not called like their operation."""

NAMES = {
    "ErasureSecret": "ErasureSecret",
    "StatementSecret": "StatementSecret",
    "SessionSecret": "*session-secret*",
    "WebhookSecret": "webhook-secret",
    "KeptEvents": "arn:aws:s3:::kept-events",
    "WebhooksQueue": f"arn:aws:sqs:{REGION}:{ACCOUNT}:WebhooksQueue",
    "DeadWebhooksQueue": f"arn:aws:sqs:{REGION}:{ACCOUNT}:DeadWebhooksQueue",
}
"""The names of resources in tests' requests, where they are not the logical ids."""

ROLES: dict[str, Role] = {}
"""The roles that were asked for."""

REFUSED: list[str] = []
"""The requests that roles did not allow. Tests fail if they leave any here."""


_call = Service.call


@cache
def template() -> Deployment:
    """Return the template with everything on. Without SAM's transform, which takes long and changes no role."""
    document = parse_yaml((ROOT / "template.yaml").read_text())
    given = {"Configuration": "0" * 16, "DashboardOrigins": ORIGINS, "EventBusName": "default"}
    made = Deployment(document, ROOT, EVERYTHING | given)
    made.arns |= NAMES
    return made


@cache
def role(owner: str) -> Role:
    """Return the role of a function, or of a command by the place that says what it needs."""
    ROLES[owner] = made = _role(owner)
    return made


def _role(owner: str) -> Role:
    if owner.endswith("Function"):
        return role_of(template(), f"{owner}Role")
    page, _, sentence = owner.partition(": ")
    text = (ROOT / page).read_text()
    if not sentence:
        # Tests call resources by their logical ids.
        text = text.replace("<region>", "*").replace("<account>", "*").replace("outcomes-prod/", "outcomes-*/")
        text = re.sub(r"outcomes-prod-(\w+)-\*", r"*\1*", text)
        return Role(json.loads(text)["Statement"], hash_keys(template()))
    [said] = re.findall(rf"{sentence} (.*?)[.:]\s", text, re.DOTALL)
    actions, service = [], ""
    for action in re.findall("`([^`]+)`", said):
        service = action.partition(":")[0] if ":" in action else service
        actions.append(action if ":" in action else f"{service}:{action}")
    return Role([{"Effect": "Allow", "Action": actions, "Resource": "*"}], {})


@cache
def owner_of(file: str) -> str | None:
    """Return whose calls the code in a file makes: "" if nobody's, None if its caller's."""
    if not file.startswith(f"{ROOT}/"):
        return None
    path = file.removeprefix(f"{ROOT}/")
    if path.startswith(("tests/", "local/")) or "/tests/" in path:  # a laptop has no roles
        return None if path in {"tests/permissions.py", "tests/aws.py"} else ""
    if path.startswith("functions/"):
        [name] = [
            name
            for name, each in template().document["Resources"].items()
            if each["Type"] == "AWS::Serverless::Function" and path.startswith(each["Properties"]["CodeUri"])
        ]
        return str(name)
    return next((said for files, said in COMMANDS.items() if fnmatchcase(path, files)), None)


def check(service: str, operation: str, request: Mapping[str, Any]) -> None:
    """Note in REFUSED what the role of the function or command that makes a call does not allow."""
    frame = sys._getframe(1)
    while frame and (owner := owner_of(frame.f_code.co_filename)) is None:
        frame = frame.f_back  # type: ignore[assignment]  # None at the end
    if frame and owner and (refused := role(owner).refused(service, operation, request)):
        REFUSED.append(f"{owner}: {'; '.join(map(str, refused))}")


def check_sdk(event: str, request: Mapping[str, Any]) -> None:
    """Check an SDK's call. event: such as `before-call.cloudwatch-logs.FilterLogEvents`."""
    _, service, operation = event.split(".")
    named = ACTIONS.get(f"{service}:{operation}", f"{SERVICES.get(service, service)}:{operation}")
    service, _, operation = named.partition(":")
    if service != "sts":  # GetCallerIdentity needs no permission
        check(service, operation, request)


def _checked(self: Service, operation: str, request: Mapping[str, Any], **how: Any) -> Answer:
    check(self.name, operation, request)
    return _call(self, operation, request, **how)


def permissions(owner: str, role: Role) -> Iterator[tuple[str, bool]]:
    """Yield each permission of a role by name, and whether it was used."""
    for statement in role.statements:
        for action, resource in product(statement.actions, statement.resources):
            single = statement._replace(actions=(action,), resources=(resource,))
            place = resource.rpartition(":")[2].removeprefix("table/")
            yield f"{owner}: {action} on {place}", any(map(single.matches, role.allowed))


def used() -> dict[str, int]:
    """Return the permissions that were used, as figures of `make proof`."""
    return {name: 1 for owner, role in ROLES.items() for name, is_used in permissions(owner, role) if is_used}


def wrong(used: Collection[str]) -> list[str]:
    """Return the permissions that no test used and permissions.toml does not keep, and those that it keeps in vain."""
    kept = [name for each in tomllib.loads(KEPT.read_text())["kept"] for name in each["permissions"]]
    owners = [name for name, each in template().document["Resources"].items() if "CodeUri" in each["Properties"]]
    owners += {*COMMANDS.values()}
    unused = {name for owner in owners for name, _ in permissions(owner, role(owner))} - {*used}
    unlisted = {name for name in unused if not any(fnmatchcase(name, each) for each in kept)}
    in_vain = {each for each in kept if not any(fnmatchcase(name, each) for name in unused)}
    return [*sorted(f"never used: {name}" for name in unlisted), *sorted(f"not unused: {name}" for name in in_vain)]


def install() -> None:
    """Check each call of our own client. tests/aws.py passes on those of SDKs."""
    Service.call = _checked  # type: ignore[method-assign]
