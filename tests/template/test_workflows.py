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


def needs(name: str) -> dict[str, Any]:
    return {job: part.get("needs") for job, part in jobs(workflow(name)).items()}


def commands(job: Any) -> list[list[str]]:
    return [step["run"].split() for step in job["steps"] if "run" in step]


def test_a_deployment_is_checked_before_and_smoke_tested_after_by_a_role_of_its_own() -> None:
    """The role that deploys has no rights to items, and that of the smoke test none to deploy."""
    deploy = jobs(workflow("deploy.yml"))["deploy"]
    told = [step.get("with", {}).get("role-to-assume") or step.get("run", "") for step in deploy["steps"]]

    assert needs("deploy.yml") == {"check": None, "build": "check", "deploy": "build"}
    assert deploy["environment"] == "${{ inputs.environment }}"
    assert [text for text in told if text][-4:] == [
        *("${{ vars.AWS_ROLE_ARN }}", 'make deploy BUILT=1 ENV="$ENVIRONMENT"'),
        *("${{ vars.AWS_SMOKE_ROLE_ARN }}", 'make smoke STACK="outcomes-$ENVIRONMENT"'),
    ]


TRUSTED = [
    f"{file.name}/{name}"
    for file in WORKFLOWS
    for name, job in jobs(file).items()
    if "id-token" in job.get("permissions", {})
]
MAKES = {".tools/sam/installed", "deploy", "smoke"}
"""Targets that trusted jobs make. `make deploy` has BUILT=1."""


@pytest.mark.parametrize("trusted", TRUSTED)
def test_a_job_that_others_trust_builds_nothing(trusted: str) -> None:
    """Any step of such a job can ask for its token, so the job gets what it publishes from a job without this right."""
    file, _, name = trusted.partition("/")
    job = jobs(workflow(file))[name]

    assert job["needs"] == "build"
    assert "permissions" not in jobs(workflow(file))["build"]
    [artifact] = [step["with"]["name"] for step in job["steps"] if "download-artifact" in step.get("uses", "")]
    uploads = [step for step in jobs(workflow(file))["build"]["steps"] if "upload-artifact" in step.get("uses", "")]
    assert [step["with"]["name"] for step in uploads] == [artifact]
    for command in commands(job):
        assert not {"build", "install", "ci", "pip", "uv"} & {*command}
        assert command[0] != "make" or command[1] in MAKES


def test_the_tools_of_a_trusted_job_are_never_built_from_source() -> None:
    tools = tomllib.loads((ROOT / ".ci/tools/pyproject.toml").read_text())

    assert tools["tool"]["uv"]["no-build"] is True


def test_workflows_use_aws_without_a_stored_key() -> None:
    for file in WORKFLOWS:
        assert "aws-access-key-id" not in file.read_text()
    credentials = [step for file in WORKFLOWS for step in steps(file) if "configure-aws" in step.get("uses", "")]
    assert credentials
    for step in credentials:
        assert step["with"].keys() - {"unset-current-credentials"} == {"role-to-assume", "aws-region"}


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

    assert needs("release.yml") == {
        "check": None,
        "build": "check",
        "pypi": "build",
        "npm": "build",
        "github": ["pypi", "npm"],
    }
    assert 'make release-check TAG="$GITHUB_REF_NAME"' in [step.get("run") for step in release["build"]["steps"]]
    for name in ("pypi", "npm"):
        assert release[name]["environment"] == name
        assert "sha256sum --check --strict SHA256SUMS" in [step.get("run") for step in release[name]["steps"]]
    # npm reads a path such as release/a.tgz, without ./, as the GitHub repository a.tgz of the owner release.
    assert "npm publish ./release/*.tgz " in release["npm"]["steps"][-1]["run"]


REVIEWED = {"check.yml", "bench.yml", "proof.yml"}
"""Workflows that run only packages of the lock files, and deploy and publish nothing. They may use caches."""


@pytest.mark.parametrize("name", [file.name for file in WORKFLOWS if file.name not in REVIEWED])
def test_what_is_deployed_and_what_nobody_reviewed_share_no_cache(name: str) -> None:
    """newest.yml and upgrade.yml run unreviewed packages, which could change a cache. uv checks only downloads."""
    for job in jobs(workflow(name)).values():
        if "check.yml" in job.get("uses", ""):
            assert job["with"] == {"caches": "false"}
    for step in steps(workflow(name)):
        if "actions/setup" in step.get("uses", ""):
            assert step["with"].get("caches") == "false" or step["with"].get("package-manager-cache") is False
        assert "actions/cache" not in step.get("uses", "")
        assert "cache" not in step.get("with", {})


def test_checks_and_setup_pass_on_that_there_are_no_caches() -> None:
    [check] = [step for step in steps(workflow("check.yml")) if "actions/setup" in step.get("uses", "")]
    setup = parse_yaml(SETUP.read_text())["runs"]["steps"]

    assert check["with"] == {"caches": "${{ inputs.caches || 'true' }}"}
    for step in setup:
        if "actions/cache" in step.get("uses", ""):
            assert step["if"] == "inputs.caches == 'true'"
        if "setup-node" in step.get("uses", ""):
            assert step["with"]["cache"] == "${{ inputs.caches == 'true' && 'npm' || '' }}"
            assert step["with"]["package-manager-cache"] is False
        assert "cache" not in step.get("with", {}) or "setup-node" in step["uses"]


def test_no_workflow_has_a_token_of_a_registry() -> None:
    secrets = {secret for file in WORKFLOWS for secret in re.findall(r"secrets\.(\w+)", file.read_text())}

    assert secrets == {"INTERNAL_API_KEY"}


def test_upgrades_are_tested_by_a_job_that_may_not_write() -> None:
    upgrade = jobs(workflow("upgrade.yml"))

    tested = [step.get("run") for step in upgrade["test"]["steps"]]
    assert "make check audit test pages examples soak proof proof-faults release-check" in tested
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
