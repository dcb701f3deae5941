"""Test `make end-key` with moto's Lambda and CodeDeploy. Invoking the authorizer runs its real code."""

import io
import json
import re
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from importlib.util import module_from_spec, spec_from_file_location
from subprocess import CompletedProcess
from typing import Any
from urllib.parse import parse_qs

import pytest
from botocore.awsrequest import AWSPreparedRequest
from botocore.client import BaseClient
from outcomes.auth.keys import fingerprint

from local.moto_backend import backend
from ops import end_key
from tests.aws import Answer, answering, aws_client, mock_aws
from tests.conftest import RunMain
from tests.template.conftest import ROOT, Deployment, deploy

STACK = "outcomes-prod"
FUNCTION = f"{STACK}-AuthorizerFunction-a1b2c3"
APPLICATION, GROUP = f"{STACK}-ServerlessDeploymentApplication-d4", f"{STACK}-AuthorizerFunctionDeploymentGroup-e5"
NAMES = {
    "AuthorizerFunction": FUNCTION,
    "ServerlessDeploymentApplication": APPLICATION,
    "AuthorizerFunctionDeploymentGroup": GROUP,
}
LEAKED, OTHER = "ok_the-one-that-leaked", "ok_the-other"
ASSUMED = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}

type EndKey = Callable[..., CompletedProcess[str]]


