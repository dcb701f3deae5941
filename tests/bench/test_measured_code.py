"""RESULTS.md says what it was measured of."""

from pathlib import Path

import pytest

from bench import measured_code

TREE = {
    "functions/record_outcome/app.py": '"""Record."""\n\nLIMIT = 1\n',
    "layers/common/outcomes/errors.py": "def f():\n    '''Fail.'''\n    raise ValueError  # always\n",
    "layers/common/Makefile": "build-CommonLayer:\n",
    "layers/common/requirements.txt": "pydantic-core==2.46.5\n",
    "template.yaml": "Globals: {Function: {MemorySize: 512}}\n"
    "Resources: {RecordOutcomeFunction: {Type: 'AWS::Serverless::Function', Properties: {Timeout: 20}}}\n",
}


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, text in TREE.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(measured_code, "ROOT", tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("functions/record_outcome/app.py", "LIMIT = 1", "LIMIT = 2"),
        ("layers/common/outcomes/errors.py", "ValueError", "KeyError"),
        ("layers/common/requirements.txt", "2.46.5", "2.47.0"),
        ("layers/common/Makefile", "build", "make"),
        ("template.yaml", "512", "1024"),
    ],
)
def test_what_takes_time_is_measured_anew_when_it_changes(tree: Path, name: str, old: str, new: str) -> None:
    before = measured_code.digest()
    (tree / name).write_text(TREE[name].replace(old, new))
    assert measured_code.digest() != before


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("functions/record_outcome/app.py", "Record.", "Record one."),
        ("layers/common/outcomes/errors.py", "'''Fail.'''", "'''Raise.'''"),
        ("layers/common/outcomes/errors.py", "  # always", ""),
        ("template.yaml", "Timeout: 20", "Timeout: 21"),
    ],
)
def test_a_word_takes_no_time(tree: Path, name: str, old: str, new: str) -> None:
    before = measured_code.digest()
    (tree / name).write_text(TREE[name].replace(old, new))
    assert measured_code.digest() == before


def test_a_new_module_changes_what_was_measured(tree: Path) -> None:
    before = measured_code.digest()
    (tree / "functions/record_outcome/more.py").write_text("")
    assert measured_code.digest() != before
