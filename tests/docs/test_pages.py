"""README and the pages under docs/ agree with the repository's files, the Makefile, the template and the contract."""

import json
import re
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from ops.template import gateway_errors, parse_yaml
from tests.outcome_types import TYPES

ROOT = Path(__file__).parents[2]
FOLDERS = [".", "docs", "docs/decisions", "bench", "clients/python", "clients/typescript", "dashboard"]
PAGES = sorted(chain.from_iterable((ROOT / folder).glob("*.md") for folder in FOLDERS))


@cache
def prose(page: Path) -> str:
    """Return a page without its code blocks."""
    return re.sub(r"^ *```.*?^ *```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)


def links(page: Path) -> list[str]:
    """Return the targets of a page's links and pictures, except links to other sites."""
    return [target for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)) if not target.startswith("https://")]


def anchors(page: Path) -> set[str]:
    """Return the URL fragments that GitHub generates for a page's headings."""
    return set(map(anchor, re.findall(r"^#+ (.*)$", prose(page), flags=re.MULTILINE)))


def anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def test_every_link_has_a_target() -> None:
    faults = [f"{name(page)}: {link}" for page in PAGES for link in links(page) if not has_target(page, link)]
    assert not faults, "\n".join(faults)


def has_target(page: Path, link: str) -> bool:
    path, _, fragment = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    is_page = not path or target.suffix == ".md"
    return target.exists() and (not fragment or not is_page or fragment in anchors(target))


def test_every_page_is_two_clicks_from_the_readme() -> None:
    reached = {ROOT / "README.md"}
    for _ in range(2):
        targets = {(page.parent / link.partition("#")[0]).resolve() for page in reached for link in links(page)}
        reached |= {target for target in targets if target.suffix == ".md"}
    assert sorted(map(name, {*PAGES} - reached)) == []


def test_the_readme_says_first_what_it_is_and_its_status_and_is_short() -> None:
    readme = (ROOT / "README.md").read_text()
    title, what, status, picture, two_commands = readme.split("\n\n")[:5]
    assert title == "# Outcomes API"
    assert len(re.findall(r"\.(?:\s|$)", what)) == 3, "three sentences say what it is and for whom"
    assert status == "Status: runs on a laptop; not yet on AWS; no licence yet; clients not yet published."
    assert picture.startswith("![")
    assert picture.endswith("](docs/value-delivered.png)")
    assert two_commands == "## Two commands"
    assert re.findall("^## (.*)$", readme, re.M)[1] == "The core"
    assert len(readme.splitlines()) <= 150


def test_the_pages_have_few_words() -> None:
    """Not counted: code, and what `make contract`, `make cost` and `make bench` write."""
    generated = re.compile(r"<!-- make (contract|cost|bench): .*?<!-- end of make \1 -->", re.DOTALL)
    pages = [page for page in (ROOT / "docs").rglob("*.md") if "node_modules" not in page.parts]
    words = {name(page): len(generated.sub("", prose(page)).split()) for page in pages}
    assert sum(words.values()) <= 33_722, sorted(words.items(), key=lambda item: item[1])


def test_npx_asks_nothing() -> None:
    """Its question would take the next line of a pasted block as the answer."""
    assert [name(page) for page in PAGES if re.search(r"^npx (?!--yes)", page.read_text(), re.M)] == []


def test_nothing_is_installed_with_a_bare_pip() -> None:
    """Debian and Homebrew refuse `pip install` outside a virtual environment."""
    examples = [each for each in (ROOT / "docs/examples").rglob("*.*") if each.suffix in {".md", ".py", ".mjs", ".ts"}]
    bare = re.compile(r"(?<!uv )(?<!venv/bin/)pip3? install")
    pages = [each for each in [*PAGES, *examples] if "node_modules" not in each.parts]
    assert [name(page) for page in pages if page.name != "CHANGELOG.md" and bare.search(page.read_text())] == []


def test_a_block_that_records_has_an_idempotency_key() -> None:
    records = re.compile(r"/api/outcomes(?:/batch)?['\"]? -(?=(?:.|\n)* -d )|\boutcomes record |\.record\(")
    key = re.compile(r"idempotency-?_?key", re.IGNORECASE)
    faults = []
    for page in PAGES:
        for block in re.findall(r"^ *```\w+\n(.*?)^ *```$", page.read_text(), re.MULTILINE | re.DOTALL):
            for call in re.split(r"(?<!\\)\n(?!\s)", block):  # without lines that continue the one before
                if records.search(call) and not key.search(call):
                    faults.append(f"{name(page)}: {call}")
    assert not faults, "\n".join(faults)


