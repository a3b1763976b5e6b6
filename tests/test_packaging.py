"""What is installed: every package, every dependency at a version that the bounds allow, nothing unneeded."""

import ast
import re
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from neurorecon.core.machine import PACKAGES

# module -> distribution, where the names differ
DISTRIBUTIONS = {
    "PIL": "pillow",
    "cc3d": "connected-components-3d",
    "nrrd": "pynrrd",
    "skimage": "scikit-image",
    "v3dpy": "v3d-py-helper",
}
FOLLOWS = {"matplotlib": "navis", "pandas": "navis", "torchvision": "timm"}  # come with a package that is required
EXTRAS = {
    "aiohttp",
    "bioio",
    "bioio_czi",
    "bioio_lif",
    "bioio_nd2",
    "dask_jobqueue",
    "distributed",
    "fsspec",
    "napari",
    "qtpy",
}  # not of all
UNIMPORTED = {"imagecodecs", "timm", "monai"}  # used through tifffile; used by training, in time


@pytest.fixture(scope="module")
def project(root):
    return tomllib.loads((root / "pyproject.toml").read_text())


@pytest.fixture(scope="module")
def constraints(root):
    lines = (root / "constraints.txt").read_text().splitlines()
    return dict(line.lower().replace("_", "-").split("==") for line in lines if line and not line.startswith("#"))


def imports(root):
    for path in (root / "neurorecon").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                yield from ((alias.name.split(".")[0], path) for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                yield node.module.split(".")[0], path


def test_every_package_on_disk_is_installed(root, project):
    listed = set(project["tool"]["setuptools"]["packages"])
    found = {".".join(path.parent.relative_to(root).parts) for path in (root / "neurorecon").rglob("__init__.py")}
    assert listed == found | {"neurorecon._models"}


def test_every_import_is_a_dependency_and_every_dependency_imported(root, project):
    required = {Requirement(text).name for text in project["project"]["dependencies"]}
    foreign = {name for name, _ in imports(root) if name not in sys.stdlib_module_names and name != "neurorecon"}
    needed = {DISTRIBUTIONS.get(name, name) for name in foreign - EXTRAS - set(FOLLOWS)}
    assert needed <= required
    assert required - needed <= UNIMPORTED


def test_packages_that_records_name_are_the_dependencies(project):
    """Without click, which has no part in a result."""
    required = {Requirement(text).name for text in project["project"]["dependencies"]}
    assert set(PACKAGES) == required - {"click"}
    assert list(PACKAGES) == sorted(PACKAGES)


def test_every_dependency_is_bounded_and_pinned_within_its_bounds(project, constraints):
    for text in project["project"]["dependencies"] + project["project"]["optional-dependencies"]["dev"]:
        requirement = Requirement(text)
        assert str(requirement.specifier), text
        pinned = constraints[requirement.name.lower().replace("_", "-")]
        assert requirement.specifier.contains(pinned), f"{text} does not allow {pinned}"


def test_constraints_name_no_build_of_one_machine(root, constraints):
    assert constraints["torch"] == "2.13.0"
    assert constraints["torchvision"] == "0.28.0"
    assert not re.search(r"[+@]|file:", (root / "constraints.txt").read_text())


def test_models_of_the_checkout_are_whole_and_small(root):
    for folder in (path.parent for path in (root / "models").glob("*/config.toml")):
        assert {"model.safetensors", "config.toml", "card.md"} <= {path.name for path in folder.iterdir()}
        assert (folder / "model.safetensors").stat().st_size < 16e6


def test_no_file_of_the_package_is_longer_than_the_house_allows(root):
    long = {path.name: n for path in (root / "neurorecon").rglob("*.py") if (n := lines_of(path)) > 400}
    assert long == {}


def lines_of(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())
