"""python -m local: run the stack, or a command on the running one."""

import argparse
import asyncio
import gc
import json
import logging
import os
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from local.environment import forget_real_aws
from ops.command import Parser, exit_code, user_id
from ops.errors import StackError

if TYPE_CHECKING:
    from local.stack import Settings

ROOT = Path(__file__).parent.parent
DEFAULT_PORT = "3000"


def main() -> int:
    """Run one command and return the exit code of the process."""
    # The package `outcomes` is in the layer's folder, which is not on Python's path by default.
    sys.path.insert(0, str(ROOT / "layers" / "common"))
    forget_real_aws()
    log_to_stderr()
    return exit_code(command)


def command() -> None:
    """Run one command. Raises StackError."""
    try:
        options = parser().parse_args()
        options.command(options)
    except ModuleNotFoundError as error:
        raise StackError(f"{error.name} is not installed; make run installs what is missing") from error


def parser() -> Parser:
    """Return the parser of the commands and their options."""
    parser = Parser(prog="python -m local", description="The Docker-free stack.")
    parser.set_defaults(command=serve)
    parser.add_argument("--template", type=Path, default=ROOT / "template.yaml", help="the SAM template to run")
    parser.add_argument(
        "--data", type=Path, default=ROOT / ".local", metavar="FOLDER", help="where data is kept between runs"
    )
    parser.add_argument("--parameter", action="append", default=[], metavar="NAME=VALUE", help="of the template")
    parser.add_argument("--parameters", default="", metavar="NAME=VALUE ...", help="several, separated by blanks")
    parser.add_argument("--off", default="", metavar="NAME,...", help="capabilities to switch off")
    parser.add_argument("--core", action="store_true", help="switch off all capabilities, and the event bus")
    commands = parser.add_subparsers(title="commands (without one: serve until Ctrl-C)", metavar="")

    command = commands.add_parser("session", help="print a Cookie or Authorization header for the running stack")
    command.add_argument("--user-id", type=user_id, default=42)
    command.add_argument(
        "--kind", choices=["next-auth", "authjs", "stored", "oidc", "oidc-cookie"], default="next-auth"
    )
    command.add_argument("--claims", type=claims, default={}, metavar="JSON", help="of a token; null takes one out")
    command.set_defaults(command=session)

    command = commands.add_parser(
        "seed", help="record about a hundred outcomes of the last 75 days, and what the agents cost"
    )
    command.add_argument("--user-id", type=user_id, default=42)
    command.set_defaults(command=seed)

    command = commands.add_parser("reset", help="delete all data, the key and the secrets")
    command.set_defaults(command=reset)

    command = commands.add_parser("aws", help="serve DynamoDB and Secrets Manager for sam local start-api")
    command.add_argument("--port", type=port, default=5001)
    command.add_argument("--bind", metavar="ADDRESS", help="where containers connect (default: docker0's address)")
    command.set_defaults(command=aws)
    return parser


def serve(options: argparse.Namespace) -> None:
    """Serve the API, the functions and the simulated AWS services, until Ctrl-C."""
    from local.data import exclusive
    from local.sockets import listening_socket

    # Lock the data folder before the slow imports, so that a second start fails fast.
    with exclusive(options.data), listening_socket("127.0.0.1", listening_port()) as listener:
        from local.stack import run

        settings = settings_of(options)
        asyncio.run(run(settings, listener))


def aws(options: argparse.Namespace) -> None:
    """Serve only the simulated AWS services, until Ctrl-C."""
    from local.data import exclusive
    from local.sockets import docker_address

    with exclusive(options.data):
        from local.stack import run_aws

        asyncio.run(run_aws(settings_of(options), options.port, options.bind or docker_address()))


def session(options: argparse.Namespace) -> None:
    """Print a Cookie or Authorization header to paste after curl -H."""
    from local import issuer
    from local.data import STACK, State
    from local.session_cookies import mint

    state, user_id, now = State.read(options.data / STACK), options.user_id, int(time.time())
    if options.kind in issuer.KINDS:
        secret = state.session_secret
        print(issuer.header(options.kind, state.parameters, state.url, secret, user_id, now, options.claims))
        return
    if options.claims:
        raise StackError(f"CLAIMS are of a token: KIND must be one of {', '.join(issuer.KINDS)}")
    minted = mint(options.kind, user_id, state.session_secret, now)
    if minted.row is not None:
        state.aws.client("dynamodb").put_item(TableName=state.table("SessionsTable"), Item=minted.row)
    print(f"Cookie: {minted.cookie}")


