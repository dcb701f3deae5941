"""python -m ops.publish ENV: upload the dashboard's page to the deployed stack's bucket, if it has one.

The stack, region and profile are read from samconfig.toml, which `sam deploy` also reads.
"""

import sys
from pathlib import Path

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from ops.command import exit_code
from ops.configuration import accepted_again, deploy_settings
from ops.dashboard import FILES
from ops.errors import StackError, one_line

ROOT = Path(__file__).parents[1]

# Browsers and CloudFront cache a file for this time. It is short because a file's name never changes.
MAX_AGE_SECONDS = 300


def main() -> int:
    """Upload the files, and return the exit code of the process."""
    [environment] = sys.argv[1:]
    return exit_code(lambda: publish(ROOT / "samconfig.toml", environment, ROOT / "dashboard/public"))


def publish(samconfig: Path, environment: str, folder: Path) -> None:
    """Upload FILES from `folder`, and print their URL. Do nothing if the stack does not host a dashboard.

    Raises StackError if the stack is unknown, accepts an ended key again, its newest changes were declined, or AWS
    refuses.
    """
    settings = deploy_settings(samconfig, environment)
    name = settings["stack_name"]
    try:
        session = boto3.Session(region_name=settings.get("region"), profile_name=settings.get("profile"))
        cloudformation = session.client("cloudformation")
        [stack] = cloudformation.describe_stacks(StackName=name)["Stacks"]
        parameters = {each["ParameterKey"]: each["ParameterValue"] for each in stack.get("Parameters", [])}
        for again in accepted_again(parameters.get("KeyFingerprints", ""), parameters):
            # `make end-key` has succeeded after this deployment read the stack, and before it changed it
            raise StackError(f"{name} accepts an ended key again: make end-key STACK={name} FINGERPRINT={again}")
        outputs = {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}
        if "FeedBucketName" not in outputs:
            return
        # `sam deploy` also succeeds if its change set is declined. Executing a change set deletes all others.
        pages = cloudformation.get_paginator("list_change_sets").paginate(StackName=name)
        found = [each for page in pages for each in page["Summaries"]]
        newest = max(found, key=lambda each: each["CreationTime"], default=None)
        if newest and newest["ExecutionStatus"] == "AVAILABLE":
            raise StackError(f"{name} was not changed, so the dashboard was not uploaded: the changes were declined.")
        s3 = session.client("s3")
        for file, content_type in FILES.values():
            s3.put_object(
                Bucket=outputs["FeedBucketName"],
                Key=file,
                Body=(folder / file).read_bytes(),
                ContentType=content_type,
                CacheControl=f"public, max-age={MAX_AGE_SECONDS}",
            )
    except (BotoCoreError, ClientError) as error:
        raise StackError(f"cannot upload the dashboard of {name}: {one_line(error)}") from error
    print(f"Dashboard: {outputs['FeedUrl']} (within {MAX_AGE_SECONDS // 60} minutes)")


if __name__ == "__main__":
    sys.exit(main())
