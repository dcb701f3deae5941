"""`make deploy` uploads the dashboard's page to the stack's bucket, if it has one."""

from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest

from ops.errors import StackError
from ops.publish import main, publish
from tests.aws import PARAMETERS, STACKS, STATUSES, Answer, answering, aws_client, mock_aws
from tests.conftest import RunMain
from tests.template.conftest import ROOT

REGION = "eu-central-1"
TOPIC = "arn:aws:sns:eu-central-1:123456789012:oncall"
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


CHANGE_SET = "<member><ExecutionStatus>{}</ExecutionStatus><CreationTime>2026-11-{}T09:30:00Z</CreationTime></member>"
CHANGE_SETS: list[tuple[str, int]] = []
"""The status of execution and the day of each of the stack's change sets."""


def change_sets(_request: object) -> Answer:
    members = "".join(CHANGE_SET.format(*each) for each in CHANGE_SETS)
    result = f"<ListChangeSetsResult><Summaries>{members}</Summaries></ListChangeSetsResult>"
    return 200, {}, f"<ListChangeSetsResponse>{result}</ListChangeSetsResponse>"


@pytest.fixture(autouse=True)
def aws() -> Iterator[None]:
    CHANGE_SETS.clear()
    with mock_aws(), answering("cloudformation.ListChangeSets", change_sets):
        yield


def test_only_the_pages_and_their_scripts_are_uploaded(samconfig: Path, capsys: pytest.CaptureFixture[str]) -> None:
    STACKS[REGION, "outcomes-dev"] = {"FeedBucketName": "feed", "FeedUrl": "https://value.example.com/"}
    PARAMETERS[REGION, "outcomes-dev"] = {"AlarmTopicArn": TOPIC}
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
        "value-delivered-more.js": "text/javascript; charset=utf-8",
        "outcome-keys-more.js": "text/javascript; charset=utf-8",
        "outcome-keys.js": "text/javascript; charset=utf-8",
        "verify.html": "text/html; charset=utf-8",
        "verify.js": "text/javascript; charset=utf-8",
    }
    for name, stored in objects.items():
        assert stored["Body"].read() == (ROOT / "dashboard/public" / name).read_bytes()
        assert stored["CacheControl"] == "public, max-age=300"
    assert capsys.readouterr().out == "Dashboard: https://value.example.com/ (within 5 minutes)\n"


@pytest.mark.parametrize(
    ("found", "uploads"),
    [
        ([("EXECUTE_COMPLETE", 24)], True),
        ([("AVAILABLE", 24)], False),  # `sam deploy` showed it, and the answer was "N"
        ([("AVAILABLE", 24), ("UNAVAILABLE", 25)], True),  # "No changes to deploy", after a change that was declined
        ([("AVAILABLE", 25), ("UNAVAILABLE", 24)], False),
    ],
)
def test_nothing_is_uploaded_if_the_change_set_was_declined(
    samconfig: Path, found: list[tuple[str, int]], uploads: bool
) -> None:
    STACKS[REGION, "outcomes-dev"] = {"FeedBucketName": "feed", "FeedUrl": "https://value.example.com/"}
    aws_client("s3").create_bucket(Bucket="feed")
    CHANGE_SETS.extend(found)
    with nullcontext() if uploads else pytest.raises(StackError, match="outcomes-dev was not changed"):
        publish(samconfig, "dev", ROOT / "dashboard/public")
    assert ("Contents" in aws_client("s3").list_objects_v2(Bucket="feed")) is uploads


@pytest.mark.parametrize("outputs", [{}, {"ApiUrl": "https://api.example.com"}])
def test_nothing_is_uploaded_for_a_stack_without_a_dashboard(
    samconfig: Path, capsys: pytest.CaptureFixture[str], outputs: dict[str, str]
) -> None:
    STACKS[REGION, "outcomes-dev"] = outputs
    PARAMETERS[REGION, "outcomes-dev"] = {"Monitoring": "Off"}
    publish(samconfig, "dev", ROOT / "dashboard/public")
    assert capsys.readouterr() == ("", "")


NOBODY = "Alarms notify nobody: set AlarmEmail or AlarmTopicArn in samconfig.toml, and deploy again.\n"


@pytest.mark.parametrize("hosted", [False, True])
@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ({}, NOBODY),
        ({"Monitoring": "Essential", "AlarmEmail": "", "AlarmTopicArn": ""}, NOBODY),
        ({"Monitoring": "Full", "AlarmEmail": "", "AlarmTopicArn": TOPIC}, ""),
        ({"Monitoring": "Off", "AlarmEmail": "", "AlarmTopicArn": ""}, ""),
    ],
)
def test_the_last_line_says_if_alarms_notify_nobody(
    samconfig: Path, capsys: pytest.CaptureFixture[str], parameters: dict[str, str], says: str, hosted: bool
) -> None:
    STACKS[REGION, "outcomes-dev"] = (
        {"FeedBucketName": "feed", "FeedUrl": "https://value.example.com/"} if hosted else {}
    )
    PARAMETERS[REGION, "outcomes-dev"] = parameters
    aws_client("s3").create_bucket(Bucket="feed")
    publish(samconfig, "dev", ROOT / "dashboard/public")
    dashboard = "Dashboard: https://value.example.com/ (within 5 minutes)\n" if hosted else ""
    assert capsys.readouterr().out == dashboard + says