def code(text: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        # A ZipInfo has a fixed time, so equal texts have equal digests.
        archive.writestr(zipfile.ZipInfo("app.py"), text)
    return file.getvalue()


class Account:
    """An AWS account with a deployed stack.

    It answers the calls that moto cannot answer, and has shortcuts for the tests' own calls.
    """

    def __init__(self, template: Deployment, variables: dict[str, str]) -> None:
        self.resources = template.document["Resources"]
        self.functions = aws_client("lambda")
        self.codedeploy = aws_client("codedeploy")
        self.statuses = ["UPDATE_COMPLETE"]
        self.meanwhile: list[Callable[[], object]] = []
        """One of these functions is called each time that the stack's status is read."""
        self.stopped: list[dict[str, Any]] = []
        self.answer: Answer | None = None
        """Replaces the authorizer's answer."""
        role = {"Version": "2012-10-17", "Statement": [ASSUMED]}
        made = aws_client("iam").create_role(RoleName="authorizer", AssumeRolePolicyDocument=json.dumps(role))
        layer = self.functions.publish_layer_version(LayerName="CommonLayer", Content={"ZipFile": code("layer 1")})
        self.functions.create_function(
            FunctionName=FUNCTION,
            Runtime="python3.13",
            Role=made["Role"]["Arn"],
            Handler="app.handler",
            Code={"ZipFile": code("release 1")},
            Layers=[layer["LayerVersionArn"]],
            Environment={"Variables": variables},
            MemorySize=1024,
            Timeout=5,
        )
        self.functions.publish_version(FunctionName=FUNCTION)
        self.functions.create_alias(FunctionName=FUNCTION, Name="live", FunctionVersion="1")
        self.codedeploy.create_application(applicationName=APPLICATION, computePlatform="Lambda")
        self.codedeploy.create_deployment_group(
            applicationName=APPLICATION, deploymentGroupName=GROUP, serviceRoleArn=made["Role"]["Arn"]
        )

    def release(self) -> str:
        """Start a gradual release, in which the new version gets a tenth of the calls."""
        layer = self.functions.publish_layer_version(LayerName="CommonLayer", Content={"ZipFile": code("layer 2")})
        self.functions.update_function_code(FunctionName=FUNCTION, ZipFile=code("release 2"))
        self.functions.update_function_configuration(
            FunctionName=FUNCTION, Layers=[layer["LayerVersionArn"]], Timeout=9
        )
        version = self.functions.publish_version(FunctionName=FUNCTION)["Version"]
        self.move("1", {version: 0.1})
        self.statuses = ["UPDATE_IN_PROGRESS", "UPDATE_ROLLBACK_IN_PROGRESS", "UPDATE_ROLLBACK_COMPLETE"]
        return self.deployment()

    def deployment(self) -> str:
        revision = {"revisionType": "AppSpecContent", "appSpecContent": {"content": "{}"}}
        made = self.codedeploy.create_deployment(
            applicationName=APPLICATION, deploymentGroupName=GROUP, revision=revision
        )
        return str(made["deploymentId"])

    def move(self, version: str, weights: dict[str, float] | None = None) -> None:
        self.functions.update_alias(
            FunctionName=FUNCTION,
            Name="live",
            FunctionVersion=version,
            RoutingConfig={"AdditionalVersionWeights": weights or {}},
        )

    def live(self) -> Any:
        """Return the configuration of the live version, and check that it gets all calls."""
        alias = self.functions.get_alias(FunctionName=FUNCTION, Name="live")
        assert not alias.get("RoutingConfig", {}).get("AdditionalVersionWeights")
        return self.version(alias["FunctionVersion"])

    def set(self, **variables: str | None) -> None:
        """Deploy the live version with other variables. None removes a variable."""
        changed = self.live()["Environment"]["Variables"] | variables
        kept = {name: value for name, value in changed.items() if value is not None}
        self.functions.update_function_configuration(FunctionName=FUNCTION, Environment={"Variables": kept})
        self.move(self.functions.publish_version(FunctionName=FUNCTION)["Version"])

    def version(self, version: str) -> Any:
        return self.functions.get_function_configuration(FunctionName=FUNCTION, Qualifier=version)

    def versions(self) -> int:
        return len(self.functions.list_versions_by_function(FunctionName=FUNCTION)["Versions"]) - 1

    def describe(self, request: AWSPreparedRequest) -> Answer:
        """Answer as CloudFormation does."""
        body: Any = request.body
        query = parse_qs(body)
        [action] = query["Action"]
        if query["StackName"] != [STACK]:
            return (
                400,
                {},
                "<ErrorResponse><Error><Code>ValidationError</Code><Message>no stack</Message></Error></ErrorResponse>",
            )
        if action == "DescribeStackResource":
            [name] = query["LogicalResourceId"]
            assert name in self.resources  # the resource exists in the template after SAM's transform
            answer = (
                f"<StackResourceDetail><PhysicalResourceId>{NAMES[name]}</PhysicalResourceId></StackResourceDetail>"
            )
        else:
            if self.meanwhile:
                self.meanwhile.pop(0)()
            status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
            answer = (
                f"<Stacks><member><StackName>{STACK}</StackName><StackStatus>{status}</StackStatus></member></Stacks>"
            )
        return 200, {}, f"<{action}Response><{action}Result>{answer}</{action}Result></{action}Response>"

    def stop(self, request: AWSPreparedRequest) -> Answer:
        """Stop a gradual release as CodeDeploy does."""
        body: Any = request.body
        self.stopped.append(json.loads(body))
        deployments = backend("codedeploy").deployments
        if self.stopped[-1]["deploymentId"] in deployments:
            deployments[self.stopped[-1]["deploymentId"]].status = "Stopped"
        return 200, {}, '{"status":"Succeeded"}'

    def invoke(self, request: AWSPreparedRequest) -> Answer:
        """Run the authorizer's code with the live version's environment variables."""
        body: Any = request.body
        if self.answer:
            return self.answer
        with pytest.MonkeyPatch.context() as environment:
            for name, value in self.live()["Environment"]["Variables"].items():
                environment.setenv(name, value)
            spec = spec_from_file_location("app", ROOT / "functions/authorizer/app.py")
            assert spec
            assert spec.loader
            app = module_from_spec(spec)
            spec.loader.exec_module(app)
            try:
                return 200, {}, json.dumps(app.handler(json.loads(body), None))
            except Exception as error:  # noqa: BLE001 - as Lambda does
                answer = {"errorMessage": str(error), "errorType": type(error).__name__}
                return 200, {"X-Amz-Function-Error": "Unhandled"}, json.dumps(answer)


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    """Return an account with a deployed stack. The stack accepts two keys."""
    template = deploy(KeyFingerprints=f"{fingerprint(LEAKED)},{fingerprint(OTHER)}")
    variables = template.of("AWS::Lambda::Function")["AuthorizerFunction"]["Environment"]["Variables"]
    with mock_aws():
        account = Account(template, variables)
        monkeypatch.setattr("ops.end_key.boto3.client", aws_client)
        monkeypatch.setattr("ops.end_key.time.sleep", lambda _seconds: None)
        monkeypatch.delenv("INTERNAL_API_KEY", raising=False)
        monkeypatch.setattr(end_key, "urlopen", lambda _url, **_: io.BytesIO(code("release 1")))
        with (
            answering("cloudformation", account.describe),
            answering("codedeploy.StopDeployment", account.stop),
            answering("lambda.Invoke", account.invoke),
        ):
            yield account


@pytest.fixture
def end(account: Account, run_main: RunMain) -> EndKey:
    assert account
    return partial(run_main, end_key.main)


def failure(done: CompletedProcess[str]) -> str:
    """Return the error message of a failed command."""
    assert done.returncode == 1
    return done.stderr


def known(configuration: Any) -> list[str]:
    return str(configuration["Environment"]["Variables"]["KEY_FINGERPRINTS"]).split(",")


@pytest.mark.parametrize(("tried", "result"), [(LEAKED, "refused"), (OTHER, "accepted")])
def test_the_key_is_refused_and_the_other_still_accepted(
    account: Account,
    end: EndKey,
    monkeypatch: pytest.MonkeyPatch,
    tried: str,
    result: str,
) -> None:
    monkeypatch.setenv("INTERNAL_API_KEY", tried)
    done = end(STACK, fingerprint(LEAKED))
    assert done.returncode == 0
    assert account.live()["Version"] == "2"
    assert known(account.live()) == [fingerprint(OTHER)]
    assert known(account.version("1")) == [fingerprint(LEAKED), fingerprint(OTHER)]
    assert f"the key in INTERNAL_API_KEY is {result}." in done.stdout
    assert f"    KeyFingerprints={fingerprint(OTHER)}\n" in done.stdout
    assert "Deployment=AllAtOnce" in done.stdout
    assert tried not in done.stdout


def test_the_rest_of_the_configuration_does_not_change(account: Account, end: EndKey) -> None:
    before = account.live()
    assert end(STACK, fingerprint(LEAKED)).returncode == 0
    after = account.live()
    for name in ("CodeSha256", "Handler", "Layers", "MemorySize", "Role", "Runtime", "Timeout"):
        assert after[name] == before[name], name
    changed = after["Environment"]["Variables"].items() - before["Environment"]["Variables"].items()
    # Only this command sets the variable MARK, so the next deployment differs and publishes a version.
    assert {name for name, _ in changed} == {"KEY_FINGERPRINTS", end_key.MARK}
    assert end_key.MARK not in (ROOT / "template.yaml").read_text()


def test_a_release_in_progress_is_stopped_and_not_published(account: Account, end: EndKey) -> None:
    deployment = account.release()
    assert end(STACK, fingerprint(LEAKED)).returncode == 0
    assert account.stopped == [{"deploymentId": deployment, "autoRollbackEnabled": False}]
    live, before = account.live(), account.version("1")
    assert live["Version"] == "3"
    assert known(live) == [fingerprint(OTHER)]
    for name in ("CodeSha256", "Layers", "Timeout"):
        assert live[name] == before[name] != account.version("2")[name], name


def test_a_rollback_of_the_stack_does_not_bring_the_key_back(account: Account, end: EndKey) -> None:
    account.release()
    account.meanwhile = [lambda: account.move("1"), account.deployment, lambda: account.move("1", {"2": 0.1})]
    account.statuses += ["UPDATE_ROLLBACK_COMPLETE"] * 3
    done = end(STACK, fingerprint(LEAKED))
    assert done.returncode == 0
    assert known(account.live()) == [fingerprint(OTHER)]
    assert len(account.stopped) == 2
    assert not account.meanwhile
    assert "The stack is UPDATE_IN_PROGRESS: waiting" in done.stdout


def test_an_interrupted_command_goes_on_when_it_is_repeated(
    account: Account, end: EndKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    account.release()
    with monkeypatch.context() as interrupted:
        interrupted.setattr(end_key, "PATIENCE_SECONDS", -1)
        assert end(STACK, fingerprint(LEAKED)).returncode == 1
    account.meanwhile = [lambda: account.move("1")]
    for _ in range(2):
        done = end(STACK, fingerprint(LEAKED))
        assert (done.returncode, account.live()["Version"], account.versions()) == (0, "3", 3), done.stderr
        assert known(account.live()) == [fingerprint(OTHER)]
        assert "refuses the key since version 3." in done.stdout


def test_a_stack_that_never_settles_is_an_error(account: Account, end: EndKey, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(end_key, "PATIENCE_SECONDS", -1)
    account.statuses = ["UPDATE_IN_PROGRESS"]
    done = end(STACK, fingerprint(LEAKED))
    assert done.returncode == 1
    assert "still UPDATE_IN_PROGRESS and may move the alias, now at version 2." in done.stderr
    assert known(account.live()) == [fingerprint(OTHER)]


def test_a_deployment_that_ends_by_itself_is_not_a_failure(
    account: Account, end: EndKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    account.release()
    stop = account.stop
    ended = '{"__type":"DeploymentAlreadyCompletedException","message":""}'
    monkeypatch.setattr(account, "stop", lambda request: (400, {}, ended) if stop(request) else None)
    assert end(STACK, fingerprint(LEAKED)).returncode == 0


def test_an_unknown_fingerprint_changes_nothing(account: Account, end: EndKey) -> None:
    unknown = fingerprint("a key of another stack")
    assert "does not accept it: nothing was changed" in failure(end(STACK, unknown))
    assert account.versions() == 1
    assert end(STACK, fingerprint(LEAKED)).returncode == 0
    assert "does not accept it: nothing was changed" in failure(end(STACK, unknown))
    assert account.versions() == 2


@pytest.mark.parametrize("text", ["", LEAKED, fingerprint(LEAKED)[1:], fingerprint(LEAKED).upper(), "g" * 64])
def test_a_malformed_fingerprint_is_refused_and_not_printed(account: Account, end: EndKey, text: str) -> None:
    error = failure(end(STACK, text))
    assert error.startswith("error: FINGERPRINT is what `make key` printed")
    assert not text or text not in error
    assert account.versions() == 1


def test_the_last_key_is_revoked_only_with_yes(account: Account, end: EndKey) -> None:
    assert end(STACK, fingerprint(LEAKED)).returncode == 0
    assert "it is the last key" in failure(end(STACK, fingerprint(OTHER)))
    assert known(account.live()) == [fingerprint(OTHER)]
    done = end(STACK, fingerprint(OTHER), "--yes")
    assert done.returncode == 0
    assert known(account.live()) == [""]
    assert "Accepted: no key." in done.stdout
    assert '    KeyFingerprints=""\n' in done.stdout


def test_a_key_that_is_still_accepted_is_a_failure(
    account: Account, end: EndKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INTERNAL_API_KEY", LEAKED)
    account.answer = 200, {}, '{"context":{"caller":"key"}}'
    assert "is still accepted" in failure(end(STACK, fingerprint(LEAKED)))
    account.answer = 200, {"X-Amz-Function-Error": "Unhandled"}, '{"errorMessage":"Task timed out"}'
    account.move("1")
    assert "the authorizer fails: Task timed out" in failure(end(STACK, fingerprint(LEAKED)))


def test_the_previous_session_secret_is_revoked_once(account: Account, end: EndKey) -> None:
    done = end(STACK, "--previous-secret")
    assert done.returncode == 0
    variables = account.live()["Environment"]["Variables"]
    assert variables["SESSION_SECRET_OVERLAP_DAYS"] == "0"
    assert known(account.live()) == [fingerprint(LEAKED), fingerprint(OTHER)]
    assert "    SessionSecretOverlapDays=0\n" in done.stdout
    # The next deployment has no MARK, and its parameter may be written so.
    account.set(SESSION_SECRET_OVERLAP_DAYS="0.0", ENDED_BY_HAND=None)
    assert "does not accept it" in failure(end(STACK, "--previous-secret"))


def test_a_release_without_a_previous_secret_is_an_error(account: Account, end: EndKey) -> None:
    account.set(SESSION_SECRET_OVERLAP_DAYS=None)
    assert "Deploy a newer one" in failure(end(STACK, "--previous-secret"))


def test_the_runbook_lists_the_required_rights(account: Account, end: EndKey, monkeypatch: pytest.MonkeyPatch) -> None:
    called: set[str] = set()
    call: Any = vars(BaseClient)["_make_api_call"]

    def noted(client: Any, operation: str, given: Any) -> Any:
        called.add({"Invoke": "InvokeFunction"}.get(operation, operation))
        return call(client, operation, given)

    account.release()
    monkeypatch.setenv("INTERNAL_API_KEY", LEAKED)
    monkeypatch.setattr(BaseClient, "_make_api_call", noted)
    account.functions = None  # without a client, the fake account cannot add its own calls to `called`
    account.answer = 200, {}, '{"context":{"caller":"session"}}'
    assert end(STACK, fingerprint(LEAKED)).returncode == 0
    page = (ROOT / "docs/runbook.md").read_text()
    [said] = re.findall(r"`make end-key` needs the permissions (.*?)\n\n", page, re.DOTALL)
    named = {name.rpartition(":")[2] for name in re.findall(r"`([A-Za-z:]+)`", said)}
    # Lambda requires the permission for GetLayerVersion, but the command does not call this operation.
    assert called == named - {"GetLayerVersion"}


@pytest.mark.parametrize(("stack", "says"), [("", "STACK is missing"), ("another", "no stack")])
def test_a_missing_stack_is_an_error(end: EndKey, stack: str, says: str) -> None:
    assert says in failure(end(stack, fingerprint(LEAKED)))
