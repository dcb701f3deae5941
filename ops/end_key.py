"""python -m ops.end_key STACK FINGERPRINT: end a leaked platform key by an update of the stack, even during an alarm.

The update is a change set of the stack's own template, so it releases nothing else, and later updates and rollbacks
start from it. With `--previous-secret` instead of a fingerprint, it ends the previous session secret. With `--now`,
nobody gets in until an update has succeeded, also by a later call without the option. If INTERNAL_API_KEY is the ended
key, the command finally tries it.

It may always be repeated. docs/runbook.md has its permissions, and what to do if it cannot update the stack.
"""

import argparse
import os
import re
import secrets
import sys
import time
from contextlib import suppress
from functools import cached_property
from typing import Any

import boto3
import httpx
from botocore.exceptions import BotoCoreError, ClientError
from outcomes.auth.keys import fingerprint

from ops.command import Parser, exit_code, named_stack
from ops.configuration import ROOT, cli_options, configured, environment_of
from ops.errors import StackError, one_line
from ops.stacks import describe_stack, outputs, parameters

SETTLED = re.compile(r"(CREATE|(UPDATE|IMPORT)(_ROLLBACK)?)_COMPLETE")  # a stack with this status can be updated
BUSY = re.compile(r"(?!REVIEW).*_IN_PROGRESS")  # a stack in review does not exist yet
AT_ONCE = {"Deployment": "AllAtOnce", "ReleaseAlarms": "Off"}
MAX_ENDED = 63  # more would not fit into EndedFingerprints: the oldest are dropped
CHANGE_SET = "end-key-"  # prefix of the change sets' names
EARLIER = "end-key:earlier-concurrency"  # tag of the authorizer, whose reserved concurrency is 0 while it is shut

MAY_CHANGE = {
    "AWS::Lambda::Version": {"Add", "Modify", "Remove"},
    "AWS::Lambda::Alias": {"Modify"},
    "AWS::CodeDeploy::DeploymentGroup": {"Modify"},
    "AWS::ApiGateway::Deployment": {"Add", "Remove"},  # SAM makes a new one in each change set (AlwaysDeploy)
}
# The only property that may change, by type of resource
MAY_SET = {"AWS::Lambda::Function": "Environment", "AWS::ApiGateway::Stage": "DeploymentId"}

PAUSE_SECONDS, PATIENCE_SECONDS, TRIAL_SECONDS = 5, 3600, 120

CONTINUE = "aws cloudformation continue-update-rollback --stack-name {}{}"
DEPLOY = "make deploy ENV={}    # with Deployment=AllAtOnce, and {}"


def main() -> int:
    """End the key or the previous session secret, and return the exit code of the process."""
    parser = Parser(prog="make end-key")
    parser.add_argument("stack")
    parser.add_argument("fingerprint", nargs="?", default="")
    for option in ("--previous-secret", "--now", "--yes"):
        parser.add_argument(option, action="store_true")
    begun: list[Stack] = []

    def command() -> None:
        given = parser.parse_args()
        begun.append(stack := Stack(given.stack))
        end(stack, given)

    code = exit_code(command, if_interrupted="Interrupted. Run the command again: it goes on.")
    if code and begun and begun[0].opens_by:
        print(f"Nobody gets in until the command succeeds, or until you run:\n{begun[0].opens_by}", file=sys.stderr)
    return code


def end(stack: "Stack", given: argparse.Namespace) -> None:
    """Update the stack, unless an earlier call did, and try the key. Raises StackError, which says what to do."""
    named_stack(given.stack)
    if given.previous_secret and given.fingerprint:
        raise StackError("end either the key (FINGERPRINT) or the secret (SECRET=previous), then the other.")
    if not given.previous_secret and not re.fullmatch("[0-9a-f]{64}", given.fingerprint):
        # the message does not repeat the argument, because it may be a key
        raise StackError("FINGERPRINT is what `make key` printed beside the key, 64 digits from 0 to f, never the key.")
    try:
        present = describe_stack(stack.name)
        if SETTLED.fullmatch(present["StackStatus"]):
            stack.look()
            changes(given, parameters(present))  # it may refuse, before anything has changed
        if given.now:
            stack.shut()
            print(f"Nobody gets in. This lets everybody in, also with the leaked key:\n{stack.opens_by}", flush=True)
        present = stack.updatable()
        stack.look()
        if changed := changes(given, parameters(present)):
            stack.update(present, changed)
            present = stack.settled()
            if present["StackStatus"] != "UPDATE_COMPLETE" or changes(given, parameters(present)):
                raise StackError(f"the update failed: {stack.name} is {present['StackStatus']}. Look at its events.")
        if stack.opens_by:
            stack.open()
        if given.previous_secret:
            print(f"{stack.name} refuses sessions of the previous secret. Until the secret changes again, keep")
            print("    SessionSecretOverlapDays=0    # in parameter_overrides of samconfig.toml")
        else:
            print(f"{stack.name} refuses the key. Accepted: {parameters(present)['KeyFingerprints'] or 'no key'}.")
            print(f"Delete {given.fingerprint} from samconfig.toml: `make deploy` refuses it.")
            stack.try_key(given.fingerprint, os.environ.get("INTERNAL_API_KEY", ""))
    except (BotoCoreError, ClientError, httpx.HTTPError) as error:
        reason = getattr(error, "last_response", {}).get("StatusReason", error)  # of a change set that cannot be made
        raise StackError(f"{one_line(reason)}\nFix this and run the command again: it goes on.") from error


