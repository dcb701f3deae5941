"""GitHub's workflows run the same commands as people do, use pinned actions, and need no stored AWS key."""

import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

from ops.template import parse_yaml
from tests.template.conftest import ROOT

WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
SETUP = ROOT / ".github/actions/setup/action.yml"
DEPENDABOT = parse_yaml((ROOT / ".github/dependabot.yml").read_text())
READ = {"contents": "read"}
MAY = {
    "deploy.yml/deploy": READ | {"id-token": "write"},
    "release.yml/pypi": READ | {"id-token": "write"},
    "release.yml/npm": READ | {"id-token": "write"},
    "release.yml/github": {"contents": "write"},
    "upgrade.yml/propose": {"contents": "write", "pull-requests": "write"},
}
"""Permissions of jobs. Every other job may only read the repository. Do not add lines carelessly."""


def jobs(file: Path) -> Any:
    return parse_yaml(file.read_text())["jobs"]


def steps(file: Path) -> list[Any]:
    return [step for job in jobs(file).values() for step in job.get("steps", [])]


def workflow(name: str) -> Path:
    return ROOT / ".github/workflows" / name


@pytest.mark.parametrize("file", [*WORKFLOWS, SETUP], ids=lambda file: file.name)
def test_an_action_is_pinned_by_commit_with_its_version_named(file: Path) -> None:
    used = re.findall(r"uses: (.*)", file.read_text())

    assert used
    for action in used:
        assert re.fullmatch(
            r"\./\.github/(workflows/check\.yml|actions/setup)|[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action
        )


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
def test_a_job_has_only_the_rights_it_needs(file: Path) -> None:
    assert parse_yaml(file.read_text())["permissions"] == READ
    for name, job in jobs(file).items():
        assert job.get("permissions", READ) == MAY.get(f"{file.name}/{name}", READ)
        assert "timeout-minutes" in job or "uses" in job


def test_a_pull_request_runs_what_people_run() -> None:
    text = workflow("check.yml").read_text()

    assert "pull_request:" in text
    assert "pull_request_target" not in text
    assert "run: make check audit examples coverage build release-check" in text


def test_a_deployment_is_checked_before_and_smoke_tested_after() -> None:
    deploy = jobs(workflow("deploy.yml"))["deploy"]

    assert deploy["needs"] == "check"
    assert deploy["environment"] == "${{ inputs.environment }}"
    commands = [step["run"] for step in deploy["steps"] if "run" in step]
    assert [command.split()[:2] for command in commands] == [["make", "build"], ["make", "deploy"], ["make", "smoke"]]


def test_everything_is_built_before_the_role_is_assumed() -> None:
    told = [step.get("run", step.get("uses", "")) for step in jobs(workflow("deploy.yml"))["deploy"]["steps"]]
    [assumed] = [place for place, text in enumerate(told) if "configure-aws-credentials" in text]

    assert "make build" in told[:assumed]
    assert [text.split()[:3] for text in told[assumed + 1 :]] == [
        ["make", "deploy", "BUILT=1"],
        ["make", "smoke", 'STACK="outcomes-$ENVIRONMENT"'],
    ]


def test_workflows_use_aws_without_a_stored_key() -> None:
    for file in WORKFLOWS:
        assert "aws-access-key-id" not in file.read_text()
    [credentials] = [step for file in WORKFLOWS for step in steps(file) if "configure-aws" in step.get("uses", "")]
    assert credentials["with"].keys() == {"role-to-assume", "aws-region"}


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
def test_no_outside_input_becomes_part_of_a_command(file: Path) -> None:
    """Scripts get inputs as environment variables. So an input cannot become part of a script."""
    for step in steps(file):
        assert "${{" not in step.get("run", "")


def test_every_check_that_is_skipped_says_why() -> None:
    skipped = (ROOT / ".checkov.yaml").read_text().partition("skip-check:\n")[2].splitlines()
    checks = [line for line in skipped if line.strip().startswith("- ")]

    assert checks
    assert all(re.fullmatch(r"  - CKV2?_AWS_\d+ # .{4,}", line) for line in checks)


