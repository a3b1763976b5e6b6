"""Settings from TOML: what is wrong is named, with the way out."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurorecon.core.errors import SettingsError
from neurorecon.core.files import write_text
from neurorecon.core.settings import as_dict, from_dict, from_toml, settings_hash, to_toml


@dataclass(frozen=True)
class Inner:
    depth: int = 2


@dataclass(frozen=True)
class Outer:
    name: str
    rate: float = 0.5
    size: tuple[int, int, int] = (1, 2, 3)
    files: tuple[Path, ...] = ()
    limit: float | None = None
    kind: Literal["a", "b"] = "a"
    flag: bool = False
    inner: Inner = field(default_factory=Inner)


def test_every_type_is_read(tmp_path):
    text = 'name = "x"\nrate = 1\nsize = [4, 5, 6]\nfiles = ["p/q"]\nlimit = 2\nkind = "b"\nflag = true\n'
    text += "[inner]\ndepth = 9\n"
    (tmp_path / "s.toml").write_text(text)
    settings = from_toml(Outer, tmp_path / "s.toml")
    assert settings == Outer("x", 1.0, (4, 5, 6), (Path("p/q"),), 2.0, "b", True, Inner(9))
    assert isinstance(settings.rate, float)


@pytest.mark.parametrize(
    ("table", "what"),
    [
        ({"name": "x", "raet": 1}, "did you mean 'rate'"),
        ({"name": "x", "zzz": 1}, "known keys"),
        ({}, "name"),
        ({"name": 1}, "a text is needed"),
        ({"name": "x", "size": [1, 2]}, "list of 3"),
        ({"name": "x", "size": [1, 2, "3"]}, "a whole number is needed"),
        ({"name": "x", "size": [1, 2, True]}, "a whole number is needed"),
        ({"name": "x", "kind": "c"}, "one of 'a', 'b'"),
        ({"name": "x", "inner": {"deep": 1}}, "depth"),
        ({"name": "x", "inner": 1}, "a table of settings is needed"),
        ({"name": "x", "depth": 1}, r"it belongs into the table \[inner\]"),
        ({"name": "x", "rate": True}, "a number is needed"),
        ({"name": "x", "limit": "much"}, "a number is needed"),
    ],
)
def test_what_is_wrong_is_named(table, what):
    with pytest.raises(SettingsError, match=what):
        from_dict(Outer, table)


def test_a_missing_or_broken_file_is_refused(tmp_path):
    with pytest.raises(SettingsError, match="no such file"):
        from_toml(Outer, tmp_path / "no.toml")
    (tmp_path / "s.toml").write_text("name = ")
    with pytest.raises(SettingsError, match="TOML"):
        from_toml(Outer, tmp_path / "s.toml")


def test_the_hash_changes_with_any_value_and_not_by_itself():
    assert settings_hash(Outer("x")) == settings_hash(Outer("x"))
    others = [Outer("y"), Outer("x", rate=0.6), Outer("x", inner=Inner(3)), Outer("x", files=(Path("a"),))]
    assert len({settings_hash(s) for s in [Outer("x"), *others]}) == 5


def test_a_dictionary_holds_plain_values():
    assert as_dict(Outer("x", files=(Path("a"),)))["files"] == ["a"]


NAMES = st.text() | st.sampled_from(['O\'Brien "v2"', "a\tb", "\\", "\x7f", "a\r\nb = 1", '"""', "神経 \U0001f9e0", ""])
NUMBERS = st.floats(allow_nan=False) | st.integers(-(2**53), 2**53).map(float)


@given(
    st.builds(
        Outer,
        NAMES,
        rate=NUMBERS,
        size=st.tuples(*[st.integers(-9, 2**63 - 1)] * 3),
        files=st.lists(NAMES.map(Path), max_size=3).map(tuple),
        limit=st.none() | NUMBERS,
        kind=st.sampled_from(["a", "b"]),
        flag=st.booleans(),
        inner=st.builds(Inner, st.integers(0, 9)),
    )
)
def test_what_is_written_is_read_again_whatever_stands_in_it(tmp_path, settings):
    write_text(tmp_path / "s.toml", to_toml(settings), overwrite=True)
    assert from_toml(Outer, tmp_path / "s.toml") == settings


@pytest.mark.parametrize("value", ["half a pair \ud800", {"a": 1}, (None,), 1j])
def test_a_value_that_toml_cannot_hold_is_named(value):
    with pytest.raises(SettingsError, match=r"name is .* TOML cannot hold"):
        to_toml(Outer(value))
