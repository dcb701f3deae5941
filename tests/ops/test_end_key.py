"""`make end-key` against moto's Lambda and CodeDeploy, with the authorizer itself behind `invoke`."""

import io
import json
import re
import sys
import zipfile
from collections.abc import Callable, Iterator
from importlib.util import module_from_spec, spec_from_file_location
from typing import Any
from urllib.parse import parse_qs

import pytest
from botocore.awsrequest import AWSPreparedRequest
from botocore.client import BaseClient
from outcomes.auth.keys import fingerprint

from local.moto_backend import backend
from ops import end_key
from tests.aws import Answer, answering, aws_client, mock_aws
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

type EndKey = Callable[..., int]


def code(text: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(zipfile.ZipInfo("app.py"), text)  # of no time, so that the same text is the same code
    return file.getvalue()


class Account:
    """What moto does not know of an account with the stack, and short ways to what it does."""

    def __init__(self, template: Deployment, variables: dict[str, str]) -> None:
        self.resources = template.document["Resources"]
        self.functions = aws_client("lambda")
        self.codedeploy = aws_client("codedeploy")
        self.statuses = ["UPDATE_COMPLETE"]
        self.meanwhile: list[Callable[[], object]] = []
        """What happens in the account, one each time that the stack's status is asked for."""
        self.stopped: list[dict[str, Any]] = []
        self.answer: Answer | None = None
        """What the authorizer says, if not what it would."""
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
        """Begin a release in steps: a tenth of the calls goes to it."""
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
        """Return the configuration of the one version that answers calls."""
        alias = self.functions.get_alias(FunctionName=FUNCTION, Name="live")
        assert not alias.get("RoutingConfig", {}).get("AdditionalVersionWeights")
        return self.version(alias["FunctionVersion"])

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
            assert name in self.resources  # of the template, as SAM makes it
            told = f"<StackResourceDetail><PhysicalResourceId>{NAMES[name]}</PhysicalResourceId></StackResourceDetail>"
        else:
            if self.meanwhile:
                self.meanwhile.pop(0)()
            status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
            told = (
                f"<Stacks><member><StackName>{STACK}</StackName><StackStatus>{status}</StackStatus></member></Stacks>"
            )
        return 200, {}, f"<{action}Response><{action}Result>{told}</{action}Result></{action}Response>"

    def stop(self, request: AWSPreparedRequest) -> Answer:
        """Stop a deployment as CodeDeploy does."""
        body: Any = request.body
        self.stopped.append(json.loads(body))
        deployments = backend("codedeploy").deployments
        if self.stopped[-1]["deploymentId"] in deployments:
            deployments[self.stopped[-1]["deploymentId"]].status = "Stopped"
        return 200, {}, '{"status":"Succeeded"}'

    def invoke(self, request: AWSPreparedRequest) -> Answer:
        """Call the authorizer with the variables of the version that is live."""
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
            except Exception as error:  # noqa: BLE001 - as Lambda answers whatever it is
                told = {"errorMessage": str(error), "errorType": type(error).__name__}
                return 200, {"X-Amz-Function-Error": "Unhandled"}, json.dumps(told)


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    """Give an account with a stack that is deployed, and whose functions know two keys."""
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
def end(account: Account, monkeypatch: pytest.MonkeyPatch) -> EndKey:
    assert account

    def run(*arguments: str) -> int:
        monkeypatch.setattr(sys, "argv", ["end_key", *arguments])
        return end_key.main()

    return run


def known(configuration: Any) -> list[str]:
    return str(configuration["Environment"]["Variables"]["KEY_FINGERPRINTS"]).split(",")


@pytest.mark.parametrize(("tried", "said"), [(LEAKED, "refused"), (OTHER, "let in")])
def test_a_key_is_refused_and_the_other_let_in(
    account: Account,
    end: EndKey,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tried: str,
    said: str,
) -> None:
    monkeypatch.setenv("INTERNAL_API_KEY", tried)
    assert end(STACK, fingerprint(LEAKED)) == 0
    assert account.live()["Version"] == "2"
    assert known(account.live()) == [fingerprint(OTHER)]
    assert known(account.version("1")) == [fingerprint(LEAKED), fingerprint(OTHER)]
    told = capsys.readouterr().out
    assert f"the key in INTERNAL_API_KEY is {said}." in told
    assert f"    KeyFingerprints={fingerprint(OTHER)}\n" in told
    assert "Deployment=AllAtOnce" in told
    assert tried not in told


def test_what_else_functions_are_configured_with_stays(account: Account, end: EndKey) -> None:
    before = account.live()
    assert end(STACK, fingerprint(LEAKED)) == 0
    after = account.live()
    for name in ("CodeSha256", "Handler", "Layers", "MemorySize", "Role", "Runtime", "Timeout"):
        assert after[name] == before[name], name
    changed = after["Environment"]["Variables"].items() - before["Environment"]["Variables"].items()
    # The second has no part in the template: without it, the deployment that follows would have nothing to publish.
    assert {name for name, _ in changed} == {"KEY_FINGERPRINTS", end_key.MARK}
    assert end_key.MARK not in (ROOT / "template.yaml").read_text()


def test_a_release_under_way_is_stopped_and_nothing_of_it_published(account: Account, end: EndKey) -> None:
    deployment = account.release()
    assert end(STACK, fingerprint(LEAKED)) == 0
    assert account.stopped == [{"deploymentId": deployment, "autoRollbackEnabled": False}]
    live, before = account.live(), account.version("1")
    assert live["Version"] == "3"
    assert known(live) == [fingerprint(OTHER)]
    for name in ("CodeSha256", "Layers", "Timeout"):
        assert live[name] == before[name] != account.version("2")[name], name


def test_the_stack_s_own_way_back_does_not_bring_the_key_back(
    account: Account, end: EndKey, capsys: pytest.CaptureFixture[str]
) -> None:
    account.release()
    account.meanwhile = [lambda: account.move("1"), account.deployment, lambda: account.move("1", {"2": 0.1})]
    account.statuses += ["UPDATE_ROLLBACK_COMPLETE"] * 3
    assert end(STACK, fingerprint(LEAKED)) == 0
    assert known(account.live()) == [fingerprint(OTHER)]
    assert len(account.stopped) == 2
    assert not account.meanwhile
    assert "The stack is UPDATE_IN_PROGRESS: waiting" in capsys.readouterr().out


def test_a_stack_that_never_comes_to_rest_is_told(
    account: Account, end: EndKey, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(end_key, "PATIENCE_SECONDS", -1)
    account.statuses = ["UPDATE_IN_PROGRESS"]
    assert end(STACK, fingerprint(LEAKED)) == 1
    assert "still UPDATE_IN_PROGRESS, and may move the alias. Now it is at version 2." in capsys.readouterr().err
    assert known(account.live()) == [fingerprint(OTHER)]


def test_a_deployment_that_ends_by_itself_is_no_failure(
    account: Account, end: EndKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    account.release()
    stop = account.stop
    ended = '{"__type":"DeploymentAlreadyCompletedException","message":""}'
    monkeypatch.setattr(account, "stop", lambda request: (400, {}, ended) if stop(request) else None)
    assert end(STACK, fingerprint(LEAKED)) == 0


def test_a_key_that_is_not_let_in_changes_nothing(
    account: Account, end: EndKey, capsys: pytest.CaptureFixture[str]
) -> None:
    assert end(STACK, fingerprint("a key of another stack")) == 1
    assert "does not let that in: nothing was changed" in capsys.readouterr().err
    assert end(STACK, fingerprint(LEAKED)) == 0
    assert end(STACK, fingerprint(LEAKED)) == 1
    assert account.versions() == 2


@pytest.mark.parametrize("text", ["", LEAKED, fingerprint(LEAKED)[1:], fingerprint(LEAKED).upper(), "g" * 64])
def test_what_is_no_fingerprint_is_refused_and_never_repeated(
    account: Account, end: EndKey, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    assert end(STACK, text) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: FINGERPRINT is what `make key` printed")
    assert not text or text not in error
    assert account.versions() == 1


def test_the_last_key_ends_only_where_that_is_said(
    account: Account, end: EndKey, capsys: pytest.CaptureFixture[str]
) -> None:
    assert end(STACK, fingerprint(LEAKED)) == 0
    assert end(STACK, fingerprint(OTHER)) == 1
    assert "it is the last key" in capsys.readouterr().err
    assert known(account.live()) == [fingerprint(OTHER)]
    assert end(STACK, fingerprint(OTHER), "--yes") == 0
    assert known(account.live()) == [""]
    told = capsys.readouterr().out
    assert "Let in: no key." in told
    assert '    KeyFingerprints=""\n' in told


def test_a_key_that_is_still_let_in_is_a_failure(
    account: Account, end: EndKey, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("INTERNAL_API_KEY", LEAKED)
    account.answer = 200, {}, '{"context":{"caller":"key"}}'
    assert end(STACK, fingerprint(LEAKED)) == 1
    assert "is still let in" in capsys.readouterr().err
    account.answer = 200, {"X-Amz-Function-Error": "Unhandled"}, '{"errorMessage":"Task timed out"}'
    account.move("1")
    assert end(STACK, fingerprint(LEAKED)) == 1
    assert "the authorizer fails: Task timed out" in capsys.readouterr().err


def test_the_previous_session_secret_ends(account: Account, end: EndKey, capsys: pytest.CaptureFixture[str]) -> None:
    assert end(STACK, "--previous-secret") == 0
    variables = account.live()["Environment"]["Variables"]
    assert variables["SESSION_SECRET_OVERLAP_DAYS"] == "0"
    assert known(account.live()) == [fingerprint(LEAKED), fingerprint(OTHER)]
    assert "    SessionSecretOverlapDays=0\n" in capsys.readouterr().out
    assert end(STACK, "--previous-secret") == 1


def test_a_release_that_knows_no_overlap_is_told(
    account: Account, end: EndKey, capsys: pytest.CaptureFixture[str]
) -> None:
    variables = account.live()["Environment"]["Variables"]
    del variables["SESSION_SECRET_OVERLAP_DAYS"]
    account.functions.update_function_configuration(FunctionName=FUNCTION, Environment={"Variables": variables})
    account.move(account.functions.publish_version(FunctionName=FUNCTION)["Version"])
    assert end(STACK, "--previous-secret") == 1
    assert "Deploy a newer one" in capsys.readouterr().err


def test_the_runbook_names_the_rights_that_it_takes(
    account: Account, end: EndKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: set[str] = set()
    call: Any = vars(BaseClient)["_make_api_call"]

    def noted(client: Any, operation: str, given: Any) -> Any:
        called.add({"Invoke": "InvokeFunction"}.get(operation, operation))
        return call(client, operation, given)

    account.release()
    monkeypatch.setenv("INTERNAL_API_KEY", LEAKED)
    monkeypatch.setattr(BaseClient, "_make_api_call", noted)
    account.functions = None  # what this account does itself is not to be noted
    account.answer = 200, {}, '{"context":{"caller":"session"}}'
    assert end(STACK, fingerprint(LEAKED)) == 0
    page = (ROOT / "docs/runbook.md").read_text()
    [said] = re.findall(r"Its rights: (.*?)\n\n", page, re.DOTALL)
    named = {name.rpartition(":")[2] for name in re.findall(r"`([A-Za-z:]+)`", said)}
    # Lambda itself looks whether who configures a function may read its layer.
    assert called == named - {"GetLayerVersion"}


@pytest.mark.parametrize(("stack", "said"), [("", "which stack?"), ("another", "no stack")])
def test_without_its_stack_nothing_is_done(
    end: EndKey, capsys: pytest.CaptureFixture[str], stack: str, said: str
) -> None:
    assert end(stack, fingerprint(LEAKED)) == 1
    assert said in capsys.readouterr().err
