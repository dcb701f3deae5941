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

# This script runs without site-packages. It imports all modules of the layer, and then each handler as Lambda does. A
# handler's process has the layer's modules already, because importing them takes longer. The script prints the files of
# all loaded modules, first those of the layer.
IMPORT = """
import importlib, json, os, pkgutil, sys
handlers, *sys.path[:0] = sys.argv[1:]
import outcomes
for module in pkgutil.walk_packages(outcomes.__path__, "outcomes."):
    importlib.import_module(module.name)
for folder, handler, variables in [("", "", {}), *json.loads(handlers)]:
    if not os.fork():
        if handler:
            sys.path.insert(0, folder)
            os.environ.update(variables)
            module, function = handler.split(".")
            assert callable(getattr(importlib.import_module(module), function))
        print(json.dumps({name: getattr(module, "__file__", None) for name, module in sys.modules.items()}))
        sys.exit()
    if os.wait()[1]:
        sys.exit(folder)
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


def test_each_function_imports_with_only_its_folder_the_layer_and_the_runtime(native: Build, runtime: Path) -> None:
    built = {
        name: (str(native.folder / native.template["Resources"][name]["Properties"]["CodeUri"]), function)
        for name, function in functions(deploy(**EVERYTHING)).items()
    }
    assert built.keys() == set(declared("AWS::Serverless::Function"))
    handlers = [
        (folder, function["Handler"], function["Environment"]["Variables"]) for folder, function in built.values()
    ]
    path = (native.layer / "python", runtime)
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-B", "-W", "error", "-c", IMPORT, json.dumps(handlers), *path],
        env={"AWS_DEFAULT_REGION": "us-east-1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    loaded = [{name: file for name, file in json.loads(line).items() if file} for line in done.stdout.splitlines()]
    assert not [file for files in loaded for file in files.values() if "site-packages" in file]
    assert [files.get("app") for files in loaded] == [None, *(f"{folder}/app.py" for folder, _ in built.values())]

    of_the_layer = loaded[0]
    modules = {path.stem for path in (ROOT / "layers/common/outcomes").rglob("*.py")} - {"__init__"}
    assert {name.rpartition(".")[2] for name in of_the_layer if name.startswith("outcomes.")} >= modules
    assert of_the_layer["pydantic_core._pydantic_core"].startswith(str(native.layer))
