"""Paste the shell blocks of README and all other pages into a fresh clone, and compare what comes out.

How pages are written, so that people and this module can follow them:

- A block of commands begins with ```sh, and works in bash, from the folder of the repository.
- A comment directly below a command is what the command prints. `...` stands for any text, and `# ...` for any lines.
- `01M...`, `oc_...`, `7Fq2...` and `whsec_...` in a command stand for the latest id of an outcome, agent key, id of a
  key, and secret of webhooks that was printed before.
- A command that serves until Ctrl-C keeps its terminal, so the comment above the block's next command names another.
- NOT_RUN has all reasons for which a command is not pasted.

Pages are followed in order, README first, with one folder of data, and each begins with README's stack.
"""

import re
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache

import pytest

from docs.examples.tests.newcomer import PRINTED, ROOT, Newcomer

README = "README.md"
PLACEHOLDER = "has a name in angle brackets, to replace"

NOT_RUN = {
    "needs AWS": r"\baws [a-z]|\bSTACK=|\bmake (deploy|smoke)\b|\$\(output ",
    "needs Docker": r"\bmake aws\b|\bmake build\b|\bsam local\b",
    "calls another host": r"\bcurl (?:.|\n)*https://",
    "installs the newest packages": r"^(uv (tool|pip) install|uvx|npx) ",
    "takes minutes, and .ci/run runs it": r"^make (test|check|examples)\b",
    "is test_sites.py": r"\bnpm run dev\b|^cd docs/examples/nextjs$",
    "asks its user": r"\boutcomes login\b",
    PLACEHOLDER: r"<[\w ]+>",
}
"""Reasons not to paste a command, each with a pattern of such commands."""

PAGES_NOT_RUN = {
    "docs/runbook.md": r"^stack=outcomes-prod$",
    "docs/upgrading.md": r"^git merge v\d",
}
"""Pages whose commands all need a deployed stack, with a pattern of a command that shows it."""

ENDLESS = re.compile(r"\bmake run\b|\boutcomes (watch|fake)\b|\breceiver\.(py|mjs)\b")
ASKS = re.compile(r"\bmake erase .*USER_ID=|\boutcomes keys (clean|revoke)\b")
"""Commands that take the next line of what is pasted as their answer."""

OTHER_LANGUAGES = {"json", "toml", "ts", "css", "js", "python", "html", "sql", "mermaid", "diff", ""}
LOOKS_LIKE_A_COMMAND = re.compile(
    r"^(?:[A-Z_]+=\S+ )*(?:\$ |(?:\S+/)?(?:make|curl|node|np[mx]|python3?|pip|uv|git|aws|cd|export|sam|outcomes) \S)",
    re.M,
)


@dataclass(frozen=True)
class Block:
    """A fenced block of a page. line: where its first line is, counted from 1."""

    page: str
    line: int
    language: str
    lines: list[str]


@dataclass(frozen=True)
class Command:
    """A command of a block, with the comments above it and what the page says that it prints."""

    block: Block
    line: int
    text: str
    above: str
    says: list[str] = field(default_factory=list)

    @property
    def place(self) -> str:
        return f"{self.block.page}:{self.line}"

    @property
    def not_run(self) -> set[str]:
        """Return the reasons why this command is not pasted."""
        without_comments = re.sub(r"\s#\s.*", "", self.text)
        return {reason for reason, pattern in NOT_RUN.items() if re.search(pattern, without_comments, re.M)}


