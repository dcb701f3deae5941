"""The version is stated in the root's pyproject.toml, and `make version` copies it to all other files."""

import re

import pytest

from release.version import ROOT, STATED, expected, project_version


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
