"""python -m ops.end_key STACK FINGERPRINT: revoke a leaked platform key at once, even while an alarm is on.

A deployment would shift traffic step by step, and would not start during an alarm. This command publishes the live code
as a new version without the key, and points the alias at it. With `--previous-secret` instead of a fingerprint, it
revokes the previous session secret.

The caller needs the IAM permissions listed in docs/runbook.md. If INTERNAL_API_KEY is set, the command finally checks
that the API refuses this key.
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

from ops.command import named_stack
from ops.errors import StackError, one_line

ALIAS = "live"
FINGERPRINTS, OVERLAP = "KEY_FINGERPRINTS", "SESSION_SECRET_OVERLAP_DAYS"
MARK = "ENDED_BY_HAND"
"""A variable that the template does not have, so that the next deployment differs and is published."""

MOVING = ["Created", "Queued", "InProgress", "Baking", "Ready"]
"""States in which a deployment may still move the alias."""

PAUSE_SECONDS = 5
PATIENCE_SECONDS = 3600

type Variables = dict[str, str]
type Change = Callable[[Variables], Variables | None]
"""Returns the variables without what is revoked, or None if they do not contain it."""


def main() -> int:
    """Revoke the key or the previous session secret, and return the exit code of the process."""
    parser = argparse.ArgumentParser(prog="make end-key")
    parser.add_argument("stack")
    parser.add_argument("fingerprint", nargs="?", default="")
    parser.add_argument("--previous-secret", action="store_true")
    parser.add_argument("--yes", action="store_true")
    given = parser.parse_args()
    try:
        authorizer = Authorizer(named_stack(given.stack))
        if given.previous_secret:
            end_previous_secret(authorizer)
        else:
            end_key(authorizer, given.fingerprint, os.environ.get("INTERNAL_API_KEY", ""), even_the_last=given.yes)
    except StackError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except (BotoCoreError, ClientError, OSError) as error:
        print(f"error: {one_line(error)}\nFix this and run the command again: no step is repeated.", file=sys.stderr)
        return 1
    return 0


def end_key(authorizer: "Authorizer", ended: str, key: str, *, even_the_last: bool) -> None:
    """Revoke the key with this fingerprint. key: the key to try afterwards, if it is not empty.

    Raises StackError if no key has the fingerprint, if it is the last key and `even_the_last` is false, or if the key
    is still accepted afterwards.
    """
    if not re.fullmatch("[0-9a-f]{64}", ended):  # the message does not repeat the argument, because it may be a key
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
                "it is the last key: the platform could make no call without it. Add YES=1 to revoke it anyway."
            )
        return variables | {FINGERPRINTS: ",".join(rest)}

    version = authorizer.end(without, ended)
    rest = version["Environment"]["Variables"][FINGERPRINTS]
    print(f"{authorizer.stack} refuses the key since version {version['Version']}. Accepted: {rest or 'no key'}.")
    if key:
        is_accepted = authorizer.accepts(key)
        if is_accepted and fingerprint(key) == ended:
            raise StackError("the key in INTERNAL_API_KEY is still accepted. Run the command again.")
        print(f"Tried: the key in INTERNAL_API_KEY is {'accepted' if is_accepted else 'refused'}.")
    else:
        print("Not tried: INTERNAL_API_KEY is not set.")
    _follow("KeyFingerprints", rest or '""', "the key")


def end_previous_secret(authorizer: "Authorizer") -> None:
    """Refuse sessions made with the previous session secret. Raises StackError if a deployment already refuses them."""

    def without(variables: Variables) -> Variables | None:
        if OVERLAP not in variables:
            raise StackError("the live release has no previous session secret. Deploy a newer one.")
        return None if float(variables[OVERLAP]) == 0 else variables | {OVERLAP: "0"}

    version = authorizer.end(without, "previous session secret")
    print(f"{authorizer.stack} accepts only the current session secret since version {version['Version']}.")
    _follow("SessionSecretOverlapDays", "0", "the previous secret")


def _follow(parameter: str, value: str, what: str) -> None:
    print(f"Put this into parameter_overrides of samconfig.toml, or the next deployment brings {what} back:")
    print(f"    {parameter}={value}")
    print("and deploy once with Deployment=AllAtOnce: a deployment in steps would start from the old version.")


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
        """Publish the live code with changed variables, unless an earlier call did, and point the alias at it.

        Then wait until no deployment can move the alias back. Return the new version's configuration.
        Raises ClientError, and StackError if there is nothing to revoke, and no earlier call revoked it.
        """
        served = self._served()
        main, *_ = served
        if any(change(_variables(each)) is not None for each in served):
            self._stop()
            version = self._published(main, (change(_variables(main)) or _variables(main)) | {MARK: what})
        elif _variables(main).get(MARK) == what:  # an earlier call published it, and may have been interrupted
            version = main["Version"]
        else:
            raise StackError(
                f"{self.stack} does not accept it: nothing was changed. Are the stack and the region right?"
            )
        until = time.monotonic() + PATIENCE_SECONDS
        while True:
            self._move(version)
            status = self._status()
            if not self._stop() and not status.endswith("_IN_PROGRESS") and self._is_at(version):
                return self.functions.get_function_configuration(FunctionName=self.name, Qualifier=version)
            if time.monotonic() > until:
                raise StackError(f"the stack is still {status} and may move the alias, now at version {version}.")
            print(f"Refused since version {version}. The stack is {status}: waiting until it cannot undo this.")
            time.sleep(PAUSE_SECONDS)

    def accepts(self, key: str) -> bool:
        """Ask the alias to authorize a call with a key, as API Gateway does."""
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
        """Return the configurations of the versions that the alias uses, the older version first."""
        alias = self.functions.get_alias(FunctionName=self.name, Name=ALIAS)
        versions = [alias["FunctionVersion"], *_weights(alias)]
        return [self.functions.get_function_configuration(FunctionName=self.name, Qualifier=each) for each in versions]

    def _published(self, live: Any, variables: Variables) -> str:
        """Publish a version's code and layers with different variables, and return the new version.

        $LATEST is not used, because during a release it is the new code, which may be bad.
        """
        updated = self.functions.get_waiter("function_updated_v2")
        updated.wait(FunctionName=self.name)
        if self.functions.get_function_configuration(FunctionName=self.name)["CodeSha256"] != live["CodeSha256"]:
            found = self.functions.get_function(FunctionName=self.name, Qualifier=live["Version"])
            with urlopen(found["Code"]["Location"], timeout=30) as code:  # noqa: S310 - an https URL that Lambda signed
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
        """Stop CodeDeploy's deployments of the authorizer without a rollback, and return their ids."""
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
