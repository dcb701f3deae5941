"""`make deploy` looks for an environment, a region and credentials before it builds."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from botocore.awsrequest import AWSPreparedRequest
from botocore.exceptions import EndpointConnectionError

from ops import account
from tests.aws import Answer, answering, mock_aws
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


def test_the_account_and_the_region_are_named(run_main: RunMain) -> None:
    done = run_main(account.main, "prod")

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "Deploying outcomes-prod to the account 123456789012 in eu-central-1.\n"


def test_the_environments_region_counts(run_main: RunMain, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")

    assert run_main(account.main, "dev").stdout.endswith(" in eu-west-1.\n")


def test_an_unknown_environment_says_what_to_copy(run_main: RunMain) -> None:
    done = run_main(account.main, "staging")

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "error: ENV=staging is unknown; samconfig.toml has dev, prod. To add it, copy the section "
        "[dev.deploy.parameters] as [staging.deploy.parameters], and change its stack_name, s3_prefix and tags.\n"
    )


def test_a_missing_region_says_the_next_step(run_main: RunMain) -> None:
    done = run_main(account.main, "dev")

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "error: no region is set. Run `export AWS_DEFAULT_REGION=eu-central-1` with your region, "
        "or add `region` to [dev.deploy.parameters] of samconfig.toml, then run make again.\n"
    )


def test_missing_credentials_say_the_next_step(run_main: RunMain, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")

    done = run_main(account.main, "prod")

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: no AWS credentials were found. Run `aws configure sso` or `aws configure`, ")


def test_an_unknown_profile_says_where_it_is_set(run_main: RunMain, samconfig: Path) -> None:
    samconfig.write_text(f'{SAMCONFIG}profile = "nobody"\n')

    done = run_main(account.main, "prod")

    assert done.stderr == (
        "error: The config profile (nobody) could not be found. Run `aws configure list-profiles`, "
        "and correct `profile` in [prod.deploy.parameters] of samconfig.toml or AWS_PROFILE.\n"
    )


def test_credentials_that_expired_say_the_next_step(run_main: RunMain) -> None:
    def expired(_request: object) -> Answer:
        error = "<Error><Code>ExpiredToken</Code><Message>The security token is expired.</Message></Error>"
        return 403, {}, f"<ErrorResponse>{error}</ErrorResponse>"

    with answering("sts.GetCallerIdentity", expired):
        done = run_main(account.main, "prod")

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: AWS does not accept the credentials: ")
    assert done.stderr.endswith(
        "The security token is expired. Sign in again, as with `aws sso login`, then run make again.\n"
    )


@pytest.mark.parametrize(
    ("region", "reason"),
    [("eu-centrl-1", "Could not connect to the endpoint URL"), ("eu central 1", "Provided region_name")],
)
def test_a_wrong_region_or_no_network_is_no_question_of_credentials(
    run_main: RunMain, monkeypatch: pytest.MonkeyPatch, region: str, reason: str
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", region)

    def unreachable(request: AWSPreparedRequest) -> Answer:
        raise EndpointConnectionError(endpoint_url=request.url)

    with answering("sts.GetCallerIdentity", unreachable):
        done = run_main(account.main, "dev")

    assert done.stderr.startswith(f"error: cannot reach AWS in {region}: {reason}")
    assert done.stderr.endswith(" Correct the region or the network, then run make again.\n")


@pytest.mark.parametrize("text", [None, "version = "])
def test_an_unreadable_file_is_one_line(run_main: RunMain, samconfig: Path, text: str | None) -> None:
    if text is None:
        samconfig.unlink()
    else:
        samconfig.write_text(text)

    done = run_main(account.main, "prod")

    assert done.stderr.startswith("error: samconfig.toml cannot be read: ")
    assert done.stderr.count("\n") == 1
