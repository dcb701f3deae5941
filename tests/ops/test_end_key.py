"""Test `make end-key` with a stack whose template, authorizer and parameters are the real ones."""

import re
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from functools import partial
from subprocess import CompletedProcess
from typing import Any
from unittest.mock import patch

import httpx
import pytest
from botocore.exceptions import ClientError
from outcomes.auth.keys import fingerprint

from ops import configuration, end_key
from tests.aws import answering, aws_client, mock_aws
from tests.conftest import RunMain
from tests.ops.fake_stack import AUTHORIZER, STACK, Account, change, changes, detail
from tests.template.conftest import EVERYTHING, ROOT, deploy

LEAKED, OTHER = "ok_the-one-that-leaked", "ok_the-other"
RUNBOOK = (ROOT / "docs/runbook.md").read_text()
FUNCTION, TABLE = "AWS::Lambda::Function", "AWS::DynamoDB::Table"
GROUP, STAGE = "AWS::CodeDeploy::DeploymentGroup", "AWS::ApiGateway::Stage"

type EndKey = Callable[..., CompletedProcess[str]]


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    """Return an account with a stack that accepts two keys, and that a gradual release can change."""
    account = Account(deploy(**EVERYTHING, KeyFingerprints=f"{fingerprint(LEAKED)},{fingerprint(OTHER)}"))
    monkeypatch.setattr("ops.end_key.boto3.client", aws_client)
    monkeypatch.setattr("ops.end_key.httpx.post", account.api)
    monkeypatch.setattr("ops.end_key.time.sleep", lambda seconds: account.calls.append(f"sleep {seconds}"))
    monkeypatch.delenv("INTERNAL_API_KEY", raising=False)
    with mock_aws(), answering("cloudformation", account.answer), answering("lambda", account.answer):
        yield account


@pytest.fixture
def end(account: Account, run_main: RunMain) -> EndKey:
    assert account
    return partial(run_main, end_key.main)


def failure(done: CompletedProcess[str]) -> str:
    """Return the error message of a failed command."""
    assert done.returncode == 1
    return done.stderr


def refuse(account: Account, **codes: str) -> None:
    """Answer calls of the given operations with errors of these codes."""

    def fails(operation: str) -> None:
        if operation in codes:
            raise ClientError({"Error": {"Code": codes[operation]}}, operation)

    account.fails = fails


def test_the_key_is_refused_and_the_other_still_accepted(account: Account, end: EndKey) -> None:
    before = account.live
    done = end(STACK, fingerprint(LEAKED))
    assert (done.returncode, done.stderr) == (0, "")
    assert (account.status(LEAKED), account.status(OTHER)) == (401, 400)
    changed = {name: value for name, value in account.live.items() if before[name] != value}
    assert re.fullmatch("[0-9a-f]{16}", changed.pop("Configuration"))
    assert changed == {
        "KeyFingerprints": fingerprint(OTHER),
        "EndedFingerprints": fingerprint(LEAKED),
        "Deployment": "AllAtOnce",
        "ReleaseAlarms": "Off",
    }
    assert f"Accepted: {fingerprint(OTHER)}." in done.stdout
    assert f"Delete {fingerprint(LEAKED)} from samconfig.toml" in done.stdout
    assert LEAKED not in done.stdout


def test_the_update_sets_variables_of_each_function_and_nothing_else_of_this_template(account: Account) -> None:
    """The change set is made from the real template. The update publishes every function, and no alarm can stop it."""
    ended = {"KeyFingerprints": fingerprint(OTHER), "EndedFingerprints": fingerprint(LEAKED), "Configuration": "1" * 16}
    after = account.template.with_parameters(**ended, **end_key.AT_ONCE)
    found = changes(account.template, after)
    assert [each for each in found if not end_key.is_expected(each)] == []
    changed = {each["LogicalResourceId"] for each in found}
    assert changed >= account.template.resources(FUNCTION).keys()
    assert changed >= account.template.resources("AWS::Lambda::Version").keys()
    assert {group["AlarmConfiguration"].get("Enabled", False) for group in after.of(GROUP).values()} == {False}


