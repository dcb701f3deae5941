"""Test the Makefile on machines that lack the programs that it needs."""

import json
import re
import shutil
import subprocess
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest

from .conftest import ROOT

EXAMPLES = sorted(ROOT.glob("docs/examples/*/package.json"))


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """Return a fresh clone in which nothing is installed. The folder's name contains a space."""
    folder = tmp_path / "my clone"
    folder.mkdir()
    (folder / ".ci/tools").mkdir(parents=True)
    for name in ("Makefile", "pyproject.toml", "uv.lock", ".python-version", ".ci/uv.txt", ".ci/tools/uv.lock"):
        shutil.copy(ROOT / name, folder / name)
    return folder


def touch(clone: Path, *files: str, uv: bool = True) -> None:
    """Create empty files. uv: whether to also create the file that marks uv as installed."""
    [version] = re.findall(r"^uv==(\S+)", (clone / ".ci/uv.txt").read_text(), re.MULTILINE)
    for file in ([f".tools/uv-{version}.dist-info/METADATA"] if uv else []) + list(files):
        (clone / file).parent.mkdir(parents=True, exist_ok=True)
        (clone / file).touch()


def program(file: Path, script: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)


def make(clone: Path, target: str, *settings: str, **programs: str) -> subprocess.CompletedProcess[str]:
    """Run make with `settings`, each as NAME=value.

    Only the given programs are installed, and the tools that make itself needs. programs: for the name of each program,
    the text of a shell script.
    """
    tools = clone / "machine"
    tools.mkdir()
    for tool in ("make", "sh", "sed", "expand", "touch", "cp"):
        (tools / tool).symlink_to(str(shutil.which(tool)))
    for name, script in programs.items():
        program(tools / name, script)
    return subprocess.run(
        ["make", target, *settings],
        cwd=clone,
        env={"PATH": str(tools), "HOME": str(clone)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )


def make_dry(clone: Path, target: str, *settings: str) -> str:
    """Return the commands that make would run."""
    dry = ["make", "--dry-run", target, *settings]
    return subprocess.run(dry, cwd=clone, capture_output=True, text=True, check=True).stdout


def own_lines(stderr: str) -> list[str]:
    """Return the messages that the Makefile prints. Lines of make itself and "Installing ..." are left out."""
    return [line for line in stderr.splitlines() if not re.match(r"make(\[\d+\])?:|Installing", line)]


@pytest.mark.parametrize(
    ("programs", "says"),
    [
        ({}, "python3 is needed: install it, then run make again."),
        ({"python3": "exit 1"}, "pip is needed (python3 -m pip): install it, then run make again."),
        (
            {"python3": 'case "$*" in *install*) exit 1;; esac'},
            "pip could not install uv: see above. Can this machine reach PyPI?",
        ),
        (
            {"uv": "exit 2"},
            "Python 3.13 is not on this machine and could not be downloaded: install it, then run make again.",
        ),
    ],
)
def test_a_missing_program_is_named_in_one_line(clone: Path, programs: dict[str, str], says: str) -> None:
    if "uv" in programs:
        touch(clone)
        program(clone / ".tools/bin/uv", programs["uv"])

    done = make(clone, "run", **programs)

    assert done.returncode != 0
    assert own_lines(done.stderr) == [says]


OFF = "YES=0 NOW=0 FORCE=0 UNDO=0 COMPARE=0 SKIP_REFUSED=0"


@pytest.mark.parametrize(
    ("target", "settings", "options"),
    [
        (
            "run",
            ["CORE=1", "OFF=Export,ModelTools", "PARAMETERS=Totals=On Tracing='a b'"],
            ["local", "--data", ".local", "--core", "--off=Export,ModelTools", "--parameters=Totals=On Tracing='a b'"],
        ),
        ("end-key", ["FINGERPRINT=f"], ["ops.end_key", "", "f"]),
        ("end-key", ["FINGERPRINT=f", "NOW=1", "YES=1"], ["ops.end_key", "--now", "--yes", "", "f"]),
        ("end-key", ["FINGERPRINT=f", *OFF.split()], ["ops.end_key", "", "f"]),
        ("erase", ["AGAIN=1"], ["ops.data_request", "--data", ".local", "erase", "--again"]),
        # A variable of the shell that is not set must not choose the local stack.
        ("erase", ["AGAIN=1", "STACK="], ["ops.data_request", "--stack=", "erase", "--again"]),
        (
            *("export-user", ["USER_ID=7", "DATA=it's"]),
            ["ops.data_request", "--data", "it's", "export", "--user-id=7", "--file="],
        ),
        ("erase", ["AGAIN=0", "USER_ID=7"], ["ops.data_request", "--data", ".local", "erase", "--user-id=7"]),
        ("end-key", ["FINGERPRINT=f", "SECRET=previous"], ["ops.end_key", "--previous-secret", "", "f"]),
        *(
            (
                "import-history",
                ["FILE=old.csv", *settings.split()],
                ["history", "--data", ".local", "--file=old.csv", "--mapping=", f"--round={round_}", *options.split()],
            )
            for settings, round_, options in (
                ("", 1, ""),
                ("YES=1", 1, "--yes"),
                ("UNDO=1 FORCE=1 YES=1 ROUND=2", 2, "--yes --force --undo"),
                ("COMPARE=1", 1, "--compare"),
                ("SKIP_REFUSED=1", 1, "--skip-refused"),
                (OFF, 1, ""),
            )
        ),
    ],
)
def test_a_command_gets_the_options_that_are_set(
    clone: Path, target: str, settings: list[str], options: list[str]
) -> None:
    program(clone / ".venv/bin/python", 'printf "%s\\n" "$@"')
    touch(clone, ".venv/installed", "local/viewer/package-lock.json")

    done = make(clone, target, *settings)

    assert done.stdout.splitlines() == ["-m", *options]


def test_an_empty_data_folder_is_refused(clone: Path) -> None:
    """It would be the folder of the repository. `DATA=$folder` is empty if the shell's variable is not set."""
    done = make(clone, "reset", "DATA=")
    assert (done.returncode, done.stdout) == (2, "")
    assert "DATA is empty: name a folder, or leave it out." in done.stderr


@pytest.mark.parametrize(
    ("programs", "says"),
    [({}, []), ({"npm": "exit 1"}, ["npm could not install the viewer: /docs names openapi.yaml instead."])],
)
def test_the_stack_runs_without_the_viewer_of_the_reference(
    clone: Path, programs: dict[str, str], says: list[str]
) -> None:
    program(clone / ".venv/bin/python", 'echo "runs $2"')
    touch(clone, ".venv/installed", "local/viewer/package-lock.json")

    done = make(clone, "run", **programs)

    assert (done.returncode, done.stdout) == (0, "runs local\n")
    assert own_lines(done.stderr) == says


NEXTJS = "docs/examples/nextjs"


@pytest.mark.parametrize(("settings", "fails"), [([], False), (["CI=true"], True)])
@pytest.mark.parametrize(
    ("target", "folder", "skipped", "says"),
    [
        ("check-dashboard", "dashboard", "accessibility", "CHECKED: the dashboard, because npm is missing."),
        ("check-workflows", "dashboard", "accessibility", "CHECKED: the workflows, because npm is missing."),
        (
            *("check-typescript", "clients/typescript", "the TypeScript client"),
            "CHECKED: the TypeScript client, because npm is missing.",
        ),
        ("examples", NEXTJS, "accessibility", "TRIED: the examples, because npm or their packages are missing."),
    ],
)
def test_checks_without_npm_are_skipped_and_fail_in_ci(
    clone: Path, target: str, folder: str, skipped: str, says: str, settings: list[str], fails: bool
) -> None:
    more = [f"{NEXTJS}/package.json", "dashboard/package-lock.json", "clients/typescript/package-lock.json"]
    touch(clone, f"{folder}/package-lock.json", *(more if folder == NEXTJS else ()), ".venv/installed")

    done = make(clone, target, *settings)

    assert (done.returncode != 0) is fails
    said = own_lines(done.stderr)
    assert (said[0], said[-1]) == (f"npm is not installed: tests of {skipped} are skipped.", f"NOT {says}")
    assert len(said) == 2 or folder == NEXTJS


def test_the_makefile_names_no_registry() -> None:
    assert not re.search(r"pypi\.org|pythonhosted|npmjs", (ROOT / "Makefile").read_text())


@pytest.mark.parametrize(("reached", "says"), [("", []), ("exit 1", ["Python packages", "npm packages"])])
def test_vulnerabilities_are_looked_up_where_the_registries_answer(clone: Path, reached: str, says: list[str]) -> None:
    shutil.copytree(ROOT / "dashboard", clone / "dashboard", ignore=lambda _, names: {*names} - {"package-lock.json"})
    program(clone / ".tools/bin/uv", "true")
    program(clone / ".tools/pip-audit/bin/pip-audit", reached or 'echo "pip-audit $*"')
    touch(clone, "layers/common/requirements.txt", ".tools/pip-audit/installed")

    npm = reached or 'case "$*" in *--json*) echo auditReportVersion;; *) echo "npm $*";; esac'
    done = make(clone, "audit-where-possible", npm=npm, grep=f'exec {shutil.which("grep")} "$@"')

    assert done.returncode == 0, done.stderr
    assert own_lines(done.stderr) == [
        f"NOT AUDITED: {kind}, because this machine cannot look them up. Run make audit where it can." for kind in says
    ]
    for audited in (
        "npm audit --prefix dashboard",
        *(f".tools/audited-{name}.txt" for name in ("deployed", "uv", "sam")),
    ):
        assert (audited in done.stdout) is (not says)


def test_a_deployment_builds_only_for_a_known_account_and_uploads_the_dashboard_even_without_changes(
    clone: Path,
) -> None:
    """Building runs code from many packages. In a pipeline, it must not run with the permissions to deploy."""
    touch(clone, ".venv/installed", ".tools/sam/installed")

    built = make_dry(clone, "deploy", "BUILT=1")
    assert "sam build" not in built
    assert ".venv" not in built  # its packages are partly built from source
    for settings in (["ENV=prod"], ["ENV=prod", "BUILT=0"]):
        before, account, after = make_dry(clone, "deploy", *settings).partition("-m ops.account 'prod'")
        assert account
        assert ["sam build" in each for each in (before, after)] == [False, True]
        [options, _] = after.partition("sam deploy")[2].split("ops.publish")
        assert "--no-fail-on-empty-changeset" in re.sub(r"\$\(.*?\)", "", options)  # on a terminal, too


@pytest.mark.parametrize("changed", ["dashboard/public/index.html", "docs/value-delivered.png"])
def test_a_picture_of_an_earlier_page_is_refused(clone: Path, changed: str) -> None:
    def check() -> subprocess.CompletedProcess[str]:
        return subprocess.run(["make", "check-picture"], cwd=clone, capture_output=True, text=True)

    [pictured] = re.findall(r"(?m)^git hash-object (.*?) \|", make_dry(clone, "check-picture"))
    touch(clone, *pictured.split(), ".venv/installed")
    program(clone / ".venv/bin/python", "true")
    make(clone, "picture", git=f'exec {shutil.which("git")} "$@"')
    assert check().returncode == 0

    (clone / changed).write_text("another page")
    assert own_lines(check().stderr) == [
        "docs/value-delivered.png shows an earlier page or earlier data: run `make picture`."
    ]


def test_a_missing_build_is_one_line(clone: Path) -> None:
    program(clone / ".tools/sam/bin/python", "true")
    touch(clone, ".tools/sam/installed")

    done = make(clone, "deploy", "BUILT=1", test='[ "$@" ]')

    assert done.returncode != 0
    assert own_lines(done.stderr) == [".aws-sam/build has no build: leave out BUILT."]


LOCK_TESTS = "lock --upgrade-package joserfc==1.8.0 --upgrade-package tzdata==2026.6"


@pytest.mark.parametrize(
    ("part", "locks"),
    [
        ("runtime", ["pip compile pyproject.toml --output-file layers/common/requirements.txt --upgrade", LOCK_TESTS]),
        ("tools", [f"{LOCK_TESTS} --upgrade", "lock --project .ci/tools --upgrade"]),
    ],
)
def test_what_is_deployed_is_upgraded_apart_from_the_tools(clone: Path, part: str, locks: list[str]) -> None:
    program(clone / ".tools/bin/uv", 'echo "uv $*"')
    program(clone / ".venv/bin/python", 'echo "python $*"')
    touch(clone, "dashboard/package-lock.json", "layers/common/requirements.txt", ".venv/installed")
    (clone / "layers/common/requirements.txt").write_text(
        "# made by make lock\njoserfc==1.8.0 \\\n    --hash=sha256:1760\ntzdata==2026.6 ; python_version > '3' \\\n"
    )

    done = make(clone, "--silent", "upgrade", f"PART={part}", npm='echo "npm $*"')

    assert done.returncode == 0, done.stderr
    options = r" --(quiet|universal|generate-hashes|no-annotate|custom-compile-command make lock)\b"
    called = [re.sub(options, "", line) for line in done.stdout.splitlines() if line.startswith("uv ")]
    assert called == [f"uv {lock}" for lock in locks]
    for of_tools in ("npm update --prefix dashboard", "python -m release.build_backends"):
        assert (of_tools in done.stdout) is (part == "tools")


@pytest.mark.parametrize(
    "folder",
    [
        "dashboard",
        "clients/typescript",
        "local/viewer",
        "tests/auth",
        *(str(path.parent.relative_to(ROOT)) for path in EXAMPLES),
    ],
)
def test_npm_packages_are_pinned_and_name_no_registry(folder: str) -> None:
    locked = json.loads((ROOT / folder / "package-lock.json").read_text())["packages"]
    package = json.loads((ROOT / folder / "package.json").read_text())
    root = locked.pop("")

    for kind in ("dependencies", "devDependencies"):
        assert root.get(kind) == package.get(kind)
    wanted = package.get("devDependencies", {}) | package.get("dependencies", {})
    # This package is a link to the client's folder, and does not come from the registry.
    if "outcomes-client" in wanted:
        assert wanted.pop("outcomes-client") == locked.pop("node_modules/outcomes-client")["resolved"]
    # The pattern also finds the version in an alias such as npm:ai@6.0.325.
    versions = {name: version.rpartition("@")[2] for name, version in wanted.items()}
    assert {name: locked[f"node_modules/{name}"]["version"] for name in wanted} == versions
    assert all("integrity" in package and "resolved" not in package for package in locked.values())


def test_make_alone_lists_every_target(clone: Path) -> None:
    done = make(clone, "help")

    targets = set(re.findall(r"^([a-z]+):", (clone / "Makefile").read_text(), re.MULTILINE)) - {"install"}
    assert done.returncode == 0
    assert set(re.findall(r"^  make ([a-z]+)  +\S", done.stdout, re.MULTILINE)) == targets


def test_every_measured_folder_has_a_coverage_limit() -> None:
    recipe = subprocess.run(["make", "-n", "coverage"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    gates = {
        pattern: int(percent)
        for patterns, percent in re.findall(r"'([^'=]+)=(\d+)'", recipe)
        for pattern in patterns.split(",")
    }
    measured = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["coverage"]["run"]
    assert measured["branch"]
    for folder in measured["source"]:
        [least] = [percent for pattern, percent in gates.items() if fnmatch(f"{folder}/", pattern)]
        assert least >= 95, folder
