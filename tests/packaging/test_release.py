"""Test `make version`, and what `make release-check` refuses and writes: only GitHub's workflows run all of it."""

import hashlib
import os
import re
import subprocess
import time
import tomllib
from pathlib import Path

import pytest

from release.__main__ import archive, check_tag, notes, write_checksums
from release.build_backends import names, repinned
from release.version import ROOT, STATED, expected, project_version

CHANGELOG = """# Changelog

## Unreleased

- Next.

## 1.10.0 - 2027-02-01

### Added

- Ten.

## 1.1.0

- One.
"""


@pytest.mark.parametrize(("tag", "version"), [("v1.0.0", "1.0.0"), ("v1.0.0rc1", "1.0.0rc1"), (None, "1.0.0.dev0")])
def test_a_tag_releases_the_version_it_names(tag: str | None, version: str) -> None:
    check_tag(tag, version)


@pytest.mark.parametrize(
    ("tag", "version"), [("1.0.0", "1.0.0"), ("v1.0.1", "1.0.0"), ("v1.0.0.dev0", "1.0.0.dev0"), ("", "1.0.0")]
)
def test_any_other_tag_is_refused(tag: str, version: str) -> None:
    with pytest.raises(ValueError, match=f"tag {tag} does not release version {version}"):
        check_tag(tag, version)


@pytest.mark.parametrize(
    ("version", "entry"),
    [("1.10.0", "### Added\n\n- Ten.\n"), ("1.1.0", "- One.\n"), ("1.11.0.dev0", "- Next.\n")],
)
def test_the_notes_are_the_changelogs_entry_of_the_version(version: str, entry: str) -> None:
    assert notes(version, CHANGELOG) == entry


def test_a_version_without_an_entry_is_refused() -> None:
    with pytest.raises(ValueError, match="has no heading `## 1"):
        notes("1.0.0", CHANGELOG)


def test_an_archive_of_equal_files_has_equal_bytes(tmp_path: Path) -> None:
    contents = []
    for moment in (1e9, time.time()):
        folder = tmp_path / str(moment)
        (folder / "layer").mkdir(parents=True)
        for name in ("template.yaml", "layer/module.py"):
            (folder / name).write_text(name)
            os.utime(folder / name, (moment, moment))
        archive(folder, tmp_path / "archive.zip")
        contents.append((tmp_path / "archive.zip").read_bytes())

    assert contents[0] == contents[1]


def test_sha256sum_checks_the_checksums(tmp_path: Path) -> None:
    for name in ("client.whl", "client.tgz"):
        (tmp_path / name).write_text(name)
    write_checksums(tmp_path)

    check = ["sha256sum", "--check", "--strict", "SHA256SUMS"]
    assert subprocess.run(check, cwd=tmp_path, capture_output=True).returncode == 0
    assert hashlib.sha256(b"client.whl").hexdigest() in (tmp_path / "SHA256SUMS").read_text()
    (tmp_path / "client.whl").write_text("changed")
    assert subprocess.run(check, cwd=tmp_path, capture_output=True).returncode == 1


def test_what_builds_packages_is_pinned_anew_with_its_hashes() -> None:
    text = 'build-constraint-dependencies = [\n    { requirement = "hatchling==1.0", hashes = ["sha256:00"] },\n]\n'
    resolved = (
        "hatchling==2.0 \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\npluggy==1.7.0 \\\n    --hash=sha256:cc\n"
    )

    assert names(text) == ["hatchling"]
    assert tomllib.loads(repinned(text, resolved))["build-constraint-dependencies"] == [
        {"requirement": "hatchling==2.0", "hashes": ["sha256:aa", "sha256:bb"]},
        {"requirement": "pluggy==1.7.0", "hashes": ["sha256:cc"]},
    ]


def test_every_file_states_the_projects_version() -> None:
    version = project_version()

    differing = [
        f"{file} states {stated}, not {expected(file, version)}: run `make version`"
        for file, patterns in STATED.items()
        for pattern in patterns
        if (stated := re.findall(pattern, (ROOT / file).read_text(), re.MULTILINE)) != [expected(file, version)]
    ]

    assert not differing, "\n".join(differing)


@pytest.mark.parametrize(
    ("version", "npm"), [("1.0.0", "1.0.0"), ("1.0.0.dev0", "1.0.0-dev"), ("2.10.0rc3", "2.10.0-rc.3")]
)
def test_npm_gets_the_version_in_its_own_form(version: str, npm: str) -> None:
    assert expected("package.json", version) == npm
    assert expected("pyproject.toml", version) == version


@pytest.mark.parametrize("version", ["1.0", "1.0.0-dev", "1.0.0.dev1", "1.0.0a1", "v1.0.0"])
def test_other_forms_of_a_version_are_refused(version: str) -> None:
    with pytest.raises(ValueError, match="must be like"):
        expected("package.json", version)
