"""After a deployment, `make deploy` protects `prod`, uploads the dashboard's page, and says if alarms notify nobody."""

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from ops.errors import StackError
from ops.publish import main, publish
from tests.aws import PARAMETERS, PROTECTED, STACKS, STATUSES, Given, answering, aws_client, mock_aws, refused
from tests.conftest import RunMain
from tests.template.conftest import ROOT

REGION = "eu-central-1"
DEV = REGION, "outcomes-dev"
TOPIC = "arn:aws:sns:eu-central-1:123456789012:outcomes-prod-oncall"
PUBLIC = ROOT / "dashboard/public"

type Publish = Callable[..., None]


@pytest.fixture
def published(tmp_path: Path) -> Publish:
    """Return a function that does what follows a deployment of an environment with the stack `outcomes-dev`."""
    samconfig = tmp_path / "samconfig.toml"

    def run(environment: str = "dev") -> None:
        parameters = f'stack_name = "outcomes-dev"\nregion = "{REGION}"\n'
        samconfig.write_text(f"[{environment}.deploy.parameters]\n{parameters}")
        publish(samconfig, environment, PUBLIC)

    return run


def denied(given: Given) -> Given:
    raise refused("AuthorizationError", "not\nyours", given["operation"])


CHANGE_SETS: list[tuple[str, int]] = []
"""The status of execution and the day of each of the stack's change sets."""


def change_sets(_given: Given) -> Given:
    november = partial(datetime, 2026, 11, tzinfo=UTC)
    return {"Summaries": [{"ExecutionStatus": status, "CreationTime": november(day)} for status, day in CHANGE_SETS]}


@pytest.fixture(autouse=True)
def aws() -> Iterator[None]:
    CHANGE_SETS.clear()
    with mock_aws(), answering("cloudformation.ListChangeSets", change_sets):
        aws_client("s3").create_bucket(Bucket="feedbucket")
        yield


def uploaded() -> list[str]:
    return [each["Key"] for each in aws_client("s3").list_objects_v2(Bucket="feedbucket").get("Contents", [])]


HOSTED = {"FeedBucketName": "feedbucket", "FeedUrl": "https://value.example.com/"}


def test_only_the_pages_and_their_scripts_are_uploaded(published: Publish, capsys: pytest.CaptureFixture[str]) -> None:
    STACKS[DEV] = HOSTED
    PARAMETERS[DEV] = {"AlarmTopicArn": TOPIC}
    published()
    objects = {name: aws_client("s3").get_object(Bucket="feedbucket", Key=name) for name in uploaded()}
    assert {name: stored["ContentType"] for name, stored in objects.items()} == {
        "index.html": "text/html; charset=utf-8",
        "value-delivered.js": "text/javascript; charset=utf-8",
        "value-delivered-more.js": "text/javascript; charset=utf-8",
        "value-delivered-review.js": "text/javascript; charset=utf-8",
        "outcome-keys-more.js": "text/javascript; charset=utf-8",
        "outcome-keys.js": "text/javascript; charset=utf-8",
        "verify.html": "text/html; charset=utf-8",
        "verify.js": "text/javascript; charset=utf-8",
    }
    for name, stored in objects.items():
        assert stored["Body"].read() == (PUBLIC / name).read_bytes()
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
    published: Publish, found: list[tuple[str, int]], uploads: bool
) -> None:
    STACKS[DEV] = HOSTED
    CHANGE_SETS.extend(found)
    with nullcontext() if uploads else pytest.raises(StackError, match="outcomes-dev was not changed"):
        published()
    assert bool(uploaded()) is uploads


NOBODY = "Alarms notify nobody: set AlarmEmail or AlarmTopicArn in samconfig.toml, and deploy again.\n"
UNCONFIRMED = "Alarms notify nobody until oncall@example.com confirms the e-mail from AWS.\n"
ADDRESS = {"Monitoring": "Essential", "AlarmEmail": "oncall@example.com"}


