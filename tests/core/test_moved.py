"""Old import paths work for one version, each with a warning that names the new one."""

import importlib
import subprocess
import sys

import pytest

from neurorecon.core.moved import MODULES, NAMES


def run(code):
    """Run in a fresh process, for an import happens once; return what was printed and warned."""
    arguments = [sys.executable, "-W", "always::DeprecationWarning:__main__", "-c", code]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    return done.stdout.strip(), done.stderr


@pytest.mark.parametrize("package", ["trace", "segment"])
def test_an_old_package_gives_the_names_of_the_new_one(package):
    kind = {"trace": "TraceSettings", "segment": "SegmentSettings"}[package]
    code = f"from neurorecon.{package} import {kind}; import neurorecon; print({kind} is neurorecon.{kind})"
    printed, warned = run(code)
    assert printed == "True"
    assert f"neurorecon.{package} is called neurorecon.{MODULES['neurorecon.' + package].split('.')[1]} now" in warned


def test_the_stage_can_be_called_after_its_old_package_was_imported():
    code = (
        "import neurorecon, neurorecon.trace.settings as old, neurorecon.trace as t\n"
        "try: neurorecon.trace(3)\n"
        "except neurorecon.NeuroreconError as error: print(type(error).__name__, t.TraceSettings is old.TraceSettings)"
    )
    printed, _ = run(code)
    assert printed == "InputError True"


def test_without_an_old_import_the_stage_is_the_function_and_nothing_warns():
    code = "import inspect, neurorecon, neurorecon.tracing; print(inspect.isfunction(neurorecon.trace))"
    assert run(code) == ("True", "")


@pytest.mark.parametrize(("old", "new"), sorted(MODULES.items()))
def test_every_new_path_of_the_table_exists(old, new):
    assert importlib.util.find_spec(new)


def test_every_old_path_gives_its_new_module():
    code = (
        "import importlib, warnings; warnings.simplefilter('ignore')\n"
        "from neurorecon.core.moved import MODULES\n"
        "for old, new in MODULES.items():\n"
        "    a, b = importlib.import_module(old), importlib.import_module(new)\n"
        "    assert all(getattr(a, name) is getattr(b, name) for name in getattr(b, '__all__', ())), old\n"
        "print('all')"
    )
    assert run(code)[0] == "all"


@pytest.mark.parametrize("old", sorted(name for name in NAMES if name[0] not in MODULES))
def test_a_name_that_moved_is_answered_with_a_warning(old):
    package, name = old
    home, new = NAMES[old]
    with pytest.warns(DeprecationWarning, match=f"called {home}.{new} now"):
        found = getattr(importlib.import_module(package), name)
    assert found is getattr(importlib.import_module(home), new)


def test_a_name_that_changed_with_its_package_is_answered_too():
    """In a process of its own: an old package, once imported, stands in the place of the function."""
    code = (
        "import warnings; warnings.simplefilter('ignore')\n"
        "from neurorecon.trace import trace_volume\nfrom neurorecon.io.picture import Picture\n"
        "print(trace_volume.__name__, Picture.__name__)"
    )
    assert run(code)[0] == "trace_in_parts OpenedFile"


def test_unknown_names_of_an_old_package_are_attribute_errors():
    code = "from neurorecon.trace import nothing"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "cannot import name 'nothing' from 'neurorecon.trace'" in done.stderr


@pytest.fixture
def imported(monkeypatch):
    """Import an old path in this process as if for the first time; the present package is left as it is."""

    def fetch(old):
        package, _, name = old.rpartition(".")
        monkeypatch.delitem(sys.modules, old, raising=False)
        monkeypatch.setattr(importlib.import_module(package), name, None, raising=False)
        with pytest.warns(DeprecationWarning, match=f"{old} is called {MODULES[old]} now") as caught:
            module = importlib.import_module(old)
        assert [warning.filename for warning in caught] == [__file__]  # the line that uses the old path
        return module

    return fetch


def test_an_old_module_has_the_names_of_the_new_one_and_no_others(imported):
    old = imported("neurorecon.io.npy")
    assert old.open_npy is importlib.import_module("neurorecon.io.formats.npy").open_npy
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = old.nothing


def test_an_old_module_answers_a_name_that_went_elsewhere_since(imported):
    old = imported("neurorecon.io.picture")
    with pytest.warns(DeprecationWarning, match="called neurorecon.io.OpenedFile now"):
        assert old.Picture is importlib.import_module("neurorecon.io").OpenedFile
