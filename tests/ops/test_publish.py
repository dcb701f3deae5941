"""`make deploy` uploads the page once the stack is there, if it has a bucket."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ops.errors import StackError
from ops.publish import publish
from tests.aws import STACKS, aws_client, mock_aws
from tests.template.conftest import ROOT

REGION = "eu-central-1"
SAMCONFIG = f"""
[dev.deploy.parameters]
stack_name = "outcomes-dev"
region = "{REGION}"
[prod.deploy.parameters]
"""


@pytest.fixture
def samconfig(tmp_path: Path) -> Path:
    file = tmp_path / "samconfig.toml"
    file.write_text(SAMCONFIG)
    return file


@pytest.fixture(autouse=True)
def aws() -> Iterator[None]:
    with mock_aws():
        yield


def test_exactly_the_page_and_the_components_are_uploaded(samconfig: Path, capsys: pytest.CaptureFixture[str]) -> None:
    STACKS[REGION, "outcomes-dev"] = {"FeedBucketName": "feed", "FeedUrl": "https://value.example.com/"}
    s3 = aws_client("s3")
    s3.create_bucket(Bucket="feed")
    publish(samconfig, "dev", ROOT / "dashboard/public")
    objects = {
        stored["Key"]: s3.get_object(Bucket="feed", Key=stored["Key"])
        for stored in s3.list_objects_v2(Bucket="feed")["Contents"]
    }
    assert {name: stored["ContentType"] for name, stored in objects.items()} == {
        "index.html": "text/html; charset=utf-8",
        "value-delivered.js": "text/javascript; charset=utf-8",
        "outcome-keys.js": "text/javascript; charset=utf-8",
    }
    for name, stored in objects.items():
        assert stored["Body"].read() == (ROOT / "dashboard/public" / name).read_bytes()
        assert stored["CacheControl"] == "public, max-age=300"
    assert capsys.readouterr().out == "Dashboard: https://value.example.com/ (within 5 minutes)\n"


@pytest.mark.parametrize("outputs", [{}, {"ApiUrl": "https://api.example.com"}])
def test_a_stack_that_hosts_none_is_left_alone(
    samconfig: Path, capsys: pytest.CaptureFixture[str], outputs: dict[str, str]
) -> None:
    STACKS[REGION, "outcomes-dev"] = outputs
    publish(samconfig, "dev", ROOT / "dashboard/public")
    assert capsys.readouterr() == ("", "")


def test_a_stack_that_is_not_there_is_told_in_one_line(samconfig: Path) -> None:
    with pytest.raises(StackError, match=r"^the dashboard of outcomes-dev is not published: .*does not exist") as told:
        publish(samconfig, "dev", ROOT / "dashboard/public")
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("environment", ["prod", "staging"])
def test_an_environment_without_a_stack_is_told(samconfig: Path, environment: str) -> None:
    with pytest.raises(StackError, match=rf"samconfig.toml has no stack_name in \[{environment}.deploy.parameters\]"):
        publish(samconfig, environment, ROOT / "dashboard/public")


def test_the_command_ends_with_one_line_and_1() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ops.publish", "staging"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "error: samconfig.toml has no stack_name in [staging.deploy.parameters]\n"
