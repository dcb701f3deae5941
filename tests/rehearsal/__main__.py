"""Rehearse the life of a stack with the real build, on an emulator of AWS: python -m tests.rehearsal.

Each step is a command of operators. After it, the smoke test passes, and every row is still there. Then every function
starts under AWS's own runtime client.
"""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import httpx
import yaml
from outcomes.auth.keys import fingerprint

from ops.command import exit_code, positional
from ops.configuration import deploy_settings
from ops.errors import StackError
from ops.stacks import describe_stack, outputs
from ops.template import capability_names, pairs, parse_yaml
from tests.proof import FOLDER as PROOF
from tests.rehearsal import starts
from tests.rehearsal.emulator import CLONE, FOLDER, ROOT, Emulator, running
from tests.rehearsal.lacks import LACKS, adapt
from tests.template.conftest import ORIGINS, deploy

ENV = "core"
KEYS = [f"rehearsal-{letter * 40}" for letter in "ab"]
PARAMETERS = parse_yaml((ROOT / "template.yaml").read_text())["Parameters"]
OWN = {".aws-sam", ".git", ".rehearsal", "samconfig.toml"}
GIVEN = {
    "DashboardOrigins": ORIGINS,
    "KeyFingerprints": ",".join(map(fingerprint, KEYS)),
    # The smoke test exceeds the burst limit of batches. Each call at once starts a process of the emulator.
    "BatchThrottle": "10,1",
}
OTHERS = {
    "EventBusName": "default",
    "WebhookUrl": "https://hooks.example.invalid/outcomes",
    "AlarmEmail": "oncall@example.com",
    "Monitoring": "Full",
    "Tracing": "Active",
    "HostDashboard": "true",
    "FirewallRequests": "100000",
}
"""The parameters of the largest stack, besides the capabilities."""
WITH = {"Watches": {"EventBusName": OTHERS["EventBusName"]}}
"""The parameters that a capability needs, too: AWS refuses it without, by a rule that the emulator ignores."""
MANY = 100
"""Calls at once of a smoke test. They take half a minute, so most steps do without."""
HEAR_SECONDS = 120
NO_BUS = {"EventBusName": "no-such-bus"}
"""A mistake that CloudFormation only notices in the middle of an update."""
# The emulator's change sets lack what `transforming the previous template again` in LACKS says.
END_KEY = """
import sys
from ops import end_key
end_key.MAY_CHANGE["AWS::ApiGateway::Deployment"].add("Modify")
sys.exit(end_key.main())
"""


def main() -> int:
    return exit_code(rehearse, if_interrupted="Interrupted.")


def rehearse() -> None:
    """Rehearse all steps. Raises StackError, which says what failed."""
    positional()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the emulator ends, too
    starts.check_namespaces()
    print("What the emulator lacks, and which tests check it instead:")
    for lack in LACKS:
        print(f"  {lack.what}: {lack.reason}{lack.instead and f' ({lack.instead})'}")
    make_clone()
    with running() as emulator:
        rehearsal = Rehearsal(emulator)
        rehearsal.whole_life()
    tests = sorted({lack.instead for lack in LACKS if lack.instead})
    if subprocess.run([sys.executable, "-m", "pytest", "-q", "--numprocesses", "2", *tests], cwd=ROOT).returncode:
        raise StackError("what the emulator lacks is wrong in the template: see above")
    figures = {"steps": rehearsal.steps, "functions": len(starts.events("", "", {}))}
    PROOF.mkdir(exist_ok=True)
    (PROOF / "rehearse.json").write_text(json.dumps(figures))
    print("Every step is rehearsed.")


def make_clone() -> None:
    """Make the folder in which the commands run, from the build that the Makefile has put into it."""
    for file in ROOT.iterdir():
        if file.name not in OWN:
            (CLONE / file.name).symlink_to(file)
    built = CLONE / ".aws-sam/build/template.yaml"
    built.write_text(yaml.safe_dump(adapt(parse_yaml(built.read_text())), sort_keys=False, width=10**6))


