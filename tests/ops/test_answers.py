"""The questions of `make deploy`, and where its answers go."""

import shutil
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ops import answers
from ops.answers import Ask, keep
from ops.errors import StackError

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


def overrides(samconfig: Path) -> Any:
    return tomllib.loads(samconfig.read_text())["dev"]["deploy"]["parameters"]


def test_what_cannot_be_guessed_is_asked_once(samconfig: Path, template: Any) -> None:
    keep(samconfig, "dev", template, {}, answering("https://app.example.com", FINGERPRINT, "", ""))

    assert overrides(samconfig) == {
        "stack_name": "outcomes-dev",
        "parameter_overrides": [
            "DashboardOrigins=https://app.example.com",
            f"KeyFingerprints={FINGERPRINT}",
            'SessionSecretArn=""',
            'AlarmTopicArn=""',
        ],
    }
    assert samconfig.read_text().startswith(SAMCONFIG)


def test_the_last_answers_are_the_defaults(samconfig: Path, template: Any) -> None:
    keep(samconfig, "dev", template, {}, answering("https://app.example.com", FINGERPRINT, "", ""))
    before = samconfig.read_text()
    keep(samconfig, "dev", template, {}, answering("", "", "", ""))

    assert samconfig.read_text() == before


def test_an_answer_can_be_taken_back(samconfig: Path, template: Any) -> None:
    keep(samconfig, "dev", template, {}, answering("https://app.example.com", FINGERPRINT, "", ""))
    keep(samconfig, "dev", template, {}, answering("", "-", "", ""))

    assert 'KeyFingerprints=""' in overrides(samconfig)["parameter_overrides"]


def test_what_was_put_there_by_hand_stays(samconfig: Path, template: Any) -> None:
    samconfig.write_text(SAMCONFIG + 'parameter_overrides = "Tracing=Active ReadThrottle=\\"5,6\\""\n')
    keep(samconfig, "dev", template, {}, answering("https://app.example.com", "", "", ""))

    assert overrides(samconfig)["parameter_overrides"][:2] == ["Tracing=Active", "ReadThrottle=5,6"]


def test_what_is_given_is_not_asked(samconfig: Path, template: Any) -> None:
    given = {"Architecture": "x86_64", "AlarmTopicArn": "arn:aws:sns:eu-west-1:123456789012:oncall"}
    keep(samconfig, "dev", template, given, answering("https://app.example.com", "", ""))

    assert overrides(samconfig)["parameter_overrides"][:2] == [f"{name}={value}" for name, value in given.items()]


def test_a_wrong_answer_is_asked_again(samconfig: Path, template: Any, capsys: pytest.CaptureFixture[str]) -> None:
    answers = ["", "app.example.com", "https://app.example.com", "ok_a-key", FINGERPRINT, "", ""]
    keep(samconfig, "dev", template, {}, answering(*answers))

    said = capsys.readouterr().out
    assert "Needed." in said
    assert "parameter DashboardOrigins must be origins such as https://app.example.com" in said
    assert "parameter KeyFingerprints must be one or two SHA-256 fingerprints" in said
    assert "DashboardOrigins=https://app.example.com" in overrides(samconfig)["parameter_overrides"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (SAMCONFIG.replace("dev", "prod"), r"samconfig.toml has no \[dev.deploy.parameters\]"),
        ("version = ", "samconfig.toml cannot be used"),
    ],
)
def test_a_file_that_cannot_be_used_is_left_as_it_is(samconfig: Path, template: Any, text: str, says: str) -> None:
    samconfig.write_text(text)

    with pytest.raises(StackError, match=says):
        keep(samconfig, "dev", template, {}, answering())
    assert samconfig.read_text() == text


def test_who_gives_up_changes_nothing(samconfig: Path, template: Any) -> None:
    def give_up(_question: str) -> str:
        raise EOFError

    with pytest.raises(EOFError):
        keep(samconfig, "dev", template, {}, give_up)
    assert samconfig.read_text() == SAMCONFIG


@pytest.fixture
def asked(samconfig: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Make what runs the command of `make deploy` beside that file: with arguments, and answers until they end."""
    shutil.copy(answers.ROOT / "template.yaml", samconfig.parent)
    monkeypatch.setattr(answers, "ROOT", samconfig.parent)

    def run(arguments: list[str], *given: str) -> int:
        left = iter(given)

        def answer(_question: str) -> str:
            if (text := next(left, None)) is None:
                raise EOFError
            return text

        monkeypatch.setattr("builtins.input", answer)
        monkeypatch.setattr(sys, "argv", ["answers", *arguments])
        return answers.main()

    return run


def test_the_command_keeps_what_it_is_told(samconfig: Path, asked: Callable[..., int]) -> None:
    assert asked(["dev", "Architecture=x86_64"], "https://app.example.com", FINGERPRINT, "", "") == 0
    assert overrides(samconfig)["parameter_overrides"][:2] == [
        "Architecture=x86_64",
        "DashboardOrigins=https://app.example.com",
    ]


def test_the_command_says_in_one_line_what_is_wrong_or_that_nothing_was_changed(
    samconfig: Path, asked: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert asked(["test"]) == 1
    assert capsys.readouterr().err == "error: samconfig.toml has no [test.deploy.parameters]\n"
    assert asked(["dev"], "https://app.example.com") == 130
    assert capsys.readouterr().err == "\nNothing was changed.\n"
    assert samconfig.read_text() == SAMCONFIG