@pytest.mark.parametrize(
    "unexpected",
    [
        change("Modify", "DataRole", "AWS::IAM::Role", detail("Policies", "DirectModification")),
        change("Modify", "OutcomesTable", TABLE, detail("TableName", "ResourceReference"), replacement="True"),
        change("Remove", "OutcomesTable", TABLE),
        change("Add", "OutcomesTable", TABLE),
        change(
            "Modify", "A", FUNCTION, detail("Environment", "ParameterReference"), detail("Code", "DirectModification")
        ),
        change("Modify", "A", FUNCTION, detail("Tags", "DirectModification")),
        change("Modify", "A", FUNCTION),  # without details
        change("Remove", "A", FUNCTION),
        change("Modify", "Api", "AWS::ApiGateway::RestApi", detail("Body", "DirectModification")),
        change("Modify", "Stage", STAGE, detail("MethodSettings", "ParameterReference")),
        change("Remove", "AGroup", GROUP),
        change("Add", "CommonLayerb2", "AWS::Lambda::LayerVersion"),
    ],
)
def test_an_update_that_would_change_more_is_refused(account: Account, end: EndKey, unexpected: Any) -> None:
    account.also = [unexpected]
    error = failure(end(STACK, fingerprint(LEAKED)))
    assert f"not updated: this would also {unexpected['Action']} {unexpected['LogicalResourceId']}." in error
    assert error.splitlines()[-1] in RUNBOOK
    assert account.change_sets == {}
    assert account.status(LEAKED) == 400


