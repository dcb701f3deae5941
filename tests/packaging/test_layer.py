"""The built layer is compiled, small, made for one architecture, and contains only the pinned packages."""

import importlib.util
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.machinery import SourcelessFileLoader
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml

from release.contract.source import words

from .conftest import ROOT, Build, build

REQUIREMENTS = ROOT / "layers/common/requirements.txt"
UNCHECKED_HASH = 0b01
# An ELF header contains the machine type in two bytes at offset 18:
# https://refspecs.linuxfoundation.org/elf/gabi4+/ch4.eheader.html
ELF_MACHINES = {"x86_64": 62, "arm64": 183}


def pins() -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9-]+)==([^ ;]+)", REQUIREMENTS.read_text(), re.MULTILINE))


@pytest.mark.parametrize("file", [REQUIREMENTS, ROOT / ".ci/uv.txt"], ids=lambda file: file.name)
def test_every_requirement_is_pinned_with_hashes(file: Path) -> None:
    lines = file.read_text().replace("\\\n", " ").splitlines()
    entries = [line for line in lines if not line.startswith("#")]

    assert entries
    for entry in entries:
        assert re.fullmatch(r"[a-z0-9-]+==\S+( ; .+?)?( +--hash=sha256:[0-9a-f]{64})+", entry), entry


def test_what_builds_a_package_is_pinned_with_hashes() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["uv"]

    assert settings["require-build-hashes"] is True
    for pin in settings["build-constraint-dependencies"]:
        assert re.fullmatch(r"[a-z-]+==[\d.]+", pin["requirement"])
        assert pin["hashes"]


def test_tests_run_with_the_versions_that_are_deployed() -> None:
    assert {name: version(name) for name in pins()} == pins()


def test_every_module_is_compiled_for_the_runtime(built: Build) -> None:
    """https://docs.python.org/3.13/reference/import.html#pyc-invalidation"""
    assert sys.version_info[:2] == (3, 13)
    sources = sorted(built.folder.rglob("*.py"))

    resources = built.template["Resources"].items()
    functions = {name for name, resource in resources if resource["Type"] == "AWS::Serverless::Function"}
    assert {source.parent.name for source in sources if source.name == "app.py"} == functions
    for source in sources:
        compiled = source.parent / "__pycache__" / f"{source.stem}.cpython-313.pyc"
        content = compiled.read_bytes()
        assert content[:4] == importlib.util.MAGIC_NUMBER, compiled
        assert int.from_bytes(content[4:8], "little") == UNCHECKED_HASH, compiled
        assert content[8:16] == importlib.util.source_hash(source.read_bytes()), compiled
    assert len(sources) == len(list(built.folder.rglob("*.pyc")))


@pytest.mark.parametrize(
    ("source", "on_lambda"),
    [
        ("CommonLayer/python/outcomes/errors.py", "/opt/python/outcomes/errors.py"),
        ("RecordOutcomeFunction/app.py", "/var/task/app.py"),
    ],
)
def test_tracebacks_name_the_files_paths_on_lambda(built: Build, source: str, on_lambda: str) -> None:
    folder, _, name = source.rpartition("/")
    compiled = built.folder / folder / "__pycache__" / name.replace(".py", ".cpython-313.pyc")
    code = SourcelessFileLoader("module", str(compiled)).get_code("module")

    assert code
    assert code.co_filename == on_lambda


def test_binaries_are_for_the_requested_architecture(built: Build) -> None:
    libraries = sorted(built.layer.rglob("*.so"))

    assert {library.name.split(".")[0] for library in libraries} >= {"_pydantic_core", "_rust"}
    for library in libraries:
        assert library.read_bytes()[:4] == b"\x7fELF", library
        assert int.from_bytes(library.read_bytes()[18:20], "little") == ELF_MACHINES[built.architecture], library


def test_our_package_is_shipped_as_it_is(built: Build) -> None:
    def sources(package: Path) -> dict[str, str]:
        return {str(path.relative_to(package)): path.read_text() for path in package.rglob("*.py")}

    assert sources(built.layer / "python/outcomes") == sources(ROOT / "layers/common/outcomes")


