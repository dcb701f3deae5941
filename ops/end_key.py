"""python -m ops.end_key STACK FINGERPRINT: refuse a leaked key at once, whatever the stack's alarms say.

A deployment would do it step by step, and not at all while an alarm is on. This publishes what is live once more,
without the key, and moves the alias there. With `--previous-secret` instead of a fingerprint, the previous session
secret ends.

By the rights of whoever calls it: docs/runbook.md names them. INTERNAL_API_KEY of the environment is tried afterwards.
"""

import argparse
import json
import os
import re
import sys
import time
from collections.abc import Callable
from typing import Any
from urllib.request import urlopen

import boto3
from botocore.exceptions import BotoCoreError, ClientError
from outcomes.auth.keys import fingerprint

from ops.errors import StackError

ALIAS = "live"
FINGERPRINTS, OVERLAP = "KEY_FINGERPRINTS", "SESSION_SECRET_OVERLAP_DAYS"
MARK = "ENDED_BY_HAND"
"""A variable that the template has not: the next deployment has to differ, as Lambda publishes nothing twice."""

MOVING = ["Created", "Queued", "InProgress", "Baking", "Ready"]
"""States of a deployment that may still move the alias."""

PAUSE_SECONDS = 5
PATIENCE_SECONDS = 3600

type Variables = dict[str, str]
type Change = Callable[[Variables], Variables | None]
"""Gives the variables without what shall end, or None where it is not there."""


def main() -> int:
    """End what is asked for, and return the exit code of the process."""
    parser = argparse.ArgumentParser(prog="make end-key")
    parser.add_argument("stack")
    parser.add_argument("fingerprint", nargs="?", default="")
    parser.add_argument("--previous-secret", action="store_true")
    parser.add_argument("--yes", action="store_true")
    given = parser.parse_args()
    try:
        if not given.stack:
            raise StackError("which stack? STACK=outcomes-prod")
        authorizer = Authorizer(given.stack)
        if given.previous_secret:
            end_previous_secret(authorizer)
        else:
            end_key(authorizer, given.fingerprint, os.environ.get("INTERNAL_API_KEY", ""), even_the_last=given.yes)
    except StackError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except (BotoCoreError, ClientError, OSError) as error:
        said = " ".join(str(error).split())
        print(f"error: {said}\nOnce that is mended, run it again: nothing is done twice.", file=sys.stderr)
        return 1
    return 0


def end_key(authorizer: "Authorizer", ended: str, key: str, *, even_the_last: bool) -> None:
    """Refuse the key with a fingerprint. key: one to try afterwards, or nothing.

    Raises StackError when there is no such key, when it is the last and that was not said, and when it is still let in.
    """
    if not re.fullmatch("[0-9a-f]{64}", ended):  # it is not repeated: it may be a key
        raise StackError(
            "FINGERPRINT is what `make key` printed beside the key, 64 digits from 0 to f, never the key itself."
        )

    def without(variables: Variables) -> Variables | None:
        known = variables[FINGERPRINTS].split(",")
        rest = [each for each in known if each != ended]
        if len(rest) == len(known):
            return None
        if not rest and not even_the_last:
            raise StackError(
                "it is the last key: the platform could not call at all. Add YES=1 to end it all the same."
            )
        return variables | {FINGERPRINTS: ",".join(rest)}

    version = authorizer.end(without, ended)
    rest = version["Environment"]["Variables"][FINGERPRINTS]
    print(f"{authorizer.stack} refuses it, by version {version['Version']}. Let in: {rest or 'no key'}.")
    if key:
        is_let_in = authorizer.lets_in(key)
        if is_let_in and fingerprint(key) == ended:
            raise StackError("the key in INTERNAL_API_KEY is still let in. Run it again.")
        print(f"Tried: the key in INTERNAL_API_KEY is {'let in' if is_let_in else 'refused'}.")
    else:
        print("Not tried: with a key as INTERNAL_API_KEY in the environment, it would be.")
    _follow("KeyFingerprints", rest or '""', "the key")


def end_previous_secret(authorizer: "Authorizer") -> None:
    """Let no session count any more that was made with the previous secret. Raises StackError when none does."""

    def without(variables: Variables) -> Variables | None:
        if OVERLAP not in variables:
            raise StackError("the release that is live does not know of it. Deploy a newer one.")
        return None if variables[OVERLAP] == "0" else variables | {OVERLAP: "0"}

    version = authorizer.end(without, "previous session secret")
    print(f"{authorizer.stack} takes sessions of the current session secret only, by version {version['Version']}.")
    _follow("SessionSecretOverlapDays", "0", "the previous secret")


def _follow(parameter: str, value: str, what: str) -> None:
    print(f"Put this into parameter_overrides of samconfig.toml, or the next deployment brings {what} back:")
    print(f"    {parameter}={value}")
    print("and deploy once with Deployment=AllAtOnce: steps would begin at the version of before.")


