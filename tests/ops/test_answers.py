"""`make deploy` asks for required parameters and writes the answers to samconfig.toml."""

import errno
import os
import re
import shutil
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from ops import answers
from ops.answers import keep
from ops.errors import StackError
from tests.aws import PARAMETERS, STACKS, mock_aws
from tests.conftest import RunMain

SAMCONFIG = """\
version = 0.1

# dev: what a change is tried on
[dev.deploy.parameters]
stack_name = "outcomes-dev"  # a comment that stays
"""
FINGERPRINT = "0" * 64
DEV = "us-east-1", "outcomes-dev"


ORIGIN = "https://app.example.com"

type Asked = Callable[..., list[str]]


@pytest.fixture
def samconfig(tmp_path: Path) -> Path:
    file = tmp_path / "samconfig.toml"
    file.write_text(SAMCONFIG)
    return file


@pytest.fixture
def asked(samconfig: Path, template: Any) -> Asked:
    """Return a function that gives these answers, and returns the overrides in samconfig.toml. All must be used."""

    def ask(*answers: str, present: Mapping[str, str] = {}, **given: str) -> list[str]:
        left = iter(answers)
        keep(samconfig, "dev", template, given, present, lambda _question: next(left))
        assert list(left) == []
        return overrides(samconfig)

    return ask


def overrides(samconfig: Path) -> list[str]:
    found: list[str] = tomllib.loads(samconfig.read_text())["dev"]["deploy"]["parameters"]["parameter_overrides"]
    return found


def test_without_monitoring_it_is_not_asked_whom_alarms_notify(samconfig: Path, asked: Asked) -> None:
    samconfig.write_text(f'{SAMCONFIG}parameter_overrides = ["Monitoring=Off"]\n')
    assert not [override for override in asked(ORIGIN, FINGERPRINT, "") if override.startswith("Alarm")]


def test_required_parameters_are_asked_for_and_written(samconfig: Path, asked: Asked) -> None:
    assert asked(ORIGIN, FINGERPRINT, "", "oncall@example.com", "") == [
        f"DashboardOrigins={ORIGIN}",
        f"KeyFingerprints={FINGERPRINT}",
        'SessionSecretArn=""',
        "AlarmEmail=oncall@example.com",
        'AlarmTopicArn=""',
    ]
    assert samconfig.read_text().startswith(SAMCONFIG)


def test_earlier_answers_are_the_defaults_and_a_dash_removes_one(samconfig: Path, asked: Asked) -> None:
    asked(ORIGIN, FINGERPRINT, "", "", "")
    before = samconfig.read_text()
    asked("", "", "", "", "")
    assert samconfig.read_text() == before
    assert 'KeyFingerprints=""' in asked("", "-", "", "", "")


def test_the_stacks_values_are_the_defaults_of_a_file_without_answers(asked: Asked) -> None:
    """With the file of a release, which `git checkout` puts in place, Enter would end the key and change the secret."""
    present = {"DashboardOrigins": ORIGIN, "KeyFingerprints": FINGERPRINT, "AlarmEmail": "oncall@example.com"}
    written = asked("", "", "", "", "", present=present)
    assert {f"{name}={value}" for name, value in present.items()} < {*written}
    assert asked("", "-", "", "", "", present=present)[1] == 'KeyFingerprints=""'
    assert asked("", "", "", "", "", present=present)[1] == 'KeyFingerprints=""'


def test_overrides_written_by_hand_stay(samconfig: Path, asked: Asked) -> None:
    samconfig.write_text(SAMCONFIG + 'parameter_overrides = "Tracing=Active ReadThrottle=\\"5,6\\""\n')
    assert asked(ORIGIN, "", "", "", "")[:2] == ["Tracing=Active", "ReadThrottle=5,6"]


def test_given_parameters_are_not_asked_for(asked: Asked) -> None:
    given = {"Architecture": "x86_64", "AlarmTopicArn": "arn:aws:sns:eu-west-1:123456789012:oncall"}
    assert asked(ORIGIN, "", "", "", **given)[:2] == [f"{name}={value}" for name, value in given.items()]


def test_an_invalid_answer_is_asked_for_again(asked: Asked, capsys: pytest.CaptureFixture[str]) -> None:
    written = asked("", "app.example.com", ORIGIN, "ok_a-key", FINGERPRINT, "", "oncall", "", "")
    said = capsys.readouterr().out
    assert "Required." in said
    assert "parameter DashboardOrigins must be origins such as https://app.example.com" in said
    assert "parameter AlarmEmail must be an e-mail address such as oncall@example.com." in said
    assert "parameter KeyFingerprints must be one to three SHA-256 fingerprints" in said
    assert f"DashboardOrigins={ORIGIN}" in written


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (SAMCONFIG.replace("dev", "prod"), r"samconfig.toml has no \[dev.deploy.parameters\]"),
        ("version = ", "samconfig.toml cannot be used"),
    ],
)
def test_a_file_that_cannot_be_used_stays_unchanged(samconfig: Path, asked: Asked, text: str, says: str) -> None:
    samconfig.write_text(text)
    with pytest.raises(StackError, match=says):
        asked()
    assert samconfig.read_text() == text


def test_a_full_disk_does_not_cut_the_file_off(samconfig: Path, asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", Mock(side_effect=OSError(errno.ENOSPC, "No space left on device")))
    with pytest.raises(StackError, match=f"^cannot write {re.escape(str(samconfig))}: No space left on device$"):
        asked(ORIGIN, "", "", "", "")
    assert samconfig.read_text() == SAMCONFIG
    assert [file.name for file in samconfig.parent.iterdir()] == ["samconfig.toml"]


def test_the_command_changes_the_file_only_when_all_is_answered(
    samconfig: Path, run_main: RunMain, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(answers.ROOT / "template.yaml", samconfig.parent)
    monkeypatch.setattr(answers, "ROOT", samconfig.parent)
    typed = [ORIGIN, EOFError, ORIGIN, "", "", "", ""]
    monkeypatch.setattr("builtins.input", Mock(side_effect=typed))

    with mock_aws():
        PARAMETERS[DEV] = {"KeyFingerprints": FINGERPRINT}
        STACKS[DEV] = {}
        wrong = run_main(answers.main, "test")
        assert (wrong.returncode, wrong.stderr[:26]) == (1, "error: ENV=test is unknown")
        given_up = run_main(answers.main, "dev")
        assert (given_up.returncode, given_up.stderr) == (130, "\nNothing was changed.\n")
        assert samconfig.read_text() == SAMCONFIG
        assert run_main(answers.main, "dev", "Architecture=x86_64").returncode == 0
    assert overrides(samconfig)[:3] == [
        "Architecture=x86_64",
        f"DashboardOrigins={ORIGIN}",
        f"KeyFingerprints={FINGERPRINT}",
    ]
