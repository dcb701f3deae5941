"""python -m tests.judge.search NAME: take out a safeguard, and let the judge search for the fault.

It exits with FOUND if the judge finds it.
"""

import sys
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from typing import Any, override

import pytest

from tests.judge.safeguards import SAFEGUARDS, Edit, Found, History, Look, Seed

FOUND = 9
MOST_SEEDS = 300


class _Edited(SourceFileLoader):
    """Loads a module with an edit, and neither reads nor writes its bytecode."""

    def __init__(self, name: str, edit: Edit) -> None:
        super().__init__(name, str(edit.path))
        self.edit = edit

    @override
    def get_data(self, path: str) -> bytes:
        return self.edit.apply(super().get_data(path).decode()).encode()

    @override
    def path_stats(self, path: str) -> Any:
        raise OSError


class _Finder:
    def __init__(self, edit: Edit) -> None:
        self.edit = edit
        self.has_loaded = False

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        spec = PathFinder.find_spec(name, path, target)
        if not spec or spec.origin != str(self.edit.path):
            return None
        self.has_loaded, spec.loader = True, _Edited(name, self.edit)
        return spec


def main() -> None:
    edit, found_by = SAFEGUARDS[sys.argv[1]]
    finder = _Finder(edit)
    sys.meta_path.insert(0, finder)
    # Imported with the edit.
    from ops.template import parse_yaml
    from tests.conftest import ROOT
    from tests.interleaving.run import run
    from tests.judge.commands import worlds
    from tests.judge.machine import run_everything
    from tests.judge.pairs import Pairs
    from tests.sequences import test_any_look as looks
    from tests.sequences import test_any_watch as histories

    template = parse_yaml((ROOT / "template.yaml").read_text())
    last = 0
    try:
        match found_by:
            case Found(first, second, young):
                with worlds(template) as (without, with_statement):
                    Pairs(without if young else with_statement).all(first, [second])
            case Seed(lately, everyone):
                for last in (lately, *range(MOST_SEEDS)):
                    (run_everything if everyone else run)(last, template)
            case History(lately):
                for last in (lately, *range(MOST_SEEDS)):
                    with pytest.MonkeyPatch.context() as monkeypatch:
                        histories.History(last, monkeypatch).play()
            case Look(lately):
                for last in (lately, *range(MOST_SEEDS)):
                    looks.run(last, template)
    except Exception as failure:  # noqa: BLE001 - the judge, the client's verifier or a function refuses
        print(f"found by seed {last}: {failure}", *getattr(failure, "__notes__", []), sep="\n")
        sys.exit(FOUND if finder.has_loaded else 1)
    assert finder.has_loaded, f"nothing has imported {edit.path}"


if __name__ == "__main__":
    main()
