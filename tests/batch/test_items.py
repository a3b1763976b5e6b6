"""The plan: names that never meet, shards that are the whole."""

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurorecon.batch import BatchSettings, find_items, parse_shard, plan, shard_of
from neurorecon.core.errors import InputError, SettingsError

PARTS = ["a", "A", "b", "é", "E\u0301", "ß", "S", ".", "1", "_", " ", "<", "\n", ".tif", ".npy", ".TIF"]
NAMES = st.lists(
    st.lists(st.sampled_from(PARTS), min_size=1, max_size=6).map("".join).filter(lambda n: n.strip(".")),
    unique=True,
    max_size=12,
)


def outputs(names):
    return {item.input: item.output for item in plan(names)}


def test_an_output_has_the_name_of_its_input():
    assert outputs(["a.tif", "sub/a.tif", "b.ome.zarr", "c.d.nii.gz", "planes"]) == {
        "a.tif": "a.swc",
        "sub/a.tif": "sub/a.swc",
        "b.ome.zarr": "b.swc",
        "c.d.nii.gz": "c.d.swc",
        "planes": "planes.swc",
    }


def test_stacks_of_one_name_keep_their_suffixes():
    assert outputs(["a.tif", "a.v3draw", "b.tif"]) == {
        "a.tif": "a.tif.swc",
        "a.v3draw": "a.v3draw.swc",
        "b.tif": "b.swc",
    }


def test_a_name_that_is_nothing_but_a_suffix_stays_whole():
    assert outputs(["sub/.tif"]) == {"sub/.tif": "sub/.tif.swc"}


def test_a_whole_name_never_meets_the_stem_of_another():
    both = outputs(["a.tif", "a.v3draw", "a.tif.npy"])
    assert len(set(both.values())) == 3


def test_names_that_differ_in_case_stay_apart_and_the_small_one_keeps_its_name():
    both = outputs(["A.tif", "a.tif"])
    assert both["a.tif"] == "a.tif.swc"
    assert both["A.tif"].startswith("A.tif~")
    assert outputs(["A.tif"]) == {"A.tif": "A.swc"}


def test_a_name_that_could_be_a_tree_of_another_stack_is_marked():
    both = outputs(["cell", "cell_1", "cell_x"])
    assert both["cell"] == "cell.swc"
    assert both["cell_1"].startswith("cell_1~")
    assert both["cell_x"] == "cell_x.swc"


def test_a_name_at_the_limit_of_file_systems_is_cut():
    name = "é" * 125 + ".tif"
    assert len(outputs([name])[name].encode()) < 245
    other = "é" * 124 + "x.tif"
    assert outputs([name])[name] != outputs([other])[other]


def test_no_page_of_a_stack_takes_the_place_of_the_report():
    for name in ("report.tif", "Report.TIF"):
        assert outputs([name])[name].casefold().startswith("report~")
    assert outputs(["sub/report.tif"])["sub/report.tif"] == "sub/report.swc"


@settings(max_examples=300, deadline=None)
@given(NAMES)
def test_no_two_inputs_share_a_file_on_any_file_system(names):
    taken = {}
    for item in plan(names):
        stem = item.output.removesuffix(".swc")
        for file in (
            f"{stem}.swc",
            f"{stem}.png",
            f"{stem}.html",
            f"{stem}.json",
            f"{stem}.review.csv",
            *(f"{stem}_{k}.swc" for k in (1, 2, 11, 12)),
        ):
            folded = unicodedata.normalize("NFC", unicodedata.normalize("NFC", file).casefold())
            assert taken.setdefault(folded, item.input) == item.input
    assert len({item.key for item in plan(names)}) == len(names)


@settings(max_examples=100, deadline=None)
@given(NAMES, st.randoms(use_true_random=False))
def test_names_depend_on_no_order(names, random):
    shuffled = random.sample(names, len(names))
    assert outputs(names) == outputs(shuffled)


@given(st.integers(0, 40), st.integers(1, 15))
def test_shards_are_disjoint_and_together_the_whole(count, shards):
    items = plan(f"{k}.tif" for k in range(count))
    parts = [shard_of(items, (i, shards)) for i in range(1, shards + 1)]
    assert sorted(item.input for part in parts for item in part) == sorted(item.input for item in items)
    fewer = plan(f"{k}.tif" for k in range(0, count, 2))
    for i, part in enumerate(parts, start=1):  # a job array lists while stacks arrive: none changes its shard
        assert {item.input for item in shard_of(fewer, (i, shards))} <= {item.input for item in part}


def test_shards_of_many_stacks_are_nearly_equal():
    items = plan(f"{k}.tif" for k in range(4000))
    assert all(900 < len(shard_of(items, (i, 4))) < 1100 for i in (1, 2, 3, 4))  # 3.7 standard deviations


def test_a_pattern_changes_which_stacks_are_taken_and_not_their_names(tmp_path):
    for name in ("a.npy", "a.nrrd", "b.nrrd", "odd.xyz"):
        (tmp_path / name).write_text("x")
    found = find_items(tmp_path, tmp_path / "out", BatchSettings(pattern="*.nrrd"))
    assert [item.output for item in found] == ["a.nrrd.swc", "b.swc"]


def test_outputs_inside_the_folder_of_inputs_are_no_inputs(tmp_path):
    for name in ("a.npy", "out/b.npy"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    found = find_items(tmp_path, tmp_path / "out", BatchSettings())
    assert [item.input for item in found] == ["a.npy"]
    assert len(find_items(tmp_path, tmp_path, BatchSettings())) == 2


@pytest.mark.parametrize(
    ("kwargs", "way_out"),
    [({"pattern": "*.xyz"}, r"matches '\*\.xyz'"), ({"recursive": False}, "--recursive"), ({}, "or below it")],
)
def test_a_folder_without_stacks_is_an_error_with_the_way_out(tmp_path, kwargs, way_out):
    with pytest.raises(InputError, match=way_out):
        find_items(tmp_path, tmp_path / "out", BatchSettings(**kwargs))


@pytest.mark.parametrize("text", ["0/3", "4/3", "1", "a/b", "-1/2", "1/0", "", "1/2/3"])
def test_a_shard_that_makes_no_sense_is_refused(text):
    with pytest.raises(SettingsError, match="for example 1/4"):
        parse_shard(text)


def test_a_shard_is_read():
    assert parse_shard(" 2/16 ") == (2, 16)


@pytest.mark.parametrize("kwargs", [{"jobs": 0}, {"shard": (3, 2)}, {"lease_seconds": 0.0}])
def test_impossible_settings_are_refused(kwargs):
    with pytest.raises(SettingsError):
        BatchSettings(**kwargs)
