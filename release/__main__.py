"""make release-check: build everything that a release publishes, try it, and write it with checksums into .release.

It installs the wheel, the sdist and the npm package into separate empty folders. Each package then records an outcome
in a local stack that runs for this check alone.
"""

import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType

from local.data import STACK, State
from local.session_cookies import mint
from ops.command import Parser, exit_code
from ops.errors import StackError
from release.version import ROOT, project_version

UV = ROOT / ".tools/bin/uv"
TWINE = ROOT / ".tools/twine/bin/twine"
PUBLINT = ROOT / "clients/typescript/node_modules/.bin/publint"
ARCHITECTURES = ("arm64", "x86_64")
USER_ID = 42
START_SECONDS = 60

RECORD = {
    "python": """
import sys
from outcomes_client import OutcomesClient
with OutcomesClient() as outcomes:
    outcomes.record("deal_closed", sys.argv[1], value_usd=1, user_id=int(sys.argv[2]))
""",
    "node": """
import { OutcomesClient } from "outcomes-client";
await new OutcomesClient().record("deal_closed", process.argv[2], { valueUsd: 1, userId: Number(process.argv[3]) });
""",
}
LIST = """
from outcomes_client import OutcomesClient
with OutcomesClient() as outcomes:
    print(*(outcome.title for outcome in outcomes.list().outcomes), sep="\\n")
"""


def main() -> int:
    """Build and try a release, and return the exit code of the process."""
    return exit_code(release)


def release() -> None:
    """Build and try a release, and print each step. Raises StackError."""
    parser = Parser(prog="python -m release", description="Build and try what a release publishes.")
    parser.add_argument("--tag", help="the release's tag, which must be v and the version")
    parser.add_argument("--to", type=Path, default=ROOT / ".release", metavar="FOLDER")
    options = parser.parse_args()
    version = project_version()
    try:
        check_tag(options.tag, version)
        shutil.rmtree(options.to, ignore_errors=True)
        options.to.mkdir(parents=True)
        (options.to / "NOTES.md").write_text(notes(version))
        build(options.to, version)
        check(options.to)
        with TemporaryDirectory() as folder:
            try_packages(options.to, Path(folder))
    except (subprocess.CalledProcessError, ValueError) as error:
        raise StackError(str(error)) from error
    write_checksums(options.to)
    say(f"ready: {options.to}")


def check_tag(tag: str | None, version: str) -> None:
    """Raise ValueError if the tag does not match the version, or if the version is a development version."""
    if tag is not None and (tag != f"v{version}" or ".dev" in version):
        raise ValueError(f"tag {tag} does not release version {version} of pyproject.toml: see docs/upgrading.md")


def notes(version: str, changelog: str | None = None) -> str:
    """Return the changelog's entry for a version, or the entry "Unreleased" for a development version.

    Raises ValueError if the entry is missing.
    """
    heading = "Unreleased" if ".dev" in version else version
    text = (ROOT / "CHANGELOG.md").read_text() if changelog is None else changelog
    found = re.search(rf"^## {re.escape(heading)}\b.*\n((?:(?!## ).*\n?)*)", text, re.MULTILINE)
    if found is None:
        raise ValueError(f"CHANGELOG.md has no heading `## {heading}`")
    return found[1].strip() + "\n"


def build(to: Path, version: str) -> None:
    """Build the packages of both clients, the deployment for each architecture, and bills of materials."""
    say("build: the wheel and the sdist")
    run(UV, "build", "--quiet", "--package", "outcomes-client", "--out-dir", to)
    (to / ".gitignore").unlink(missing_ok=True)
    say("build: the npm package")
    run("npm", "pack", "--silent", "--pack-destination", to, cwd=ROOT / "clients/typescript")
    for architecture in ARCHITECTURES:
        say(f"build: the deployment for {architecture}")
        with TemporaryDirectory() as folder:
            run("make", "build", f"ARCH={architecture}", f"BUILD_DIR={folder}/build")
            archive(Path(folder) / "build", to / f"outcomes-api-{version}-{architecture}.zip")
    say("build: bills of materials (CycloneDX)")
    exported = (UV, "export", "--quiet", "--locked", "--no-dev", "--format", "cyclonedx1.5")
    (to / f"outcomes-api-{version}.cdx.json").write_text(run(*exported))
    client = run(*exported, "--package", "outcomes-client", "--all-extras")
    (to / f"outcomes-client-python-{version}.cdx.json").write_text(client)
    npm = run("npm", "sbom", "--sbom-format", "cyclonedx", "--omit", "dev", cwd=ROOT / "clients/typescript")
    (to / f"outcomes-client-npm-{version}.cdx.json").write_text(npm)