def markdown() -> list[str]:
    listed = subprocess.run(["git", "ls-files", "*.md"], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return sorted(listed.stdout.split(), key=lambda page: (page != README, page))


@cache
def blocks(page: str) -> list[Block]:
    """Return the fenced blocks of a page, without the indentation of a list."""
    found, opened = [], None
    for number, line in enumerate((ROOT / page).read_text().splitlines(), start=1):
        if opened is None and (fence := re.fullmatch(r"( *)```(.*)", line)):
            indent, opened = len(fence[1]), Block(page, number + 1, fence[2], [])
        elif opened and line.strip() == "```":
            found.append(opened)
            opened = None
        elif opened:
            opened.lines.append(line[indent:])
    assert opened is None, f"{page} does not end its last block"
    return found


@cache
def commands(page: str) -> list[Command]:
    """Return the commands of a page's shell blocks."""
    return [command for block in blocks(page) if block.language == "sh" for command in split(block)]


def split(block: Block) -> Iterator[Command]:
    """Split a block into its commands. A command ends where bash would run it."""
    typed: list[str] = []
    above: list[str] = []
    last: Command | None = None
    for number, line in enumerate(block.lines, start=block.line):
        if not typed and not line.strip():
            last = None
        elif not typed and line.startswith("#"):
            (last.says if last else above).append(line.lstrip("# "))
        else:
            typed.append(line)
            if is_complete(text := "\n".join(typed)):
                yield (last := Command(block, number + 1 - len(typed), text, " ".join(above)))
                typed, above = [], []
    assert not typed, f"{block.page}:{block.line}: bash waits for the end of {typed[0]!r}"


def is_complete(text: str) -> bool:
    without_brackets = re.sub(NOT_RUN[PLACEHOLDER], "x", text)
    checked = subprocess.run(["bash", "-n"], input=without_brackets, text=True, capture_output=True, check=False)
    return checked.returncode == 0 and not checked.stderr and not text.endswith("\\")


def without_a_terminal(block: Sequence[Command]) -> str | None:
    """Return where a command follows one that occupies the terminal, although no comment between names another."""
    is_occupied = False
    for command in block:
        is_occupied &= "terminal" not in command.above
        if is_occupied:
            return command.place
        is_occupied = bool(ENDLESS.search(command.text) or ASKS.search(command.text))
    return None


def matches(printed: str, says: Sequence[str]) -> bool:
    """Compare what a command printed with what the page says. If the page says nothing, anything matches."""
    whole = "\n".join(r"(?:.*\n)*.*" if line == "..." else pattern(line) for line in says)
    return not says or re.fullmatch(whole, printed.rstrip("\n")) is not None


def pattern(line: str) -> str:
    """Return a regular expression of a line on a page, in which `...` stands for any text."""
    shortened = "|".join(map(re.escape, [*PRINTED, "..."]))
    parts = re.split(f"({shortened})", line)
    return "".join(
        ".*" if part == "..." else PRINTED[part].pattern if part in PRINTED else re.escape(part) for part in parts
    )


[README_STACK] = [each.text for each in commands(README) if "make run" in each.text]
PAGES = [page for page in markdown() if any(block.language == "sh" for block in blocks(page))]


def test_a_block_is_split_where_bash_runs_a_command_and_its_comments_below_are_what_it_prints() -> None:
    text = """# In a second terminal. By key:
curl "$URL" -d '{
  "a": 1}' \\
    -i
# {"ok":true}
# {"id":"01M..."}
make seed    # before make deploy

# Then:
for each in 1 2; do
    # not the end
    echo $each
done && aws s3 ls <bucket name>
"""
    first, second, third = split(Block("page", 7, "sh", text.splitlines()))
    assert (first.line, first.above, first.says) == (
        8,
        "In a second terminal. By key:",
        ['{"ok":true}', '{"id":"01M..."}'],
    )
    assert first.text.endswith("-i")
    assert (second.above, second.says, second.not_run) == ("", [], set())
    assert (third.above, third.says) == ("Then:", [])
    assert third.not_run == {"needs AWS", PLACEHOLDER}


def test_a_block_that_ends_within_a_command_is_refused() -> None:
    with pytest.raises(AssertionError, match="page:7: bash waits for the end of 'make seed &&'"):
        list(split(Block("page", 7, "sh", ["make seed &&"])))


ID = "01KN4EMPHR0000000000000004"


@pytest.mark.parametrize(
    ("printed", "says", "is_so"),
    [
        ('{"ok":true}\n', ['{"ok":true}'], True),
        ('{"ok":false}\n', ['{"ok":true}'], False),
        ('{"ok":true,"id":1}', ['{"ok":true}'], False),
        (f'{{"id":"{ID}","n":2}}', ['{"id":"01M...",...}'], True),
        ('{"id":"01M","n":2}', ['{"id":"01M...",...}'], False),
        (f"deal\n{ID}\n", ["deal", "01M..."], True),
        (f"more\ndeal\n{ID}\n", ["deal", "01M..."], False),
        (f"more\nand more\ndeal\n{ID}\n", ["...", "deal", "01M..."], True),
        (f"more\ndeal\nnot there\n{ID}\n", ["...", "deal", "01M..."], False),
        ("deal\n", ["deal", "deal"], False),
        ("anything", [], True),
    ],
)
def test_what_is_printed_is_compared_with_all_lines_on_the_page(printed: str, says: list[str], is_so: bool) -> None:
    assert matches(printed, says) == is_so


@pytest.mark.parametrize(
    ("block", "place"),
    [
        (["make run", "make seed"], "page:8"),
        (["make run", "", "# In a second terminal:", "make seed", "", "make session"], None),
        (["make run", "", "# In a second terminal:", "outcomes watch", "make seed"], "page:11"),
        (["make seed", "make run"], None),
        (["make erase USER_ID=7", "make seed"], "page:8"),
    ],
)
def test_what_follows_a_command_that_serves_or_asks_must_name_its_terminal(block: list[str], place: str | None) -> None:
    assert without_a_terminal(list(split(Block("page", 7, "sh", block)))) == place


def test_every_block_says_what_needs_another_terminal() -> None:
    blocks_of_commands = [list(split(block)) for page in PAGES for block in blocks(page) if block.language == "sh"]
    assert [place for place in map(without_a_terminal, blocks_of_commands) if place] == []


def test_every_block_of_commands_is_pasted_or_has_a_reason() -> None:
    for page in markdown():
        for block in blocks(page):
            place = f"{page}:{block.line}"
            assert block.language in OTHER_LANGUAGES | {"sh"}, f"{place}: begin a block of commands with ```sh"
            text = "\n".join(block.lines)
            assert block.language or not LOOKS_LIKE_A_COMMAND.search(text), f"{place}: begin it with ```sh"
    reasons = {reason for page in PAGES for command in commands(page) for reason in command.not_run}
    assert reasons == NOT_RUN.keys(), "take out reasons that no command has"
    for page, pattern in PAGES_NOT_RUN.items():
        assert any(re.search(pattern, command.text) for command in commands(page)), page


@pytest.fixture(scope="module")
def newcomer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Newcomer]:
    person = Newcomer(tmp_path_factory.mktemp("newcomer"))
    try:
        yield person
    finally:
        person.leave()


@pytest.mark.parametrize("page", [page for page in PAGES if page not in PAGES_NOT_RUN])
def test_a_page_can_be_followed_word_for_word(page: str, newcomer: Newcomer) -> None:
    if page != README:
        newcomer.begin_page(README_STACK)
    started = []
    for command in commands(page):
        if command.not_run:
            continue
        if ENDLESS.search(command.text):
            newcomer.start(command.text)
            started.append(command)
            continue
        if "Ctrl-C" in command.above:
            newcomer.stop_all()
        ended = newcomer.paste(command.text)
        told = f"{command.place}: {command.text}\nexit code {ended.code}\n{ended.output}{ended.errors}"
        assert ended.code == 0, told
        assert matches(ended.output, command.says), told
    for command in started:
        for line in command.says:
            newcomer.wait_for(command.text, pattern(line))
    newcomer.begin_page(README_STACK)
    assert newcomer.deals() in ({1} if page == README else {0, 1}), "a deal counts once, on whichever pages it is"
