"""python -m ops.account ENV: check that `make deploy` has an environment, a region and credentials, before it builds.

The stack, region and profile are read from samconfig.toml, which `sam deploy` also reads.
"""

import sys
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, InvalidRegionError, ProfileNotFound
from botocore.exceptions import ConnectionError as NoConnectionError

from ops.command import exit_code, positional
from ops.configuration import aws_session, deploy_settings
from ops.errors import StackError, one_line

ROOT = Path(__file__).parents[1]


def main() -> int:
    """Print where the deployment goes, and return the exit code of the process."""
    return exit_code(lambda: check(ROOT / "samconfig.toml", *positional("ENV")))


def check(samconfig: Path, environment: str) -> None:
    """Print the stack, account and region of an environment.

    Raises StackError if something is missing or AWS refuses the credentials. The message says what to do next.
    """
    settings = deploy_settings(samconfig, environment)
    section = f"[{environment}.deploy.parameters] of {samconfig.name}"
    try:
        session = aws_session(settings)
        if not session.region_name:
            raise StackError(
                "no region is set. Run `export AWS_DEFAULT_REGION=eu-central-1` with your region, "
                f"or add `region` to {section}, then run make again."
            )
        if session.get_credentials() is None:
            raise StackError(
                "no AWS credentials were found. Run `aws configure sso` or `aws configure`, "
                "or export AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, "
                f"or add `profile` to {section}, then run make again."
            )
        account = session.client("sts").get_caller_identity()["Account"]
    except ProfileNotFound as error:
        raise StackError(
            f"{one_line(error)}. Run `aws configure list-profiles`, and correct `profile` in {section} or AWS_PROFILE."
        ) from error
    except (NoConnectionError, HTTPClientError, InvalidRegionError) as error:
        raise StackError(
            f"cannot reach AWS in {session.region_name}: {one_line(error).rstrip('.')}. Correct the region or the "
            "network, then run make again."
        ) from error
    except (BotoCoreError, ClientError) as error:
        answer = getattr(error, "response", {})
        status = answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if status >= 500 or "Throttl" in answer.get("Error", {}).get("Code", ""):  # the credentials may be right
            raise StackError(f"AWS is busy or fails: {one_line(error).rstrip('.')}. Run make again.") from error
        raise StackError(
            f"AWS does not accept the credentials: {one_line(error).rstrip('.')}. Sign in again, as with "
            "`aws sso login`, then run make again."
        ) from error
    print(f"Deploying {settings['stack_name']} to the account {account} in {session.region_name}.")


if __name__ == "__main__":
    sys.exit(main())