@pytest.mark.parametrize("hosted", [False, True])
@pytest.mark.parametrize(
    ("parameters", "subscription", "says"),
    [
        ({}, None, NOBODY),
        ({"Monitoring": "Essential", "AlarmEmail": "", "AlarmTopicArn": ""}, None, NOBODY),
        ({"Monitoring": "Full", "AlarmEmail": "", "AlarmTopicArn": TOPIC}, None, ""),
        ({"Monitoring": "Off", "AlarmEmail": "", "AlarmTopicArn": ""}, None, ""),
        (ADDRESS, "PendingConfirmation", UNCONFIRMED),
        (ADDRESS, "Deleted", UNCONFIRMED),
        (ADDRESS, None, UNCONFIRMED),
        (ADDRESS, f"{TOPIC}:9b1f", ""),
    ],
)
def test_the_last_line_says_if_alarms_notify_nobody(
    published: Publish,
    capsys: pytest.CaptureFixture[str],
    parameters: dict[str, str],
    subscription: str | None,
    says: str,
    hosted: bool,
) -> None:
    STACKS[DEV] = (HOSTED if hosted else {}) | ({"AlarmTopic": TOPIC} if parameters == ADDRESS else {})
    PARAMETERS[DEV] = parameters
    found = {"Subscriptions": [{"SubscriptionArn": subscription}] if subscription else []}
    with answering("sns.ListSubscriptionsByTopic", lambda _given: found):
        published()
    dashboard = "Dashboard: https://value.example.com/ (within 5 minutes)\n" if hosted else ""
    assert capsys.readouterr().out == dashboard + says
    assert bool(uploaded()) is hosted


def test_a_subscription_that_cannot_be_read_is_one_line(published: Publish) -> None:
    STACKS[DEV] = {"AlarmTopic": TOPIC}
    PARAMETERS[DEV] = {"Monitoring": "Essential", "AlarmEmail": "oncall@example.com"}
    with (
        answering("sns.ListSubscriptionsByTopic", denied),
        pytest.raises(StackError, match=r"^outcomes-dev is deployed, but .*AuthorizationError"),
    ):
        published()


@pytest.mark.parametrize("environment", ["dev", "prod"])
def test_nothing_is_done_or_said_if_the_changes_of_a_first_deployment_were_declined(
    published: Publish, capsys: pytest.CaptureFixture[str], environment: str
) -> None:
    STACKS[DEV] = {}
    STATUSES[DEV] = "REVIEW_IN_PROGRESS"
    published(environment)
    assert capsys.readouterr() == ("", "")


def test_a_missing_stack_is_one_line(published: Publish) -> None:
    with pytest.raises(
        StackError, match=r"^what follows a deployment of outcomes-dev failed, so run make again: .*does not exist"
    ) as failed:
        published()
    assert "\n" not in str(failed.value)


def test_the_command_prints_an_error_as_one_line(run_main: RunMain) -> None:
    done = run_main(main, "staging")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: ENV=staging is unknown; samconfig.toml has core, dev, prod.")


def test_a_key_that_was_ended_during_the_deployment_must_be_ended_again(published: Publish) -> None:
    STACKS[DEV] = {}
    PARAMETERS[DEV] = {"KeyFingerprints": f"{'0' * 64},{'e' * 64}", "EndedFingerprints": "e" * 64}
    with pytest.raises(StackError, match=f"make end-key STACK=outcomes-dev FINGERPRINT={'e' * 64}$"):
        published()


@pytest.fixture
def protections() -> Iterator[list[str]]:
    """Return the stacks whose termination protection was turned on."""
    made: list[str] = []

    def update(given: Given) -> Given:
        assert given["EnableTerminationProtection"] is True
        made.append(given["StackName"])
        PROTECTED.append(given["StackName"])
        return {}

    with answering("cloudformation.UpdateTerminationProtection", update):
        yield made


@pytest.mark.parametrize("status", ["CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE"])
@pytest.mark.parametrize("environment", ["prod", "dev", "core"])
def test_production_is_protected_once_and_this_is_said(
    published: Publish, capsys: pytest.CaptureFixture[str], protections: list[str], environment: str, status: str
) -> None:
    STACKS[DEV], PARAMETERS[DEV], STATUSES[DEV] = {}, {"Monitoring": "Off"}, status
    published(environment)
    published(environment)
    is_production = environment == "prod"
    assert protections == ["outcomes-dev"] * is_production
    says = (
        "Termination protection of outcomes-dev is on now: to delete the stack, turn it off first (docs/deploy.md).\n"
    )
    assert capsys.readouterr().out == says * is_production


def test_a_refused_protection_says_that_the_deployment_itself_is_done(published: Publish) -> None:
    STACKS[DEV] = {}
    says = "outcomes-dev was deployed, but its termination protection could not be turned on: "
    with (
        answering("cloudformation.UpdateTerminationProtection", denied),
        pytest.raises(StackError, match=f"^{says}") as failed,
    ):
        published("prod")
    assert "\n" not in str(failed.value)