def archive(folder: Path, to: Path) -> None:
    """Write a folder as a zip file whose bytes only depend on the files, not on the build time."""
    with zipfile.ZipFile(to, "w", zipfile.ZIP_DEFLATED) as written:
        for file in sorted(path for path in folder.rglob("*") if path.is_file()):
            entry = zipfile.ZipInfo(str(file.relative_to(folder)))
            entry.external_attr = 0o644 << 16
            written.writestr(entry, file.read_bytes(), zipfile.ZIP_DEFLATED)


def check(to: Path) -> None:
    """Check the packages' metadata as the registries do, and more strictly."""
    wheel, sdist, npm = packages(to)
    say("check: twine check --strict")
    run(TWINE, "check", "--strict", wheel, sdist)
    say("check: publint --strict")
    run(PUBLINT, "run", npm, "--strict")


def packages(to: Path) -> list[Path]:
    """Return the wheel, the sdist and the npm package."""
    return [next(to.glob(pattern)) for pattern in ("*.whl", "*.tar.gz", "*.tgz")]


def try_packages(to: Path, folder: Path) -> None:
    """Install each package into an empty folder, record an outcome with each, and list the recorded outcomes.

    Raises ValueError if the list differs from what was recorded.
    """
    wheel, sdist, npm = packages(to)
    with running(folder / "data") as stack:
        for package in (wheel, sdist):
            say(f"try: {package.name}")
            python = install_python(package, folder / package.name.replace(".", "-"))
            run(python, "-I", "-c", RECORD["python"], package.name, USER_ID, environment=stack)
        say(f"try: {npm.name}")
        record = install_node(npm, folder / "node")
        run("node", record, npm.name, USER_ID, environment=stack)
        listed = run(python, "-I", "-c", LIST, environment=stack).split()
    if listed != [npm.name, sdist.name, wheel.name]:
        raise ValueError(f"recorded with three packages, but listed {listed}")


def install_python(package: Path, folder: Path) -> Path:
    """Install a package into a new virtual environment, and return the path of that environment's Python."""
    run(UV, "venv", "--quiet", "--no-project", "--python", "3.13", folder)
    python = folder / "bin/python"
    # This runs in the root folder, whose pyproject.toml pins the build backend of the sdist.
    run(UV, "pip", "install", "--quiet", "--python", python, f"outcomes-client[cli] @ {package.as_uri()}")
    run(folder / "bin/outcomes", "--version")
    return python


def install_node(package: Path, folder: Path) -> Path:
    """Install a package into a new folder, and return the path of a module there that records an outcome."""
    folder.mkdir()
    run("npm", "install", "--silent", "--no-audit", "--no-fund", package, cwd=folder)
    module = folder / "record.mjs"
    module.write_text(RECORD["node"])
    return module


@contextmanager
def running(data: Path) -> Iterator[Mapping[str, str]]:
    """Run `make run` on a free port, and yield the environment variables that clients need."""
    say("try: make run")
    log = data.with_suffix(".log")
    with log.open("w") as output:
        process = subprocess.Popen(
            ["make", "run", f"DATA={data}"],
            cwd=ROOT,
            env=clean_environment() | {"PORT": "0"},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        until = time.monotonic() + START_SECONDS
        while not (data / STACK).exists():
            if process.poll() is not None or time.monotonic() > until:
                raise ValueError(f"make run did not start: {log.read_text()}")
            time.sleep(0.1)
        state = State.read(data / STACK)
        cookie = mint("next-auth", USER_ID, state.session_secret, int(time.time())).cookie
        yield {"OUTCOMES_URL": state.url, "INTERNAL_API_KEY": state.key, "OUTCOMES_COOKIE": cookie}
    finally:
        os.killpg(process.pid, signal.SIGINT)
        process.wait(timeout=START_SECONDS)


def write_checksums(to: Path) -> None:
    """Write SHA256SUMS, which `sha256sum --check` reads."""
    sums = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(to.iterdir())}
    (to / "SHA256SUMS").write_text("".join(f"{digest}  {name}\n" for name, digest in sums.items()))
    print((to / "SHA256SUMS").read_text(), end="")


def run(*command: object, cwd: Path = ROOT, environment: Mapping[str, str] = MappingProxyType({})) -> str:
    """Run a command, and return its output. If it fails, print its output and raise CalledProcessError."""
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**clean_environment(), **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        print(done.stdout + done.stderr, file=sys.stderr)
        done.check_returncode()
    return done.stdout


def clean_environment() -> dict[str, str]:
    """Return the environment variables except those with which `make` passes its options to nested calls of make."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}


def say(step: str) -> None:
    print(step, flush=True)


if __name__ == "__main__":
    sys.exit(main())