def changes(given: argparse.Namespace, present: dict[str, str]) -> dict[str, str]:
    """Return the parameters to change, {} if an earlier call has changed them. Raises StackError if it cannot be."""
    if given.previous_secret:
        return {"SessionSecretOverlapDays": "0"} if float(present["SessionSecretOverlapDays"]) else {}
    known, ended = (present[name].split(",") for name in ("KeyFingerprints", "EndedFingerprints"))
    rest = [each for each in known if each != given.fingerprint]
    if rest == known and given.fingerprint in ended:
        return {}
    if rest == known:
        raise StackError("the stack does not accept this key. Are the stack and the region right?")
    if not rest and not given.yes:
        raise StackError("it is the last key: the platform could make no call. Add YES=1 to end it anyway.")
    ended = [each for each in ended if each not in ("", given.fingerprint)] + [given.fingerprint]
    return {"KeyFingerprints": ",".join(rest), "EndedFingerprints": ",".join(ended[-MAX_ENDED:])}


def is_expected(change: Any) -> bool:
    """Return whether a resource's change only publishes versions, moves aliases or sets variables, or follows from one.

    CloudFormation also lists each resource that refers to such a one; its details have the reference as their source.
    https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_ResourceChangeDetail.html
    """
    if change["ResourceType"] in MAY_CHANGE:
        return change["Action"] in MAY_CHANGE[change["ResourceType"]]
    may_set, details = MAY_SET.get(change["ResourceType"], ""), change.get("Details", [])
    follows = ("ResourceReference", "ResourceAttribute")
    each = [one["Target"].get("Name") == may_set or one.get("ChangeSource") in follows for one in details]
    return change["Action"] == "Modify" and change.get("Replacement") != "True" and bool(each) and all(each)


