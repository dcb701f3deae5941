"""`make check` reports forbidden imports and environment reads, and names the broken rule."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LAYER = "layers/common/outcomes"

SUBPACKAGES = "A subpackage of the layer imports only subpackages below it"
EDGE = "Of the edge and of mcp, only write_requests and correction_requests know the ledger"
CONTRACT = "The contract knows pydantic's engine and the standard library only"
FUNCTIONS = "Functions never import each other"
AT_HOME = "Nothing that is deployed imports local, tests or what else stays at home"
AWS = "Only outcomes.aws connects to AWS, and only webhooks and issuers' keys connect to other hosts"
OPERATED = "What operates a deployed stack knows no laptop"
IMPORT = "No command needs the import of a table"
ENVIRONMENT = "Environment variables are read in a function's app.py: hand the value on from there."

ENGINE = {"pydantic_core", "typing_extensions"}

# Each row has a file, a line that is appended to it, and the rule that this line breaks.
BREACHES = [
    ("functions/record_outcome/app.py", "import boto3", AWS),
    ("functions/list_outcomes/app.py", "from functions.summarize_outcomes import app", FUNCTIONS),
    ("functions/record_batch/app.py", "from tests import events", AT_HOME),
    (f"{LAYER}/contract/models.py", "import os; os.environ['OUTCOMES_TABLE']", ENVIRONMENT),
    (f"{LAYER}/calendar/period.py", "from os import getenv", ENVIRONMENT),
    (f"{LAYER}/limits.py", "from aws_lambda_powertools import Logger", CONTRACT),
    (f"{LAYER}/contract/queries.py", "from outcomes.ledger import ulid", SUBPACKAGES),
    (f"{LAYER}/contract/rules.py", "from pydantic import BaseModel", CONTRACT),
    (f"{LAYER}/contract/json_text.py", "def lazily(): import urllib.request", AWS),
    (f"{LAYER}/errors.py", "from outcomes.contract import models", SUBPACKAGES),
    (f"{LAYER}/edge/headers.py", "from outcomes.auth import keys", SUBPACKAGES),
    (f"{LAYER}/edge/api.py", "from outcomes.ledger.store import OutcomeStore", EDGE),
    (f"{LAYER}/auth/keys.py", "import botocore.session", AWS),
    (f"{LAYER}/events/bus.py", "from outcomes.mcp import tools", SUBPACKAGES),
    (f"{LAYER}/mcp/server.py", "from outcomes.ledger import ulid", EDGE),
    (f"{LAYER}/edge/observability.py", "from outcomes.events import webhooks", SUBPACKAGES),
    (f"{LAYER}/events/webhooks.py", "import urllib.request", AWS),
    (f"{LAYER}/ledger/store.py", "import local.template", AT_HOME),
    (f"{LAYER}/ledger/ulid.py", "from outcomes.edge import api", SUBPACKAGES),
    ("ops/publish.py", "from local import stack", OPERATED),
    ("ops/resend.py", "from history import writer", IMPORT),
]


def commands_of_check() -> list[str]:
    """Return the commands of `make check` that check imports, as the Makefile prints them."""
    listed = subprocess.run(["make", "--dry-run", "check"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [line for line in listed.splitlines() if re.search(r"bin/(ruff check|lint-imports)\b", line)]


@pytest.fixture(scope="module")
def complaints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Run the commands of `make check` on a copy of the project with all BREACHES.

    Return the complaints by rule.
    """
    copy = tmp_path_factory.mktemp("breaches")
    for folder in ("functions", "history", LAYER, "local", "ops"):
        shutil.copytree(ROOT / folder, copy / folder)
    shutil.copy(ROOT / "pyproject.toml", copy)
    (copy / ".venv").symlink_to(sys.prefix)
    for file, line, _ in BREACHES:
        with (copy / file).open("a") as source:
            source.write(f"{line}\n")
    said = ""
    for command in commands_of_check():
        done = subprocess.run(
            ["sh", "-c", command],
            cwd=copy,
            env=os.environ | {"COLUMNS": "300", "RUFF_OUTPUT_FORMAT": "concise"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 1, done.stdout + done.stderr
        said += done.stdout
    # import-linter underlines each broken rule, and lists the imports below it.
    _, *sections = re.split(r"\n(.+)\n-{20,}\n", said)
    rules = dict(zip(sections[::2], sections[1::2], strict=True))
    return rules | {ENVIRONMENT: "\n".join(line for line in said.splitlines() if line.endswith(ENVIRONMENT))}


@pytest.mark.parametrize(("file", "rule"), [(file, rule) for file, _, rule in BREACHES])
def test_a_breach_is_reported_with_its_rule_and_line(complaints: dict[str, str], file: str, rule: str) -> None:
    module = file.removeprefix("layers/common/").removesuffix(".py").replace("/", ".")
    number = len((ROOT / file).read_text().splitlines()) + 1
    place = rf"^{file}:{number}:" if rule == ENVIRONMENT else rf"{module} -> \S+ \(l\.{number}\)"
    assert re.search(place, complaints[rule], re.MULTILINE), complaints[rule]


def test_the_contract_may_import_no_deployed_package_but_pydantic_s_engine() -> None:
    """If the layer gets a new requirement, add it either to the rule in pyproject.toml or to the exceptions below."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    [forbidden] = [contract["forbidden_modules"] for contract in contracts if contract["name"] == CONTRACT]
    requirements = (ROOT / "layers/common/requirements.txt").read_text()
    deployed = set(re.findall(r"^([a-z0-9-]+)==", requirements, re.MULTILINE))
    packages = {
        package
        for package, distributions in packages_distributions().items()
        if {re.sub(r"[-_.]+", "-", name).lower() for name in distributions} & deployed
    }
    # The contract may import tzdata, too: it reads the time zone files in the folder of this package.
    assert packages - set(forbidden) == ENGINE | {"tzdata"}