def test_node_and_python_are_pinned_in_one_place() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+\n", (ROOT / ".node-version").read_text())
    for file in [*WORKFLOWS, SETUP]:
        assert not re.search(r"(node|python)-version:", file.read_text())


def test_a_release_publishes_what_was_checked_and_tried() -> None:
    release = jobs(workflow("release.yml"))

    needs = {name: job.get("needs") for name, job in release.items()}
    assert needs == {"check": None, "build": "check", "pypi": "build", "npm": "build", "github": ["pypi", "npm"]}
    assert 'make release-check TAG="$GITHUB_REF_NAME"' in [step.get("run") for step in release["build"]["steps"]]
    for name in ("pypi", "npm"):
        assert release[name]["environment"] == name
        assert "sha256sum --check --strict SHA256SUMS" in [step.get("run") for step in release[name]["steps"]]
    # npm reads a path such as release/a.tgz, without ./, as the GitHub repository a.tgz of the owner release.
    assert "npm publish ./release/*.tgz " in release["npm"]["steps"][-1]["run"]


def test_a_release_is_built_without_the_caches_of_other_runs() -> None:
    [setup] = [step for step in jobs(workflow("release.yml"))["build"]["steps"] if "setup" in step.get("uses", "")]

    assert setup["with"] == {"caches": "false"}


def test_no_workflow_has_a_token_of_a_registry() -> None:
    secrets = {secret for file in WORKFLOWS for secret in re.findall(r"secrets\.(\w+)", file.read_text())}

    assert secrets == {"INTERNAL_API_KEY"}


def test_upgrades_are_tested_by_a_job_that_may_not_write() -> None:
    upgrade = jobs(workflow("upgrade.yml"))

    tested = [step.get("run") for step in upgrade["test"]["steps"]]
    assert "make check audit test examples soak release-check" in tested
    assert upgrade["propose"]["needs"] == "test"
    [proposed] = [step["run"] for step in upgrade["propose"]["steps"] if "run" in step]
    assert "make" not in proposed.split()
    for lock in ("uv.lock", ".ci/tools/uv.lock", "layers/common/requirements.txt"):
        assert f"--include={lock}" in proposed.split()
    # With --fill, gh looks for a local branch of the name of --head, and there is none.
    assert "--fill" not in proposed
    assert 'gh pr create --head "upgrade/$PART" --title "Upgrade the $PART packages" --body ' in proposed


def test_dependabot_watches_every_folder_of_packages_and_of_actions() -> None:
    watched = {
        (update["package-ecosystem"], folder)
        for update in DEPENDABOT["updates"]
        for folder in update.get("directories", [update.get("directory")])
    }

    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    npm = {("npm", f"/{file.removesuffix('/package.json')}") for file in tracked if file.endswith("/package.json")}
    actions = {("github-actions", "/"), ("github-actions", "/.github/actions/setup")}
    python = {("uv", "/"), ("uv", "/.ci/tools"), ("pip", "/.ci"), ("pip", "/layers/common")}
    assert watched == npm | actions | python


def test_dependabot_leaves_newer_versions_of_what_is_deployed_to_the_weekly_upgrade() -> None:
    [uv] = [update for update in DEPENDABOT["updates"] if update["package-ecosystem"] == "uv"]
    [layer] = [update for update in DEPENDABOT["updates"] if update.get("directory") == "/layers/common"]
    dependencies = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]

    assert [one["dependency-name"] for one in uv["ignore"]] == [re.split("[><=]", each)[0] for each in dependencies]
    # This limits only version updates; security updates have a limit of their own.
    assert layer["open-pull-requests-limit"] == 0


def test_every_lock_file_of_npm_is_audited_and_upgraded() -> None:
    printed = subprocess.run(["make", "--dry-run", "audit-npm"], cwd=ROOT, capture_output=True, text=True, check=True)
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()

    [looped] = re.findall(r"for lock in (.*?);", printed.stdout)
    assert set(looped.split()) == {file for file in tracked if file.endswith("package-lock.json")}
