"""python -m ops.publish ENV: put the dashboard's page into the bucket of the deployed stack, where it has one.

Which stack, region and profile that is, samconfig.toml says, as for `sam deploy`.
"""

import sys
from pathlib import Path

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from ops.configuration import deploy_settings
from ops.dashboard import FILES
from ops.errors import StackError

ROOT = Path(__file__).parents[1]

# How long browsers and CloudFront keep a file before they ask again. No longer, for its name never changes.
MAX_AGE_SECONDS = 300


def main() -> int:
    """Publish, and return the exit code of the process."""
    try:
        [environment] = sys.argv[1:]
        publish(ROOT / "samconfig.toml", environment, ROOT / "dashboard/public")
    except StackError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def publish(samconfig: Path, environment: str, folder: Path) -> None:
    """Upload FILES out of `folder`, and tell where they are to be seen; do nothing for a stack that hosts no dashboard.

    Raises StackError when the stack is unknown or AWS refuses.
    """
    settings = deploy_settings(samconfig, environment)
    name = settings["stack_name"]
    try:
        session = boto3.Session(region_name=settings.get("region"), profile_name=settings.get("profile"))
        [stack] = session.client("cloudformation").describe_stacks(StackName=name)["Stacks"]
        outputs = {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}
        if "FeedBucketName" not in outputs:
            return
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
        raise StackError(f"the dashboard of {name} is not published: {' '.join(str(error).split())}") from error
    print(f"Dashboard: {outputs['FeedUrl']} (within {MAX_AGE_SECONDS // 60} minutes)")


if __name__ == "__main__":
    sys.exit(main())