def test_every_make_command_has_a_target() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    # Find `make TARGET` at the start of a command or of inline code. Variables may precede it.
    command = re.compile(r"(?:^|[`(;] ?)(?:[A-Z_]+=\S+ )*make ([a-z-]+)", flags=re.MULTILINE)
    commands = {page: set(command.findall(page.read_text())) for page in PAGES}
    faults = [f"{name(page)}: {target}" for page in PAGES for target in commands[page] - targets]
    assert not faults, "\n".join(faults)


def test_every_block_of_json_is_json() -> None:
    faults = []
    for page in PAGES:
        for block in re.findall(r"^```json\n(.*?)^```$", page.read_text(), flags=re.MULTILINE | re.DOTALL):
            try:
                json.loads(block)
            except ValueError as error:
                faults.append(f"{name(page)}: {error} in {block}")
    assert not faults, "\n".join(faults)


def test_limits_md_has_the_templates_rates() -> None:
    template = parse_yaml((ROOT / "template.yaml").read_text())
    rates = {
        (name, one["Default"].replace(",", ", "))
        for name, one in template["Parameters"].items()
        if name.endswith("Throttle")
    }
    constants = re.findall(r'"ThrottlingRateLimit": (\d+), "ThrottlingBurstLimit": (\d+)', json.dumps(template))
    rates |= {("", ", ".join(pair)) for pair in constants}
    rows = re.findall(r"\| ([\d, ]+) \| (?:`(\w+Throttle)` )?\|$", (ROOT / "docs/limits.md").read_text(), re.MULTILINE)
    assert {(name, rate) for rate, name in rows} == rates


def test_errors_md_has_api_gateways_own_answers() -> None:
    answers = gateway_errors(parse_yaml((ROOT / "template.yaml").read_text())).values()
    given = {f'`{status} {{"error":"{error}"}}`' for status, error in answers}
    section = (ROOT / "docs/errors.md").read_text().partition("## Answers of API Gateway itself")[2]
    assert set(re.findall(r'`\d{3} {"error":"[^`]*"}`', section)) == given


def test_architecture_md_shows_every_function_and_table() -> None:
    page = (ROOT / "docs/architecture.md").read_text()
    resources = parse_yaml((ROOT / "template.yaml").read_text())["Resources"]
    functions = {app.parent.name for app in ROOT.glob("functions/*/app.py")}
    tables = {name for name, resource in resources.items() if resource["Type"] == "AWS::DynamoDB::Table"}
    missing = sorted(name for name in functions | tables if name not in page)
    assert not missing, f"Show {', '.join(missing)} in docs/architecture.md."


def test_no_two_modules_of_the_layer_share_a_name() -> None:
    modules = [module.stem for module in (ROOT / "layers/common/outcomes").rglob("*.py") if module.stem != "__init__"]
    assert sorted(modules) == sorted({*modules})


def test_a_decision_says_what_and_why_and_what_was_refused() -> None:
    pages = sorted((ROOT / "docs/decisions").glob("[0-9]*.md"))
    assert len({page.name[:3] for page in pages}) == len(pages), "two decisions with one number"
    parts = re.compile(r"^\*\*(\w+)\.\*\* \S", flags=re.MULTILINE)
    found = {page.name: parts.findall(page.read_text()) for page in pages}
    wanted = re.compile(r"(Context )?Decision Refused( Cost)?")
    assert {file: leads for file, leads in found.items() if not wanted.fullmatch(" ".join(leads))} == {}


def test_each_default_type_of_outcomes_has_an_icon() -> None:
    icons = (ROOT / "dashboard/src/feed/icons.js").read_text().partition("]);")[0]
    assert set(re.findall(r'\[\s*"(\w+)",', icons)) == {*TYPES}


NEXTJS = ROOT / "docs/examples/nextjs"


def test_docs_print_examples_exactly_as_make_examples_runs_them() -> None:
    page = (ROOT / "docs/nextjs.md").read_text()
    printed = re.findall(r"\]\((examples/\S+\.(?:tsx?|mjs))\):\n\n```(?:tsx?|js)\n(.*?)```", page, re.DOTALL)

    assert len(printed) == len(re.findall("```(?:tsx?|js)\n", page)) >= 1
    for path, text in printed:
        assert text == (ROOT / "docs" / path).read_text(), path


@pytest.mark.parametrize("module", json.loads((ROOT / "dashboard/custom-elements.json").read_text())["modules"])
def test_the_types_for_next_js_have_each_element_and_attribute(module: Any) -> None:
    [element] = module["declarations"]
    types = (NEXTJS / "types.d.ts").read_text()
    [name] = re.findall(rf'"{element["tagName"]}": (\w+);', types)
    [typed] = re.findall(rf"type {name} = .*?\{{(.*?)\}};", types, re.DOTALL)

    assert set(re.findall(r'"?([\w-]+)"?\??:', typed)) == {attribute["name"] for attribute in element["attributes"]}
