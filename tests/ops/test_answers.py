"""`make deploy` asks for required parameters and writes the answers to samconfig.toml."""

import shutil
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from ops import answers
from ops.answers import Ask, keep
from ops.errors import StackError
from tests.conftest import RunMain

SAMCONFIG = """\
version = 0.1

# dev: what a change is tried on
[dev.deploy.parameters]
stack_name = "outcomes-dev"  # a comment that stays
"""
FINGERPRINT = "0" * 64


@pytest.fixture
def samconfig(tmp_path: Path) -> Path:
    file = tmp_path / "samconfig.toml"
    file.write_text(SAMCONFIG)
    return file


def answering(*answers: str) -> Ask:
    given: Iterator[str] = iter(answers)
    return lambda _question: next(given)


def test_without_monitoring_it_is_not_asked_whom_alarms_notify(samconfig: Path, template: Any) -> None:
    samconfig.write_text(f'{SAMCONFIG}parameter_overrides = ["Monitoring=Off"]\n')
    keep(samconfig, "dev", template, {}, answering("https://app.example.com", FINGERPRINT, ""))

    assert not [override for override in overrides(samconfig) if override.startswith("Alarm")]


def overrides(samconfig: Path) -> Any:
    return tomllib.loads(samconfig.read_text())["dev"]["deploy"]["parameters"]


def test_required_parameters_are_asked_for_and_written(samconfig: Path, template: Any) -> None:
    keep(
        samconfig, "dev", template, {}, answering("https://app.example.com", FINGERPRINT, "", "oncall@example.com", "")
    )

    assert overrides(samconfig) == {
        "stack_name": "outcomes-dev",
        "parameter_overrides": [
            "DashboardOrigins=https://app.example.com",
            f"KeyFingerprints={FINGERPRINT}",
            'SessionSecretArn=""',
            "AlarmEmail=oncall@example.com",
            'AlarmTopicArn=""',
        ],
    }
    assert samconfig.read_text().startswith(SAMCONFIG)


def test_earlier_answers_are_the_defaults(samconfig: Path, template: Any) -> None:
    keep(samconfig, "dev", template, {}, answering("https://app.example.com", FINGERPRINT, "", "", ""))
    before = samconfig.read_text()
    keep(samconfig, "dev", template, {}, answering("", "", "", "", ""))

    assert samconfig.read_text() == before


def test_a_dash_removes_an_answer(samconfig: Path, template: Any) -> None:
    keep(samconfig, "dev", template, {}, answering("https://app.example.com", FINGERPRINT, "", "", ""))
    keep(samconfig, "dev", template, {}, answering("", "-", "", "", ""))

    assert 'KeyFingerprints=""' in overrides(samconfig)["parameter_overrides"]


def test_overrides_written_by_hand_stay(samconfig: Path, template: Any) -> None:
    samconfig.write_text(SAMCONFIG + 'parameter_overrides = "Tracing=Active ReadThrottle=\\"5,6\\""\n')
    keep(samconfig, "dev", template, {}, answering("https://app.example.com", "", "", "", ""))

    assert overrides(samconfig)["parameter_overrides"][:2] == ["Tracing=Active", "ReadThrottle=5,6"]


def test_given_parameters_are_not_asked_for(samconfig: Path, template: Any) -> None:
    given = {"Architecture": "x86_64", "AlarmTopicArn": "arn:aws:sns:eu-west-1:123456789012:oncall"}
    keep(samconfig, "dev", template, given, answering("https://app.example.com", "", "", ""))

    assert overrides(samconfig)["parameter_overrides"][:2] == [f"{name}={value}" for name, value in given.items()]


def test_an_invalid_answer_is_asked_for_again(
    samconfig: Path, template: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = ["", "app.example.com", "https://app.example.com", "ok_a-key", FINGERPRINT, "", "oncall", "", ""]
    keep(samconfig, "dev", template, {}, answering(*answers))

    said = capsys.readouterr().out
    assert "Required." in said
    assert "parameter DashboardOrigins must be origins such as https://app.example.com" in said
    assert "parameter AlarmEmail must be an e-mail address such as oncall@example.com." in said
    assert "parameter KeyFingerprints must be one or two SHA-256 fingerprints" in said
    assert "DashboardOrigins=https://app.example.com" in overrides(samconfig)["parameter_overrides"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (SAMCONFIG.replace("dev", "prod"), r"samconfig.toml has no \[dev.deploy.parameters\]"),
        ("version = ", "samconfig.toml cannot be used"),
    ],
)
def test_a_file_that_cannot_be_used_stays_unchanged(samconfig: Path, template: Any, text: str, says: str) -> None:
    samconfig.write_text(text)

    with pytest.raises(StackError, match=says):
        keep(samconfig, "dev", template, {}, answering())
    assert samconfig.read_text() == text


def test_the_command_changes_the_file_only_when_all_is_answered(
    samconfig: Path, run_main: RunMain, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(answers.ROOT / "template.yaml", samconfig.parent)
    monkeypatch.setattr(answers, "ROOT", samconfig.parent)
    typed = ["https://app.example.com", EOFError, "https://app.example.com", FINGERPRINT, "", "", ""]
    monkeypatch.setattr("builtins.input", Mock(side_effect=typed))

    wrong = run_main(answers.main, "test")
    assert (wrong.returncode, wrong.stderr) == (1, "error: samconfig.toml has no [test.deploy.parameters]\n")
    given_up = run_main(answers.main, "dev")
    assert (given_up.returncode, given_up.stderr) == (130, "\nNothing was changed.\n")
    assert samconfig.read_text() == SAMCONFIG
    assert run_main(answers.main, "dev", "Architecture=x86_64").returncode == 0
    assert overrides(samconfig)["parameter_overrides"][:2] == [
        "Architecture=x86_64",
        "DashboardOrigins=https://app.example.com",
    ]