class Stack:
    """A deployed stack. The methods raise errors of boto3.

    earlier: the reserved concurrency of the authorizer before it was shut, "" if there was none, or None if it is open.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.earlier: str | None = None

    @property
    def opens_by(self) -> str:
        """Return the command that lets callers in again, or "" if they get in."""
        put = f"put-function-concurrency --reserved-concurrent-executions {self.earlier}"
        opens = put if self.earlier else "delete-function-concurrency"
        return "" if self.earlier is None else f"aws lambda {opens} --function-name {self.authorizer}{self.options}"

    @cached_property
    def environment(self) -> tuple[str, Any]:
        return environment_of(self.name, ROOT / "samconfig.toml")

    @property
    def options(self) -> str:
        """Return the region and the profile, as options of the AWS CLI."""
        return cli_options(self.environment[1])

    @cached_property
    def authorizer(self) -> str:
        aws = boto3.client("cloudformation")
        found = aws.describe_stack_resource(StackName=self.name, LogicalResourceId="AuthorizerFunction")
        return str(found["StackResourceDetail"]["PhysicalResourceId"])

    def settled(self, *, cancels: bool = False) -> Any:
        """Wait until nothing changes the stack, and describe it. cancels: whether to cancel a deployment's update."""
        until, told = time.monotonic() + PATIENCE_SECONDS, ""
        while BUSY.fullmatch(status := (stack := describe_stack(self.name))["StackStatus"]):
            if time.monotonic() > until:
                raise StackError(f"{self.name} is still {status}. Run the command again.")
            if cancels and status == "UPDATE_IN_PROGRESS" and f"/{CHANGE_SET}" not in stack.get("ChangeSetId", ""):
                try:
                    boto3.client("cloudformation").cancel_update_stack(StackName=self.name)
                except ClientError as error:
                    if error.response["Error"]["Code"] != "ValidationError":  # the update has ended
                        raise
            if status != told:
                print(f"{self.name} is {status}: waiting.", flush=True)
            told = status
            time.sleep(PAUSE_SECONDS)
            if self.opens_by:
                with suppress(ClientError):  # a colleague's call, or the update, may have let callers in
                    self.shut()
        return stack

    def updatable(self) -> Any:
        """Cancel a running update, and describe the settled stack. Raises StackError if it cannot be updated."""
        stack = self.settled(cancels=True)
        status = stack["StackStatus"]
        if status == "UPDATE_ROLLBACK_FAILED":
            raise StackError(f"{self.name} is {status}. First run this:\n{CONTINUE.format(self.name, self.options)}")
        if not SETTLED.fullmatch(status):
            raise StackError(f"{self.name} is {status}, and cannot be updated.")
        return stack

    def update(self, stack: Any, changed: dict[str, str]) -> None:
        """Execute a change set of the previous template. Raises StackError if it would change anything else."""
        present, rolled_back = parameters(stack), "ROLLBACK" in stack["StackStatus"]
        values = configured({name: {} for name in present}, changed | AT_ONCE, present, rolled_back=rolled_back)
        ours = [{"ParameterKey": name, "ParameterValue": value} for name, value in values.items()]
        previous = [{"ParameterKey": name, "UsePreviousValue": True} for name in present.keys() - values.keys()]
        named = {"StackName": self.name, "ChangeSetName": CHANGE_SET + secrets.token_hex(8)}
        how = {"UsePreviousTemplate": True, "Capabilities": ["CAPABILITY_IAM"], "Tags": stack.get("Tags", [])}
        aws = boto3.client("cloudformation")
        aws.create_change_set(**named, **how, Parameters=ours + previous)
        try:
            aws.get_waiter("change_set_create_complete").wait(**named, WaiterConfig={"Delay": PAUSE_SECONDS})
            pages = aws.get_paginator("describe_change_set").paginate(**named)
            found = [each["ResourceChange"] for page in pages for each in page["Changes"]]
            if more := [f"{each['Action']} {each['LogicalResourceId']}" for each in found if not is_expected(each)]:
                ends_secret = "SessionSecretOverlapDays" in changed
                ending = "SessionSecretOverlapDays=0" if ends_secret else "KeyFingerprints without the leaked key's"
                instead = DEPLOY.format(self.environment[0] or "...", ending)
                raise StackError(f"not updated: this would also {', '.join(more)}. Run this instead:\n{instead}")
        except BaseException:
            with suppress(ClientError):  # CloudFormation may still be making it; the next call's update deletes it
                aws.delete_change_set(**named)
            raise
        aws.execute_change_set(**named)

    def look(self) -> tuple[str, str]:
        """Return the authorizer's ARN and reserved concurrency.

        If an earlier call has shut it, this call lets callers in when it succeeds.
        """
        found = boto3.client("lambda").get_function(FunctionName=self.authorizer)
        reserved = str(found.get("Concurrency", {}).get("ReservedConcurrentExecutions", ""))
        if self.earlier is None and reserved == "0":
            self.earlier = found.get("Tags", {}).get(EARLIER, "")
        return found["Configuration"]["FunctionArn"], reserved

    def shut(self) -> None:
        """Let nobody in, because the authorizer cannot run. Keep its earlier reserved concurrency in a tag."""
        aws, (arn, present), was = boto3.client("lambda"), self.look(), self.earlier
        if was is None:
            aws.tag_resource(Resource=arn, Tags={EARLIER: present})
            self.earlier = present
        while present != "0":
            try:
                aws.put_function_concurrency(FunctionName=self.authorizer, ReservedConcurrentExecutions=0)
                present = "0"
            except aws.exceptions.ResourceConflictException:  # Lambda is still updating the function
                time.sleep(1)
            except ClientError:  # AWS refused; after any other exception, it may be shut
                self.earlier = was
                raise

    def open(self) -> None:
        """Give the authorizer its earlier reserved concurrency back."""
        aws, earlier = boto3.client("lambda"), self.earlier
        if earlier:
            aws.put_function_concurrency(FunctionName=self.authorizer, ReservedConcurrentExecutions=int(earlier))
        else:
            aws.delete_function_concurrency(FunctionName=self.authorizer)
        self.earlier = None

    def try_key(self, ended: str, key: str) -> None:
        """Call the API until three calls in a row are refused. Raises StackError after TRIAL_SECONDS, and HTTPError."""
        if not key or fingerprint(key) != ended:
            print(f"Not tried: INTERNAL_API_KEY is {'another key' if key else 'not set'}.")
            return
        url = outputs(describe_stack(self.name))["ApiUrl"]
        until, refused = time.monotonic() + TRIAL_SECONDS, 0
        while refused < 3:
            # If the key were accepted, the answer to this body would be 400.
            status = httpx.post(url, content="null", headers={"Authorization": f"Bearer {key}"}).status_code
            refused = refused + 1 if status == 401 else 0
            if time.monotonic() > until:
                raise StackError(f"the API still answers {status} to the ended key, not 401.")
            time.sleep(1)
        print("Tried: the API refuses the key in INTERNAL_API_KEY.")


if __name__ == "__main__":
    sys.exit(main())