def seed(options: argparse.Namespace) -> None:
    """Record demo outcomes in the running stack, and make a statement of the user who has one."""
    import httpx

    from local.data import SEEDED, STACK, State
    from local.data_folder import bring_rows
    from local.demo import DEMO_USER
    from local.seed import SIGNED_USER, sign
    from local.seed import seed as record_outcomes
    from local.session_cookies import mint

    state = State.read(options.data / STACK)
    now = time.time_ns() // 1_000_000
    signs = "Statements" not in state.off
    for user in [options.user_id, *([SIGNED_USER] if signs and options.user_id == DEMO_USER else [])]:
        cookie = mint("next-auth", user, state.session_secret, now // 1000).cookie
        by_key, by_session = {"Authorization": f"Bearer {state.key}"}, {"Cookie": cookie}
        with (
            httpx.Client(base_url=state.url, headers=by_key, timeout=30) as api,
            httpx.Client(base_url=state.url, headers=by_session, timeout=30) as owner,
        ):
            bring = partial(bring_rows, options)
            record_outcomes(api, owner, user, options.data / SEEDED, now, bring, state.off)
            if signs and user == SIGNED_USER:
                sign(owner, user, now)


def reset(options: argparse.Namespace) -> None:
    """Delete the data, the key and the secrets."""
    from local.data import empty, named

    empty(options.data)
    run = f"make run{named(options.data)}"
    print(f"{options.data} is empty: {run} starts with no outcomes, a new key and a new session secret.")


def settings_of(options: argparse.Namespace) -> "Settings":
    """Return settings from the options, the environment and the data folder, in this order of precedence.

    An empty environment variable counts as unset.
    """
    from local.data import engine_of, kept_secrets
    from local.stack import Settings

    pairs = [text.partition("=") for text in [*options.parameter, *options.parameters.split()]]
    if wrong := [name for name, equals, _ in pairs if not equals]:
        raise StackError(f"a parameter is given as NAME=VALUE, not {wrong[0]}")
    kept = kept_secrets(options.data)
    key = os.environ.get("INTERNAL_API_KEY") or kept.key
    if not (key.isascii() and key.isprintable() and key == key.strip()):
        raise StackError("INTERNAL_API_KEY must be printable ASCII without spaces around it: it travels in a header")
    oidc_issuer = os.environ.get("OIDC_ISSUER", "")
    if oidc_issuer and not os.environ.get("OIDC_AUDIENCE"):
        raise StackError("OIDC_ISSUER needs OIDC_AUDIENCE, what its tokens name as aud")
    return Settings(
        key=key,
        session_secret=os.environ.get("SESSION_SECRET") or kept.session_secret,
        aws_secret=os.environ.get("LOCAL_AWS_SECRET") or kept.aws_secret,
        erasure_secret=kept.erasure_secret,
        dashboard_origins=os.environ.get("DASHBOARD_ORIGINS", ""),
        allowed_hosts=frozenset(
            host.strip().lower() for host in os.environ.get("ALLOWED_HOSTS", "").split(",") if host.strip()
        ),
        oidc_issuer=oidc_issuer,
        oidc_audience=os.environ.get("OIDC_AUDIENCE", ""),
        events_url=events_url(os.environ.get("EVENTS_URL", "")),
        port=listening_port(),
        template=options.template,
        data=options.data,
        parameters={name: value for name, _, value in pairs},
        off=frozenset(name.strip() for name in options.off.split(",") if name.strip()),
        core=options.core,
        engine=engine_of(options.data, os.environ.get("ENGINE", "")),
    )


def claims(text: str) -> dict[str, Any]:
    """Parse the claims of a token. Raises ArgumentTypeError when they are not a JSON object."""
    try:
        value = json.loads(text or "{}")
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise argparse.ArgumentTypeError("""must be a JSON object such as '{"exp":1}'""")
    return value


def events_url(text: str) -> str:
    """Check the URL to which events are posted. Raises StackError if it is not an HTTP URL."""
    try:
        parts = urlsplit(text)
        is_url = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:  # the URL has malformed brackets or a malformed port
        is_url = False
    if text and not is_url:
        raise StackError("EVENTS_URL must be a URL such as http://127.0.0.1:8000/events")
    return text


def listening_port() -> int:
    """Read the API's port from the environment. Raises StackError if it is not a port."""
    try:
        return port(os.environ.get("PORT") or DEFAULT_PORT)
    except argparse.ArgumentTypeError as error:
        raise StackError(f"PORT {error}") from error


def port(text: str) -> int:
    """Parse a port. 0 means any free port. Raises ArgumentTypeError."""
    if not (text.isascii() and text.isdigit() and int(text) < 2**16):
        raise argparse.ArgumentTypeError(f"must be a number from 0 to 65535, not {text!r}")
    return int(text)


def log_to_stderr() -> None:
    """Log requests and function errors, but not messages of libraries."""
    log = logging.getLogger("local")
    log.handlers = [logging.StreamHandler()]
    log.setLevel(logging.INFO)
    log.propagate = False


if __name__ == "__main__":
    # Garbage collection while modules load would take a sixth of the start-up time. `stack` turns it on again.
    gc.disable()
    code = main()
    # Python collects garbage on exit, which would take one second per 6,000 outcomes in the stack.
    gc.freeze()
    sys.exit(code)