def test_exactly_the_pinned_packages_are_shipped(built: Build) -> None:
    """Vulnerability scanners read the file METADATA. Licenses require that the package contains their text."""
    shipped = {}
    for folder in built.layer.glob("python/*.dist-info"):
        name, version = folder.name.removesuffix(".dist-info").split("-")
        shipped[name.replace("_", "-")] = version
        files = {path.name for path in folder.rglob("*") if path.is_file()}
        assert "METADATA" in files
        assert any("LICENSE" in file for file in files), folder

    assert shipped == pins()


def test_the_layer_is_small_and_has_no_unneeded_files(built: Build) -> None:
    """Lambda's limit for function and layers is 250 MB unzipped, and every cold start loads them.

    https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
    """
    of_packages = ("tests", "bin", ".lock", "sboms", "*.pyi", "*.c", "*.h", "RECORD", "INSTALLER", "boto*")
    for unneeded in (*of_packages, "Makefile", "requirements.txt"):
        assert [*built.layer.rglob(unneeded)] == [], unneeded
    assert sum(path.stat().st_size for path in built.layer.rglob("*") if path.is_file()) < 40_000_000


def test_the_words_for_people_are_not_deployed(built: Build) -> None:
    def texts(said: object) -> Iterator[str]:
        for each in said.values() if isinstance(said, dict) else said if isinstance(said, list) else ():
            yield from [each] if isinstance(each, str) else texts(each)

    told = [text for text in texts(words() | {"sentences": []}) if len(text) > 30]
    shipped = [path.read_text() for path in built.folder.rglob("*.py") if "dist-info" not in str(path)]
    assert len(told) > 40
    assert [text for text in told if any(text in module for module in shipped)] == []


def test_the_built_template_deploys_only_this_architecture_without_anchors_and_merge_keys(built: Build) -> None:
    """CloudFormation does not accept YAML with anchors or merge keys.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/template-formats.html
    """
    parameter = built.template["Parameters"]["Architecture"]
    assert (parameter["Default"], parameter["AllowedValues"]) == (built.architecture, [built.architecture])
    tokens = list(yaml.scan((built.folder / "template.yaml").read_text(), yaml.CSafeLoader))
    assert not [token for token in tokens if isinstance(token, yaml.AnchorToken | yaml.AliasToken)]
    assert not [token for token in tokens if isinstance(token, yaml.ScalarToken) and token.value == "<<"]


def test_equal_input_gives_equal_bytes(arm64: Build, x86_64: Build) -> None:
    """If the bytes changed, each deployment would upload the layer again, and every function would start cold.

    The two builds differ only in the template and in binaries, which are copied from wheels with pinned hashes.
    """

    def contents(build: Build) -> dict[str, bytes]:
        files = {str(path.relative_to(build.folder)): path for path in build.folder.rglob("*") if path.is_file()}
        return {name: path.read_bytes() for name, path in files.items() if path.suffix != ".so"}

    assert contents(arm64) | {"template.yaml": b""} == contents(x86_64) | {"template.yaml": b""}


def test_an_unknown_architecture_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match='ARCH is arm64 or x86_64, not "mips"'):
        build("mips", tmp_path)


def test_building_the_layer_without_uv_prints_what_to_do(tmp_path: Path) -> None:
    """`sam build` runs this target without uv in a fresh clone."""
    layer = shutil.copytree(ROOT / "layers/common", tmp_path / "layers/common")
    tools = tmp_path / "bin"
    tools.mkdir()
    for tool in ("make", "dirname"):
        (tools / tool).symlink_to(str(shutil.which(tool)))

    done = subprocess.run(
        ["make", "--makefile", str(layer / "Makefile"), "build-CommonLayer"],
        cwd=layer,
        env={"PATH": str(tools), "ARTIFACTS_DIR": str(tmp_path / "artifacts")},
        capture_output=True,
        text=True,
    )

    assert done.returncode != 0
    assert done.stderr.startswith("uv is needed to build the layer: run make build, or install uv.\n")


def test_the_layer_has_every_time_zone(built: Build) -> None:
    """Lambda's runtime contains no time zone data."""
    zones = built.layer / "python/tzdata"
    names = (zones / "zones").read_text().split()

    assert "Europe/Berlin" in names
    for name in names:
        assert (zones / "zoneinfo" / name).read_bytes()[:4] == b"TZif", name