class Rehearsal:
    """Changes a stack step by step. rows: how many rows each table has. parameters: those of the stack."""

    def __init__(self, emulator: Emulator) -> None:
        self.emulator = emulator
        self.settings: dict[str, Any] = dict(deploy_settings(ROOT / "samconfig.toml", ENV))
        self.stack = self.settings["stack_name"]
        self.core = GIVEN | pairs(self.settings["parameter_overrides"])
        self.parameters = dict(self.core)
        self.rows: dict[str, int] = {}
        self.steps = 0
        self.not_lacked = {lack.check for lack in LACKS if lack.check}

    def whole_life(self) -> None:
        self.step("core", self.deploy, calls=MANY)
        for name in capability_names(PARAMETERS):
            self.step(f"{name} is switched on", self.deploy, {name: "On"} | WITH.get(name, {}))
        self.step("everything is on", self.deploy, OTHERS, calls=MANY)
        self.say("  an event reaches the webhook's function", self.hear)
        self.start_all()
        self.step("an update fails and rolls back", self.roll_back)
        self.step("the deployment is repeated", self.deploy)
        self.step("the deployment is repeated without a change", self.deploy)
        self.step("a key is ended", self.end_key)
        defaults = {name: PARAMETERS[name]["Default"] for name in OTHERS}
        self.step("everything is off", self.deploy, defaults | self.core | {"KeyFingerprints": fingerprint(KEYS[0])})
        self.say("the stack is deleted", self.delete)
        self.stack = f"{self.stack}-2"
        self.step("a new stack beside what is left", self.deploy, calls=MANY)
        if self.not_lacked:
            raise StackError(f"the emulator no longer lacks what fails these checks: {', '.join(self.not_lacked)}")

    def step(self, what: str, act: Callable[..., None], changes: dict[str, str] | None = None, calls: int = 0) -> None:
        """Do something, then check the rows, try the smoke test, check the rows again, and record one more outcome."""
        self.steps += 1
        self.say(what, lambda: act(**changes or {}))
        self.compare_rows(f"after: {what}")
        self.say("  smoke test", lambda: self.smoke(calls))
        self.compare_rows(f"after the smoke test, {what}")
        answer = self.post({"outcomeType": "deal_closed", "title": what, "userId": 42})
        if answer.status_code != 200:
            raise StackError(f"an outcome is not recorded: {answer.status_code} {answer.text}")
        self.rows[outputs(self.described)["OutcomesTableName"]] += 1
        self.compare_rows(f"after recording, {what}")

    def say(self, what: str, act: Callable[[], None]) -> None:
        """Print what is done, and how long it takes."""
        print(f"{what} ...", end=" ", flush=True)
        began = time.monotonic()
        act()
        print(f"{time.monotonic() - began:.0f} s", flush=True)

    # ── Steps ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def deploy(self, refused: str | None = None, **changes: str) -> None:
        """Deploy as operators do, with a samconfig.toml of our own."""
        self.parameters |= changes
        answers = [f"{name}={value or '""'}" for name, value in self.parameters.items()]
        settings = self.settings | {"stack_name": self.stack, "parameter_overrides": answers}
        lines = [f"{name} = {json.dumps(value)}" for name, value in settings.items()]
        text = "\n".join(["version = 0.1", f"[{ENV}.deploy.parameters]", *lines, ""])
        (CLONE / "samconfig.toml").write_text(text)
        self.emulator.make("deploy", f"ENV={ENV}", "BUILT=1", refused=refused)
        self.complete()

    def roll_back(self) -> None:
        present = self.parameters.copy()
        self.deploy(**NO_BUS, refused="UPDATE_ROLLBACK_COMPLETE")
        if (status := self.described["StackStatus"]) != "UPDATE_ROLLBACK_COMPLETE":
            raise StackError(f"the stack is {status} after an update that failed")
        self.parameters = present

    def end_key(self) -> None:
        self.emulator.run([sys.executable, "-c", END_KEY, self.stack, fingerprint(KEYS[1])])
        self.complete()
        answers = [self.post(None, key).status_code for key in KEYS]
        if answers != [400, 401]:
            raise StackError(f"the valid and the ended key are answered with {answers}")
        self.deploy(refused="`make end-key` has ended this key for good")
        self.parameters["KeyFingerprints"] = fingerprint(KEYS[0])

    def delete(self) -> None:
        aws = self.emulator.client("cloudformation")
        aws.delete_stack(StackName=self.stack)
        aws.get_waiter("stack_delete_complete").wait(StackName=self.stack, WaiterConfig={"Delay": 1})
        self.compare_rows("after the deletion")

    def smoke(self, calls: int) -> None:
        """Run the smoke test. Raises StackError if a check fails that the emulator can pass."""
        origin = ORIGINS.partition(",")[0]
        settings = [f"URL={self.url}", f"STACK={self.stack}", f"KEY={KEYS[0]}", f"ORIGIN={origin}", f"CALLS={calls}"]
        # The smoke test would wait for lines of the access log, but not if there is no log.
        logs, group = self.emulator.client("logs"), self.physical("AccessLogs")
        logs.delete_log_group(logGroupName=group)
        try:
            said = self.emulator.make("smoke", *settings, refused="passed, ")
        finally:
            logs.create_log_group(logGroupName=group)
        failed = {line[6:].partition(":")[0] for line in said.splitlines() if line.startswith("FAIL  ")}
        if wrong := failed - {lack.check for lack in LACKS}:
            raise StackError(f"the smoke test fails: {', '.join(wrong)}")
        if "ok    nothing is left behind" not in said:
            raise StackError("the smoke test has left something behind")
        self.not_lacked -= failed

    def hear(self) -> None:
        """Wait until an event came by stream, bus, rule and queue to the function that posts it, to a host that is not.

        Raises StackError if it does not come.
        """
        logs, group = self.emulator.client("logs"), self.physical("FunctionLogs")
        until, said = time.monotonic() + HEAR_SECONDS, ""
        while '"reason":"no_connection"' not in said:
            if time.monotonic() > until:
                raise StackError(f"no event was posted within {HEAR_SECONDS} s: {said or 'nothing was tried'}")
            time.sleep(1)
            found = logs.filter_log_events(logGroupName=group, filterPattern='"Webhook not delivered"')["events"]
            said = "".join(each["message"] for each in found)

    def start_all(self) -> None:
        """Start each function of the stack with its own variables."""
        tables = outputs(self.described)
        recorded = self.post({"outcomeType": "deal_closed", "title": "Started", "userId": starts.USER})
        outcome = recorded.headers["outcome-id"]
        rows = self.emulator.client("dynamodb").scan(TableName=tables["OutcomesTableName"])["Items"]
        [image] = [row for row in rows if row["created_at"]["S"].endswith(outcome)]
        given = starts.events(KEYS[0], outcome, image)
        for name, (event, part) in given.items():
            self.say(f"  {name} starts on a read-only root", partial(self.start, name, event, part))
        self.rows = self.counted()

    def start(self, name: str, event: dict[str, Any], part: str) -> None:
        """Start a function. Raises StackError if its answer does not contain `part`."""
        function = self.physical(f"{name}Function")
        found = self.emulator.client("lambda").get_function_configuration(FunctionName=function, Qualifier="live")
        variables = found["Environment"]["Variables"] | self.emulator.places
        try:
            answer = json.dumps(starts.start(starts.folders(FOLDER, CLONE / ".aws-sam/build", name), variables, event))
        except RuntimeError as error:
            raise StackError(f"{name} does not answer: {error}") from error
        if part not in answer:
            raise StackError(f"{name} answers without {part}: {answer[:500]}")

    # ── The stack ────────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def described(self) -> Any:
        return describe_stack(self.stack, self.emulator)

    @property
    def url(self) -> str:
        return f"{self.emulator.url}/restapis/{self.physical('OutcomesApi')}/v1/_user_request_/api/outcomes"

    def physical(self, name: str) -> str:
        aws = self.emulator.client("cloudformation")
        detail = aws.describe_stack_resource(StackName=self.stack, LogicalResourceId=name)["StackResourceDetail"]
        return str(detail["PhysicalResourceId"])

    def post(self, outcome: Any, key: str = KEYS[0]) -> httpx.Response:
        return httpx.post(self.url, json=outcome, headers={"Authorization": f"Bearer {key}"}, timeout=60)

    def complete(self) -> None:
        """Set the gateway responses, which the emulator leaves out (see LACKS)."""
        aws, api = self.emulator.client("apigateway"), self.physical("OutcomesApi")
        document = deploy(DashboardOrigins=ORIGINS).one("AWS::ApiGateway::RestApi")["Body"]
        for name, response in document["x-amazon-apigateway-gateway-responses"].items():
            aws.put_gateway_response(restApiId=api, responseType=name, **response)
        aws.create_deployment(restApiId=api, stageName="v1")

    def counted(self) -> dict[str, int]:
        aws = self.emulator.client("dynamodb")
        names = [name for page in aws.get_paginator("list_tables").paginate() for name in page["TableNames"]]
        return {name: aws.scan(TableName=name, Select="COUNT")["Count"] for name in names}

    def compare_rows(self, when: str) -> None:
        """Raise StackError if a table has other rows than before. A new table has none, and sums may be stored."""
        found = self.counted()
        for name in {*found, *self.rows}:
            before, now = self.rows.get(name, 0), found.get(name)
            if now is None or (now < before if "TotalsTable" in name else now != before):
                raise StackError(f"{name} has {now} rows {when}, and had {before}")
        self.rows = found


if __name__ == "__main__":
    sys.exit(main())
