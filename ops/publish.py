"""python -m ops.publish ENV: turn on the termination protection of `prod`, and upload the dashboard's page, if hosted.

Then print a line if the stack's alarms notify nobody. The stack, region and profile are read from samconfig.toml, which
`sam deploy` also reads.
"""

import sys
from pathlib import Path

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from ops.command import exit_code, positional
from ops.configuration import accepted_again, aws_session, deploy_settings
from ops.dashboard import FILES
from ops.errors import StackError, one_line
from ops.stacks import describe_stack, outputs, parameters

ROOT = Path(__file__).parents[1]

# Browsers and CloudFront cache a file for this time. It is short because a file's name never changes.
MAX_AGE_SECONDS = 300


def main() -> int:
    """Do what follows a deployment, and return the exit code of the process."""
    return exit_code(lambda: publish(ROOT / "samconfig.toml", positional("ENV")[0], ROOT / "dashboard/public"))


def publish(samconfig: Path, environment: str, folder: Path) -> None:
    """Protect `prod`, upload FILES from `folder` if the stack hosts a dashboard, and print if alarms notify nobody.

    Do nothing if the changes of a first deployment were declined. Raises StackError if the stack is unknown, accepts an
    ended key again, its newest changes were declined, or AWS refuses.
    """
    settings = deploy_settings(samconfig, environment)
    name = settings["stack_name"]
    try:
        session = aws_session(settings)
        stack = describe_stack(name, session)
        if stack["StackStatus"] == "REVIEW_IN_PROGRESS":
            return
        present, found = parameters(stack), outputs(stack)
        for again in accepted_again(present.get("KeyFingerprints", ""), present):
            # `make end-key` has succeeded after this deployment read the stack, and before it changed it
            raise StackError(f"{name} accepts an ended key again: make end-key STACK={name} FINGERPRINT={again}")
        if environment == "prod" and not stack.get("EnableTerminationProtection"):
            _protect(session, name)
        if "FeedBucketName" in found:
            _upload(session, name, found["FeedBucketName"], folder)
    except (BotoCoreError, ClientError) as error:
        raise StackError(f"what follows a deployment of {name} failed, so run make again: {one_line(error)}") from error
    if "FeedBucketName" in found:
        print(f"Dashboard: {found['FeedUrl']} (within {MAX_AGE_SECONDS // 60} minutes)")
    try:
        _warn(session, present, found.get("AlarmTopic"))
    except (BotoCoreError, ClientError) as error:
        raise StackError(f"{name} is deployed, but it is unknown whom alarms notify: {one_line(error)}") from error


def _protect(session: boto3.Session, stack: str) -> None:
    try:
        client = session.client("cloudformation")
        client.update_termination_protection(StackName=stack, EnableTerminationProtection=True)
    except (BotoCoreError, ClientError) as error:
        raise StackError(
            f"{stack} was deployed, but its termination protection could not be turned on: {one_line(error)}"
        ) from error
    print(f"Termination protection of {stack} is on now: to delete the stack, turn it off first (docs/deploy.md).")


def _upload(session: boto3.Session, stack: str, bucket: str, folder: Path) -> None:
    # `sam deploy` also succeeds if its change set is declined. Executing a change set deletes all others.
    pages = session.client("cloudformation").get_paginator("list_change_sets").paginate(StackName=stack)
    found = [each for page in pages for each in page["Summaries"]]
    newest = max(found, key=lambda each: each["CreationTime"], default=None)
    if newest and newest["ExecutionStatus"] == "AVAILABLE":
        raise StackError(f"{stack} was not changed, so the dashboard was not uploaded: the changes were declined.")
    s3 = session.client("s3")
    for file, content_type in FILES.values():
        s3.put_object(
            Bucket=bucket,
            Key=file,
            Body=(folder / file).read_bytes(),
            ContentType=content_type,
            CacheControl=f"public, max-age={MAX_AGE_SECONDS}",
        )


def _warn(session: boto3.Session, present: dict[str, str], topic: str | None) -> None:
    """Print a line if the stack has alarms that notify nobody.

    topic: the ARN of the topic that the stack made for its AlarmEmail.
    """
    if present.get("Monitoring") == "Off" or present.get("AlarmTopicArn"):
        return
    if topic is None:
        print("Alarms notify nobody: set AlarmEmail or AlarmTopicArn in samconfig.toml, and deploy again.")
        return
    # The ARN of a subscription that is not confirmed is a word, such as PendingConfirmation.
    found = session.client("sns").list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    if not any(each["SubscriptionArn"].startswith("arn:") for each in found):
        print(f"Alarms notify nobody until {present['AlarmEmail']} confirms the e-mail from AWS.")


if __name__ == "__main__":
    sys.exit(main())