def test_a_refused_update_says_which_environment_ends_the_secret(
    account: Account, end: EndKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = {"prod": {"stack_name": "a"}, "dev": {"stack_name": STACK}}
    monkeypatch.setattr(configuration, "environments", lambda _samconfig: there)
    account.also = [change("Remove", "A", FUNCTION)]
    said = failure(end(STACK, "--previous-secret")).splitlines()[-1]
    assert said == "make deploy ENV=dev    # with Deployment=AllAtOnce, and SessionSecretOverlapDays=0"


def test_a_change_set_that_cannot_be_made_gives_cloudformations_reason(
    account: Account, end: EndKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    reason = {"Status": "FAILED", "StatusReason": "A gradual Deployment needs Monitoring"}
    monkeypatch.setattr(account, "change_set", lambda _query: reason)
    assert "error: A gradual Deployment needs Monitoring\n" in failure(end(STACK, fingerprint(LEAKED)))
    assert account.change_sets == {}


def test_a_running_deployment_is_cancelled_and_waited_for(account: Account, end: EndKey) -> None:
    before = account.live
    account.parameters = before | {"KeyFingerprints": fingerprint(LEAKED), "LogRetentionDays": "90"}
    account.statuses = ["UPDATE_IN_PROGRESS"]
    done = end(STACK, fingerprint(LEAKED))
    assert done.returncode == 0
    assert account.calls.count("CancelUpdateStack") == 1
    assert account.live["KeyFingerprints"] == fingerprint(OTHER)
    assert account.live["LogRetentionDays"] == before["LogRetentionDays"]
    assert f"{STACK} is UPDATE_ROLLBACK_IN_PROGRESS: waiting." in done.stdout


def test_an_update_that_ends_before_it_can_be_cancelled_is_waited_for(account: Account, end: EndKey) -> None:
    def too_late(operation: str) -> None:
        if operation == "CancelUpdateStack":
            account.statuses = ["UPDATE_COMPLETE"]
            raise ClientError({"Error": {"Code": "ValidationError"}}, operation)

    account.statuses, account.fails = ["UPDATE_IN_PROGRESS"], too_late
    assert end(STACK, fingerprint(LEAKED)).returncode == 0
    assert account.status(LEAKED) == 401


@pytest.mark.parametrize(
    ("operation", "options"),
    [("CancelUpdateStack", []), ("PutFunctionConcurrency", ["--now"]), ("DescribeStacks", []), ("GetFunction", [])],
)
def test_a_call_that_aws_refuses_is_an_error_and_shuts_nothing(
    account: Account, end: EndKey, operation: str, options: list[str]
) -> None:
    account.statuses = ["UPDATE_IN_PROGRESS"]
    refuse(account, **{operation: "AccessDenied"})
    error = failure(end(STACK, fingerprint(LEAKED), *options))
    assert f"(AccessDenied) when calling the {operation}" in error
    assert "Nobody gets in" not in error


def test_a_second_call_waits_for_the_first_and_cancels_nothing(account: Account, end: EndKey) -> None:
    assert end(STACK, fingerprint(LEAKED)).returncode == 0
    account.statuses = ["UPDATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "UPDATE_COMPLETE"]
    account.calls.clear()
    done = end(STACK, fingerprint(LEAKED))
    assert (done.returncode, done.stderr) == (0, "")
    assert not {"CancelUpdateStack", "CreateChangeSet"} & set(account.calls)
    assert f"{STACK} is UPDATE_IN_PROGRESS: waiting.\n{STACK} refuses the key." in done.stdout


def test_a_failed_update_is_an_error_and_is_made_again_under_another_configuration(
    account: Account, end: EndKey
) -> None:
    account.ends = "UPDATE_ROLLBACK_COMPLETE"
    made: list[str] = []
    account.meanwhile = [lambda: made.append(account.parameters["Configuration"])] * 4
    error = failure(end(STACK, fingerprint(LEAKED)))
    assert "the update failed: outcomes-prod is UPDATE_ROLLBACK_COMPLETE." in error
    assert account.status(LEAKED) == 400
    account.ends = "UPDATE_COMPLETE"
    with patch("ops.configuration.secrets.token_hex", lambda size: "ab" * size):
        assert end(STACK, fingerprint(LEAKED)).returncode == 0
    assert account.status(LEAKED) == 401
    assert account.live["Configuration"] == made[-1][:12] + "abab"


@pytest.mark.parametrize("status", ["UPDATE_ROLLBACK_FAILED", "UPDATE_FAILED"])
def test_an_update_has_succeeded_only_if_the_stack_says_so(account: Account, end: EndKey, status: str) -> None:
    """While a rollback has failed, the stack's parameters may still be those of the update."""

    def new_parameters_stay() -> None:
        if account.statuses[0] == "UPDATE_IN_PROGRESS":
            account.live = account.parameters

    account.ends, account.meanwhile = status, [new_parameters_stay] * 9
    error = failure(end(STACK, fingerprint(LEAKED), "--now"))
    assert f"the update failed: {STACK} is {status}." in error
    assert account.concurrency == 0


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ClientError({"Error": {"Code": "Throttling"}}, "")])
def test_a_change_set_that_cannot_be_deleted_hides_no_error(
    account: Account, end: EndKey, error: BaseException
) -> None:
    """CloudFormation does not delete a change set that it is still making."""
    refuse(account, DeleteChangeSet="InvalidChangeSetStatus")
    refused = account.fails

    def fails(operation: str) -> None:
        if operation == "DescribeChangeSet":
            raise error
        refused(operation)

    account.fails = fails
    done = end(STACK, fingerprint(LEAKED))
    assert done.returncode == (130 if isinstance(error, KeyboardInterrupt) else 1)
    assert "InvalidChangeSetStatus" not in done.stderr


def test_the_commands_that_it_prints_run_where_the_stack_is(
    account: Account, end: EndKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = {"stack_name": STACK, "region": "eu-west-3"}
    monkeypatch.setattr(end_key, "environment_of", lambda *_: ("prod", there))
    account.statuses = ["UPDATE_ROLLBACK_FAILED"]
    said = failure(end(STACK, fingerprint(LEAKED), "--now")).splitlines()
    assert said[1].endswith(f" --stack-name {STACK} --region eu-west-3")
    assert said[-1].endswith(f" --function-name {AUTHORIZER} --region eu-west-3")


@pytest.mark.parametrize("options", [(), ("--now",), ("--now", "--previous-secret")])
def test_a_stack_that_cannot_be_updated_yet_gets_the_runbooks_line(
    account: Account, end: EndKey, options: tuple[str, ...]
) -> None:
    account.statuses = ["UPDATE_ROLLBACK_FAILED"]
    ended = "" if "--previous-secret" in options else fingerprint(LEAKED)
    said = failure(end(STACK, ended, *options)).splitlines()
    assert said[0].endswith("is UPDATE_ROLLBACK_FAILED. First run this:")
    assert said[1].replace(STACK, "$stack") in RUNBOOK
    assert account.concurrency == (0 if options else None)
    opens = f"aws lambda delete-function-concurrency --function-name {AUTHORIZER}"
    assert (said[-1] == opens) == bool(options)
    assert not {"CreateChangeSet", "CancelUpdateStack"} & set(account.calls)


@pytest.mark.parametrize(
    ("status", "says"),
    [
        *((status, ", and cannot be updated") for status in ("ROLLBACK_COMPLETE", "DELETE_FAILED", "UPDATE_FAILED")),
        ("REVIEW_IN_PROGRESS", "is REVIEW_IN_PROGRESS, and cannot be updated"),
        ("UPDATE_IN_PROGRESS", f"{STACK} is still UPDATE_IN_PROGRESS"),
    ],
)
def test_a_stack_that_cannot_be_updated_at_all_or_never_settles_is_an_error(
    account: Account, end: EndKey, monkeypatch: pytest.MonkeyPatch, status: str, says: str
) -> None:
    monkeypatch.setattr(end_key, "PATIENCE_SECONDS", -1)
    account.statuses = [status]
    assert says in failure(end(STACK, fingerprint(LEAKED)))


# ── NOW=1 ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("earlier", [None, 7])
@pytest.mark.parametrize("status", ["UPDATE_COMPLETE", "UPDATE_IN_PROGRESS"])
def test_with_now_nobody_gets_in_until_the_update_has_succeeded(
    account: Account, end: EndKey, monkeypatch: pytest.MonkeyPatch, earlier: int | None, status: str
) -> None:
    account.concurrency, account.statuses = earlier, [status]
    seen: list[int] = []
    account.meanwhile = [lambda: None, *[lambda: seen.append(account.status(OTHER))] * 4]
    monkeypatch.setenv("INTERNAL_API_KEY", LEAKED)
    done = end(STACK, fingerprint(LEAKED), "--now")
    assert (done.returncode, done.stderr) == (0, "")
    assert seen == [500] * 4
    assert (account.concurrency, account.status(OTHER), account.status(LEAKED)) == (earlier, 400, 401)
    first = account.calls.index("PutFunctionConcurrency")
    assert {*account.calls[:first]} == {"DescribeStacks", "DescribeStackResource", "GetFunction", "TagResource"}
    assert "Nobody gets in." in done.stdout
    assert "Tried: the API refuses" in done.stdout


EXPIRED = ClientError({"Error": {"Code": "ExpiredToken"}}, "")


@pytest.mark.parametrize("error", [KeyboardInterrupt(), EXPIRED])
def test_however_it_ends_before_nobody_gets_in_and_the_last_line_lets_everybody_in(
    account: Account, end: EndKey, error: BaseException
) -> None:
    """Each call to AWS fails once. The next call of the command succeeds, and gives the earlier concurrency back."""
    account.concurrency, start = 7, account.live
    opens = f"put-function-concurrency --reserved-concurrent-executions 7 --function-name {AUTHORIZER}"
    for place in range(1, 100):
        account.parameters = account.live = start
        account.calls.clear()

        def fails(_operation: str, place: int = place) -> None:
            if len(account.calls) == place:
                raise error

        account.fails = fails
        done = end(STACK, fingerprint(LEAKED), "--now")
        account.fails = lambda _operation: None
        if len(account.calls) < place:  # all calls have failed once
            break
        if done.returncode == 0:  # a call that may fail, as it is made again and again
            assert (account.concurrency, account.status(LEAKED), account.status(OTHER)) == (7, 401, 400), account.calls
            continue
        assert (account.concurrency, account.status(OTHER)) in [(0, 500), (7, 400)]
        # AWS may have done what an interrupted call asked for.
        may_be_shut = account.calls[-1] == "PutFunctionConcurrency" and error is not EXPIRED
        is_told = done.stderr.splitlines()[-1] == f"aws lambda {opens}"
        assert is_told == (account.concurrency == 0 or may_be_shut), account.calls
        assert "un the command again: it goes on." in done.stderr
        again = end(STACK, fingerprint(LEAKED), "--now")
        assert (again.returncode, again.stderr) == (0, ""), account.calls
        assert (account.concurrency, account.status(LEAKED), account.status(OTHER)) == (7, 401, 400), account.calls
    assert {"ExecuteChangeSet", "PutFunctionConcurrency", "CreateChangeSet"} < set(account.calls)
    assert place > 20


def test_it_is_shut_as_soon_as_lambda_has_updated_the_function(account: Account, end: EndKey) -> None:
    def conflict(operation: str) -> None:
        if operation == "PutFunctionConcurrency" and account.calls.count(operation) < 3:
            raise aws_client("lambda").exceptions.ResourceConflictException({}, operation)

    account.fails, account.ends = conflict, "UPDATE_ROLLBACK_COMPLETE"
    failure(end(STACK, fingerprint(LEAKED), "--now"))
    assert account.status(LEAKED) == 500
    assert account.calls.count("sleep 1") == 2


def test_a_colleague_who_lets_everybody_in_does_not_open_it_for_another_key(account: Account, end: EndKey) -> None:
    def opened() -> None:
        account.concurrency = None

    seen: list[int] = []
    account.concurrency = 7
    account.statuses = ["CREATE_IN_PROGRESS", "CREATE_IN_PROGRESS", "CREATE_COMPLETE"]
    account.meanwhile = [lambda: None, opened, lambda: seen.append(account.status(LEAKED))]
    assert end(STACK, fingerprint(LEAKED), "--now").returncode == 0
    assert (seen, account.concurrency) == ([500], 7)


def test_a_call_without_now_goes_on_where_a_call_with_now_was_interrupted(account: Account, end: EndKey) -> None:
    account.concurrency, account.ends = 7, "UPDATE_ROLLBACK_COMPLETE"
    for options in (["--now"], []):
        error = failure(end(STACK, fingerprint(LEAKED), *options))
        assert (account.status(LEAKED), account.status(OTHER)) == (500, 500)
        opens = "aws lambda put-function-concurrency --reserved-concurrent-executions 7 "
        assert error.splitlines()[-1].startswith(opens)
    account.ends = "UPDATE_COMPLETE"
    assert end(STACK, fingerprint(LEAKED)).returncode == 0
    assert (account.concurrency, account.status(OTHER), account.status(LEAKED)) == (7, 400, 401)


def test_a_call_that_is_refused_still_tells_what_lets_callers_in(account: Account, end: EndKey) -> None:
    """If the update cannot be made, the operator deploys without the leaked key, and then repeats the command."""
    account.also = [change("Remove", "OutcomesTable", TABLE)]
    failure(end(STACK, fingerprint(LEAKED), "--now"))
    account.parameters = account.live = account.live | {"KeyFingerprints": fingerprint(OTHER)}
    for options in ((), ("--now",)):
        error = failure(end(STACK, fingerprint(LEAKED), *options))
        assert "the stack does not accept this key" in error
        assert error.splitlines()[-1].startswith("aws lambda delete-function-concurrency ")


# ── What cannot be ended ─────────────────────────────────────────────────────────────────────────────────────────────


LOOKS = ["DescribeStacks", "DescribeStackResource", "GetFunction"]
MALFORMED = "error: FINGERPRINT is what `make key` printed"


@pytest.mark.parametrize(
    ("arguments", "says", "calls"),
    [
        ([STACK, fingerprint("another key")], "the stack does not accept this key", LOOKS),
        ([STACK, fingerprint("another key"), "--now"], "the stack does not accept this key", LOOKS),
        *(
            ([STACK, text, "--now"], MALFORMED, [])
            for text in ("", LEAKED, fingerprint(LEAKED)[1:], fingerprint(LEAKED).upper(), "g" * 64)
        ),
        ([STACK, fingerprint(LEAKED), "--previous-secret", "--now"], "error: end either the key (FINGERPRINT) or", []),
        (["", fingerprint(LEAKED)], "STACK is missing", []),
        (["outcomes-other", fingerprint(LEAKED)], "Stack with id outcomes-other does not exist", ["DescribeStacks"]),
    ],
)
def test_wrong_arguments_change_nothing_and_a_key_is_not_printed(
    account: Account, end: EndKey, arguments: list[str], says: str, calls: list[str]
) -> None:
    error = failure(end(*arguments))
    assert says in error
    assert not arguments[1] or arguments[1] not in error
    assert account.calls == calls


def test_keys_are_ended_one_after_the_other_and_the_last_one_only_with_yes(account: Account, end: EndKey) -> None:
    earlier = [f"{number:064x}" for number in range(end_key.MAX_ENDED)]
    account.parameters = account.live = account.live | {"EndedFingerprints": ",".join(earlier)}
    assert end(STACK, fingerprint(LEAKED)).returncode == 0
    account.calls.clear()
    assert "it is the last key" in failure(end(STACK, fingerprint(OTHER), "--now"))
    assert account.calls == LOOKS
    assert "Accepted: no key." in end(STACK, fingerprint(OTHER), "--yes").stdout
    assert (account.live["KeyFingerprints"], account.status(OTHER)) == ("", 401)
    ended = account.live["EndedFingerprints"].split(",")
    assert ended == [*earlier[2:], fingerprint(LEAKED), fingerprint(OTHER)]


def test_the_previous_session_secret_is_ended_once(account: Account, end: EndKey) -> None:
    for _ in range(2):
        done = end(STACK, "--previous-secret")
        assert (done.returncode, done.stderr) == (0, "")
        assert "    SessionSecretOverlapDays=0    #" in done.stdout
    assert account.live["SessionSecretOverlapDays"] == "0"
    assert account.calls.count("ExecuteChangeSet") == 1
    assert account.status(LEAKED) == 400


# ── The trial ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("key", "why"), [("", "not set"), (OTHER, "another key")])
def test_no_other_key_is_tried(end: EndKey, monkeypatch: pytest.MonkeyPatch, key: str, why: str) -> None:
    monkeypatch.setenv("INTERNAL_API_KEY", key)
    monkeypatch.setattr("ops.end_key.httpx.post", None)
    assert f"Not tried: INTERNAL_API_KEY is {why}." in end(STACK, fingerprint(LEAKED)).stdout


def test_three_calls_in_a_row_must_be_refused(end: EndKey, monkeypatch: pytest.MonkeyPatch) -> None:
    statuses = [401, 500, 401, 401, 400, 401, 401, 401]
    monkeypatch.setenv("INTERNAL_API_KEY", LEAKED)
    monkeypatch.setattr("ops.end_key.httpx.post", lambda *_, **__: httpx.Response(statuses.pop(0)))
    assert "Tried: the API refuses" in end(STACK, fingerprint(LEAKED)).stdout
    assert statuses == []


def unreachable() -> httpx.Response:
    raise httpx.ConnectError("Name or service not known")


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda: httpx.Response(400), "the API still answers 400 to the ended key"),
        (lambda: httpx.Response(500), "the API still answers 500 to the ended key"),
        (unreachable, "error: Name or service not known\nFix this"),
    ],
)
def test_a_key_that_is_still_accepted_or_an_api_that_cannot_be_reached_is_a_failure(
    account: Account, end: EndKey, monkeypatch: pytest.MonkeyPatch, answer: Callable[[], httpx.Response], says: str
) -> None:
    monkeypatch.setenv("INTERNAL_API_KEY", LEAKED)
    monkeypatch.setattr("ops.end_key.httpx.post", lambda *_, **__: answer())
    monkeypatch.setattr(end_key, "TRIAL_SECONDS", -1)
    assert says in failure(end(STACK, fingerprint(LEAKED)))
    assert account.live["EndedFingerprints"] == fingerprint(LEAKED)


def test_the_runbook_and_the_role_of_deployments_have_the_required_rights(
    account: Account, end: EndKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INTERNAL_API_KEY", LEAKED)
    account.statuses, account.concurrency = ["UPDATE_IN_PROGRESS"], 7
    assert end(STACK, fingerprint(LEAKED), "--now").returncode == 0
    account.also, account.concurrency = [change("Remove", "OutcomesTable", TABLE)], None
    assert end(STACK, fingerprint(OTHER), "--now", "--yes").returncode == 1
    account.also = []
    assert end(STACK, fingerprint(OTHER), "--now", "--yes").returncode == 0
    [said] = re.findall(r"`make end-key` needs the permissions (.*?)\n\n", RUNBOOK, re.DOTALL)
    named = {name.rpartition(":")[2] for name in re.findall(r"`([A-Za-z:]+)`", said)}
    called = {name for name in account.calls if not name.startswith("sleep")}
    assert called == named - {"ListTags"}  # without it, GetFunction returns no tags
    role = (ROOT / "docs/examples/deploy-role.json").read_text()
    allowed = re.findall(r'"(?:cloudformation|lambda|apigateway):([\w*]+)"', role)
    assert [name for name in named if not any(fnmatchcase(name, pattern) for pattern in allowed)] == []