@pytest.mark.parametrize(
    ("subscription", "says"),
    [
        ("PendingConfirmation", "Alarms notify nobody until oncall@example.com confirms the e-mail from AWS.\n"),
        (f"{TOPIC}:9b1f", ""),
        ("Deleted", "Alarms notify nobody until oncall@example.com confirms the e-mail from AWS.\n"),
        (None, "Alarms notify nobody until oncall@example.com confirms the e-mail from AWS.\n"),
    ],
)
def test_the_last_line_says_if_the_address_is_not_confirmed(
    samconfig: Path, capsys: pytest.CaptureFixture[str], subscription: str | None, says: str
) -> None:
    STACKS[REGION, "outcomes-dev"] = {"AlarmTopic": TOPIC}
    PARAMETERS[REGION, "outcomes-dev"] = {"Monitoring": "Essential", "AlarmEmail": "oncall@example.com"}
    member = f"<member><SubscriptionArn>{subscription}</SubscriptionArn></member>" if subscription else ""
    result = f"<ListSubscriptionsByTopicResult><Subscriptions>{member}</Subscriptions></ListSubscriptionsByTopicResult>"
    found: Answer = 200, {}, f"<ListSubscriptionsByTopicResponse>{result}</ListSubscriptionsByTopicResponse>"
    with answering("sns.ListSubscriptionsByTopic", lambda _request: found):
        publish(samconfig, "dev", ROOT / "dashboard/public")
    assert capsys.readouterr().out == says


def test_a_subscription_that_cannot_be_read_is_one_line(samconfig: Path) -> None:
    STACKS[REGION, "outcomes-dev"] = {"AlarmTopic": TOPIC}
    PARAMETERS[REGION, "outcomes-dev"] = {"Monitoring": "Essential", "AlarmEmail": "oncall@example.com"}
    denied = "<ErrorResponse><Error><Code>AuthorizationError</Code><Message>No</Message></Error></ErrorResponse>"
    with (
        answering("sns.ListSubscriptionsByTopic", lambda _request: (403, {}, denied)),
        pytest.raises(StackError, match=r"^outcomes-dev is deployed, but .*AuthorizationError"),
    ):
        publish(samconfig, "dev", ROOT / "dashboard/public")


@pytest.mark.parametrize("environment", ["dev", "prod"])
def test_nothing_is_done_or_said_if_the_changes_of_a_first_deployment_were_declined(
    samconfig: Path, capsys: pytest.CaptureFixture[str], environment: str
) -> None:
    samconfig.write_text(SAMCONFIG.replace("[prod.deploy.parameters]", "").replace("[dev.", f"[{environment}."))
    STACKS[REGION, "outcomes-dev"] = {}
    STATUSES[REGION, "outcomes-dev"] = "REVIEW_IN_PROGRESS"
    publish(samconfig, environment, ROOT / "dashboard/public")
    assert capsys.readouterr() == ("", "")


def test_a_missing_stack_is_one_line(samconfig: Path) -> None:
    with pytest.raises(StackError, match=r"^cannot upload the dashboard of outcomes-dev: .*does not exist") as failed:
        publish(samconfig, "dev", ROOT / "dashboard/public")
    assert "\n" not in str(failed.value)


def test_an_environment_without_a_stack_is_named(samconfig: Path) -> None:
    with pytest.raises(StackError, match=r"ENV=prod is unknown; samconfig\.toml has dev"):
        publish(samconfig, "prod", ROOT / "dashboard/public")


def test_the_command_prints_an_error_as_one_line(run_main: RunMain) -> None:
    done = run_main(main, "staging")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: ENV=staging is unknown; samconfig.toml has core, dev, prod.")


def test_a_key_that_was_ended_during_the_deployment_must_be_ended_again(samconfig: Path) -> None:
    STACKS[REGION, "outcomes-dev"] = {}
    PARAMETERS[REGION, "outcomes-dev"] = {"KeyFingerprints": f"{'0' * 64},{'e' * 64}", "EndedFingerprints": "e" * 64}
    with pytest.raises(StackError, match=f"make end-key STACK=outcomes-dev FINGERPRINT={'e' * 64}$"):
        publish(samconfig, "dev", ROOT / "dashboard/public")
