"""`make deploy` looks for an environment, a region and credentials before it builds."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from botocore.exceptions import EndpointConnectionError

from ops import account
from tests.aws import Given, answering, mock_aws, refused
from tests.conftest import RunMain

SAMCONFIG = """
version = 0.1
[default.build.parameters]
cached = false
[dev.deploy.parameters]
stack_name = "outcomes-dev"
[prod.deploy.parameters]
stack_name = "outcomes-prod"
region = "eu-central-1"
"""


@pytest.fixture(autouse=True)
def aws() -> Iterator[None]:
    with mock_aws():
        yield


@pytest.fixture(autouse=True)
def samconfig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a samconfig.toml, on a machine with credentials and without a region or a profile."""
    for name in ("AWS_DEFAULT_REGION", "AWS_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setattr(account, "ROOT", tmp_path)
    file = tmp_path / "samconfig.toml"
    file.write_text(SAMCONFIG)
    return file


def expired(_given: Given) -> Given:
    raise refused("ExpiredToken", "The security token is expired.")


def throttled(_given: Given) -> Given:
    raise refused("Throttling", "Rate exceeded")


def unreachable(_given: Given) -> Given:
    raise EndpointConnectionError(endpoint_url="https://sts.eu-centrl-1.amazonaws.com")


def test_the_account_and_the_region_are_named_and_the_environments_region_counts(
    run_main: RunMain, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = run_main(account.main, "prod")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "Deploying outcomes-prod to the account 123456789012 in eu-central-1.\n"
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    assert run_main(account.main, "dev").stdout.endswith(" in eu-west-1.\n")


NO_REGION = (
    "no region is set. Run `export AWS_DEFAULT_REGION=eu-central-1` with your region, "
    "or add `region` to [dev.deploy.parameters] of samconfig.toml, then run make again.\n"
)
UNKNOWN = (
    "ENV=staging is unknown; samconfig.toml has dev, prod. To add it, copy the section "
    "[dev.deploy.parameters] as [staging.deploy.parameters], and change its stack_name, s3_prefix and tags.\n"
)
PROFILE = (
    "The config profile (nobody) could not be found. Run `aws configure list-profiles`, "
    "and correct `profile` in [prod.deploy.parameters] of samconfig.toml or AWS_PROFILE.\n"
)
NETWORK = " Correct the region or the network, then run make again.\n"


@pytest.mark.parametrize(
    ("environment", "variables", "text", "begins", "ends"),
    [
        ("staging", {}, SAMCONFIG, UNKNOWN, ""),
        ("", {}, SAMCONFIG, "ENV is missing, such as ENV=prod\n", ""),
        ("dev", {}, SAMCONFIG, NO_REGION, ""),
        ("prod", {}, f'{SAMCONFIG}profile = "nobody"\n', PROFILE, ""),
        ("prod", {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None}, SAMCONFIG, "no AWS credentials were", ""),
        (
            "dev",
            {"AWS_DEFAULT_REGION": "eu-centrl-1"},
            SAMCONFIG,
            "cannot reach AWS in eu-centrl-1: Could not",
            NETWORK,
        ),
        ("dev", {"AWS_DEFAULT_REGION": "eu central 1"}, SAMCONFIG, "cannot reach AWS in eu central 1: Prov", NETWORK),
        ("prod", {}, None, "samconfig.toml cannot be read: ", ""),
        ("prod", {}, "version = ", "samconfig.toml cannot be read: ", ""),
    ],
)
def test_what_is_missing_or_wrong_says_the_next_step_in_one_line(
    run_main: RunMain,
    samconfig: Path,
    monkeypatch: pytest.MonkeyPatch,
    environment: str,
    variables: dict[str, str | None],
    text: str | None,
    begins: str,
    ends: str,
) -> None:
    for name, value in variables.items():
        monkeypatch.delenv(name, raising=False)
        if value:
            monkeypatch.setenv(name, value)
    samconfig.unlink() if text is None else samconfig.write_text(text)
    with answering("sts.GetCallerIdentity", unreachable):
        done = run_main(account.main, environment)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert done.stderr.startswith(f"error: {begins}")
    assert done.stderr.endswith(ends)


def test_credentials_that_expired_say_the_next_step(run_main: RunMain) -> None:
    with answering("sts.GetCallerIdentity", expired):
        done = run_main(account.main, "prod")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: AWS does not accept the credentials: ")
    assert done.stderr.endswith(
        "The security token is expired. Sign in again, as with `aws sso login`, then run make again.\n"
    )


def test_a_busy_aws_is_not_taken_for_wrong_credentials(run_main: RunMain) -> None:
    with answering("sts.GetCallerIdentity", throttled):
        done = run_main(account.main, "prod")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: AWS is busy or fails: ")
    assert done.stderr.endswith("Rate exceeded. Run make again.\n")