class Authorizer:
    """The authorizer of a deployed stack."""

    def __init__(self, stack: str) -> None:
        self.stack = stack
        self.cloudformation = boto3.client("cloudformation")
        self.codedeploy = boto3.client("codedeploy")
        self.functions = boto3.client("lambda")
        self.name = self._resource("AuthorizerFunction")
        self.group = {
            "applicationName": self._resource("ServerlessDeploymentApplication"),
            "deploymentGroupName": self._resource("AuthorizerFunctionDeploymentGroup"),
        }

    def end(self, change: Change, what: str) -> Any:
        """Publish what is live with changed variables, move the alias there, and see that nothing moves it back.

        Returns the configuration of that version. Raises StackError when what shall end is not there, and ClientError.
        """
        served = self._served()
        if all(change(_variables(each)) is None for each in served):
            raise StackError(
                f"{self.stack} does not let that in: nothing was changed. Is it this stack's and region's?"
            )
        self._stop()
        main, *_ = served
        version = self._published(main, (change(_variables(main)) or _variables(main)) | {MARK: what})
        until = time.monotonic() + PATIENCE_SECONDS
        while True:
            self._move(version)
            status = self._status()
            if not self._stop() and not status.endswith("_IN_PROGRESS") and self._is_at(version):
                return self.functions.get_function_configuration(FunctionName=self.name, Qualifier=version)
            if time.monotonic() > until:
                raise StackError(
                    f"the stack is still {status}, and may move the alias. Now it is at version {version}."
                )
            print(f"It is ended by version {version}. The stack is {status}: waiting, so that nothing brings it back.")
            time.sleep(PAUSE_SECONDS)

    def lets_in(self, key: str) -> bool:
        """Ask the alias about a call with a key, as API Gateway does."""
        event = {
            "type": "REQUEST",
            "httpMethod": "POST",
            "resource": "/api/outcomes",
            "methodArn": "arn:aws:execute-api:us-east-1:000000000000:end-key/live/POST/api/outcomes",
            "multiValueHeaders": {"Authorization": [f"Bearer {key}"]},
            "requestContext": {"requestId": "end-key"},
        }
        answer = self.functions.invoke(FunctionName=self.name, Qualifier=ALIAS, Payload=json.dumps(event).encode())
        said = json.loads(answer["Payload"].read())
        if "FunctionError" not in answer:
            return bool(said["context"]["caller"] == "key")
        if said["errorMessage"] != "Unauthorized":
            raise StackError(f"the authorizer fails: {said['errorMessage']}")
        return False

    def _served(self) -> list[Any]:
        """Read the configurations of the versions that the alias leads to: of two, the one of before comes first."""
        alias = self.functions.get_alias(FunctionName=self.name, Name=ALIAS)
        versions = [alias["FunctionVersion"], *_weights(alias)]
        return [self.functions.get_function_configuration(FunctionName=self.name, Qualifier=each) for each in versions]

    def _published(self, live: Any, variables: Variables) -> str:
        """Publish the code and layers of a version with other variables.

        Not those of $LATEST: while a release is under way, that is it, and nobody knows yet whether it is good.
        """
        updated = self.functions.get_waiter("function_updated_v2")
        updated.wait(FunctionName=self.name)
        if self.functions.get_function_configuration(FunctionName=self.name)["CodeSha256"] != live["CodeSha256"]:
            there = self.functions.get_function(FunctionName=self.name, Qualifier=live["Version"])["Code"]["Location"]
            with urlopen(there, timeout=30) as code:  # noqa: S310 - an https URL that Lambda signed
                self.functions.update_function_code(FunctionName=self.name, ZipFile=code.read())
            updated.wait(FunctionName=self.name)
        self.functions.update_function_configuration(
            FunctionName=self.name,
            Environment={"Variables": variables},
            Layers=[layer["Arn"] for layer in live.get("Layers", [])],
            **{name: live[name] for name in ("Handler", "MemorySize", "Runtime", "Timeout")},
        )
        updated.wait(FunctionName=self.name)
        published = self.functions.publish_version(FunctionName=self.name, CodeSha256=live["CodeSha256"])
        version = str(published["Version"])
        self.functions.get_waiter("published_version_active").wait(FunctionName=self.name, Qualifier=version)
        return version

    def _move(self, version: str) -> None:
        if not self._is_at(version):
            self.functions.update_alias(
                FunctionName=self.name,
                Name=ALIAS,
                FunctionVersion=version,
                RoutingConfig={"AdditionalVersionWeights": {}},
            )

    def _is_at(self, version: str) -> bool:
        alias = self.functions.get_alias(FunctionName=self.name, Name=ALIAS)
        return bool(alias["FunctionVersion"] == version) and not _weights(alias)

    def _stop(self) -> list[str]:
        """Stop CodeDeploy's deployments of the authorizer, without taking them back, and return their ids."""
        moving = self.codedeploy.list_deployments(**self.group, includeOnlyStatuses=MOVING)["deployments"]
        for deployment in moving:
            try:
                self.codedeploy.stop_deployment(deploymentId=deployment, autoRollbackEnabled=False)
            except ClientError as error:
                if error.response["Error"]["Code"] != "DeploymentAlreadyCompletedException":
                    raise
            print(f"Stopped CodeDeploy's deployment {deployment}.")
        return list(moving)

    def _status(self) -> str:
        [found] = self.cloudformation.describe_stacks(StackName=self.stack)["Stacks"]
        return str(found["StackStatus"])

    def _resource(self, logical_id: str) -> str:
        found = self.cloudformation.describe_stack_resource(StackName=self.stack, LogicalResourceId=logical_id)
        return str(found["StackResourceDetail"]["PhysicalResourceId"])


def _variables(configuration: Any) -> Variables:
    return dict(configuration["Environment"]["Variables"])


def _weights(alias: Any) -> dict[str, float]:
    return dict((alias.get("RoutingConfig") or {}).get("AdditionalVersionWeights") or {})


if __name__ == "__main__":
    sys.exit(main())
