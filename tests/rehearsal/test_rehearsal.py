"""Find at once what `make rehearse`, which takes minutes, could no longer do."""

import pytest

from ops.template import parse_yaml
from smoke import checks
from tests.rehearsal.emulator import ROOT
from tests.rehearsal.lacks import LACKS, Lack
from tests.rehearsal.starts import events
from tests.template.conftest import declared


@pytest.mark.parametrize("lack", LACKS, ids=lambda lack: lack.what)
def test_what_the_emulator_lacks_is_in_the_template_and_checked_elsewhere(lack: Lack) -> None:
    template = parse_yaml((ROOT / "template.yaml").read_text())
    before = str(template)
    if lack.change:
        lack.change(template)

    assert (str(template) != before) == bool(lack.change)
    assert (ROOT / lack.instead).exists()
    named = {
        check.__name__.replace("_", " ")
        for check in [*checks.WITHOUT_A_CALLER, *checks.WITH_A_KEY, *checks.THAT_RECORD]
    }
    assert lack.check is None or lack.check in named


def test_each_function_has_an_event_to_start_with() -> None:
    row = {"user_id": {"S": "1"}, "created_at": {"S": "2026-12-01T00:00:00.000Z#01M881HMN5BK0R53WV7N3P1R3Q"}}

    assert {f"{name}Function" for name in events("key", "id", row)} == {*declared("AWS::Serverless::Function")}
