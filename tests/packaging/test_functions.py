"""Each built function can be imported with only its own folder, the layer and Lambda's packages on the path."""

import importlib.util
import json
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from tests.template.conftest import EVERYTHING, declared, deploy
from tests.template.test_functions import functions

from .conftest import ROOT, Build

# The packages of Lambda's Python runtimes: boto3 and its dependencies.
# https://docs.aws.amazon.com/lambda/latest/dg/python-package.html#python-package-dependencies
PROVIDED = ["boto3", "botocore", "s3transfer", "jmespath", "dateutil", "urllib3", "six"]

# This script runs without site-packages. It imports a handler as Lambda does, or all modules of the layer.
IMPORT = """
import importlib, json, pkgutil, sys
*sys.path[:0], handler = sys.argv[1:]
if handler:
    module, function = handler.split(".")
    assert callable(getattr(importlib.import_module(module), function))
else:
    import outcomes
    for module in pkgutil.walk_packages(outcomes.__path__, "outcomes."):
        importlib.import_module(module.name)
print(json.dumps({name: getattr(module, "__file__", None) for name, module in sys.modules.items()}))
"""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the layer holds Linux binaries")


@pytest.fixture(scope="session")
def native(request: pytest.FixtureRequest) -> Build:
    """Return the build for this machine's architecture."""
    build: Build = request.getfixturevalue({"aarch64": "arm64", "x86_64": "x86_64"}[platform.machine()])
    return build


@pytest.fixture(scope="session")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with only Lambda's packages, like /var/runtime."""
    folder = tmp_path_factory.mktemp("runtime")
    for name in PROVIDED:
        spec = importlib.util.find_spec(name)
        assert spec
        assert spec.origin
        origin = Path(spec.origin)
        source = origin.parent if origin.name == "__init__.py" else origin
        (folder / source.name).symlink_to(source)
    return folder


def imported(*path: Path, handler: str, variables: dict[str, str]) -> dict[str, str]:
    """Import a handler with only these folders on the path, and return the files of all loaded modules."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-B", "-W", "error", "-c", IMPORT, *map(str, path), handler],
        env=variables,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    files: dict[str, str] = {name: file for name, file in json.loads(done.stdout).items() if file}
    assert not [file for file in files.values() if "site-packages" in file]
    return files


@pytest.mark.parametrize("name", declared("AWS::Serverless::Function"))
def test_a_function_imports_with_only_its_folder_the_layer_and_the_runtime(
    native: Build, runtime: Path, name: str
) -> None:
    function = functions(deploy(**EVERYTHING))[name]
    folder = native.folder / native.template["Resources"][name]["Properties"]["CodeUri"]
    variables = function["Environment"]["Variables"] | {"AWS_DEFAULT_REGION": "us-east-1"}

    files = imported(folder, native.layer / "python", runtime, handler=function["Handler"], variables=variables)

    assert files["app"] == f"{folder}/app.py"


def test_every_module_of_the_layer_imports_with_only_the_layer_and_the_runtime(native: Build, runtime: Path) -> None:
    files = imported(native.layer / "python", runtime, handler="", variables={"AWS_DEFAULT_REGION": "us-east-1"})

    modules = {path.stem for path in (ROOT / "layers/common/outcomes").rglob("*.py")} - {"__init__"}
    assert {name.rpartition(".")[2] for name in files if name.startswith("outcomes.")} >= modules
    assert files["pydantic_core._pydantic_core"].startswith(str(native.layer))
