"""Few stacks of an unseen microscope: who is tuned on what, where it is judged, resumed runs, tables of known content."""

import csv
import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from neurorecon.core.errors import InputError, SettingsError
from neurorecon.core.settings import from_toml
from neurorecon.core.tree import Tree
from neurorecon.io import read_stack, write_stack
from neurorecon.swc import read_swc, write_swc

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
STACKS = {"a1": "A", "a2": "A", "b1": "B", "b2": "B", "c1": "C", "c2": "C"}


@pytest.fixture(scope="module")
def ablation(imported):
    """The example, imported as its script imports it."""
    return imported("ablation_real")


@pytest.fixture
def plan(ablation):
    net = {"channels": [4, 4, 8], "width": 24, "depth": 1, "heads": 2, "embed": "plain"}
    train = {"pairs": ["lifted"], "crop": [16, 32, 32], "batch": 1, "steps": 2, "net": net}
    arms = {"scratch": {}, "other": {"rate": 2e-3, "net": {"depth": 2}}}
    tune = {"steps": 3, "rate": 1e-4}
    return ablation.Plan(train, tune, arms, seeds=(0, 1, 2), sizes=(1, 3), window=24, places=3)


@pytest.fixture
def place(ablation, y_stack, y_tree, tmp_path):
    """Six drawn neurons in three folds, of which precision is not asked of c2, and two to train on."""
    data, real, lifted = (tmp_path / name for name in ("data", "data/real_3d", "sets/lifted"))
    real.mkdir(parents=True)
    lifted.mkdir(parents=True)
    for folder, names, end in ((real, STACKS, ".gold.swc"), (lifted, ("1", "2"), ".swc")):
        for name in names:
            write_stack(np.asarray(y_stack.data), folder / f"{name}.tif")
            write_swc(y_tree, folder / f"{name}{end}")
    (data / "validation_ids.txt").write_text("9\n")
    lines = ["id,fold,scored,precision_asked,ignore"]
    lines += [f"{name},{fold},1,{int(name != 'c2')}," for name, fold in STACKS.items()]
    (real / "index.csv").write_text("\n".join(lines) + "\n")
    return ablation.Place(data, tmp_path / "sets", tmp_path / "teacher.safetensors", tmp_path / "work")


@pytest.fixture
def fast(ablation, monkeypatch):
    """Training, tuning and judging that take no time; what was tuned on which crops."""
    asked = []

    def tuned(settings, checkpoint, crops):
        asked.append((settings.rate, checkpoint, crops))
        return ablation.Run(dataclasses.replace(settings, teacher=None))

    def judged(net, pairs, plan, *, places=True):
        row = {"dice": 0.5, "hd95": 2.0, "cldice": 0.5, "f1": 0.5, "diagonal": 50.0}
        return {image.stem: row for image, _ in pairs}

    monkeypatch.setattr(ablation.Trained, "checkpoint", lambda self, arm, seed: f"{arm}-{seed}")
    monkeypatch.setattr(ablation, "crops_of", lambda settings: str(settings.pairs[0].name))
    monkeypatch.setattr(ablation, "tuned", tuned)
    monkeypatch.setattr(ablation, "judged", judged)
    return asked


def test_the_shipped_list_tunes_five_arms_on_one_three_and_eight_stacks_of_the_other_folds(ablation, data_root):
    plan = from_toml(ablation.Plan, EXAMPLES / "ablation_real.toml")
    assert len(ablation.cells_of(plan)) == 5 * 3 * 3 * 3
    rows = list(ablation.rows_of(data_root))
    fold = {row["id"]: row["fold"] for row in rows}
    for cell in ablation.cells_of(plan):
        names = ablation.drawn_stacks(rows, cell.fold, cell.seed, cell.size)
        assert len(set(names)) == cell.size
        assert cell.fold not in {fold[name] for name in names}
    there = ablation.Place(data_root, Path("sets"), Path("teacher"), Path("work"))
    for arm in plan.arms:
        settings = ablation.settings_of(plan, arm, 1, there)
        assert settings.pairs == (Path("sets/lifted"), Path("sets/hard"), Path("sets/dim"))
        assert settings.real == settings.grounds == ()


def test_every_arm_of_a_seed_comes_before_the_next_and_each_seed_has_a_fold_of_its_own_first(ablation, plan):
    cells = ablation.cells_of(plan)
    assert [(c.seed, c.fold, c.size, c.arm) for c in cells[:3]] == [
        (0, "A", 1, "scratch"), (0, "A", 1, "other"), (0, "A", 3, "scratch"),
    ]  # fmt: skip
    turns = list(dict.fromkeys((c.seed, c.fold) for c in cells))
    assert turns == [(0, "A"), (1, "B"), (2, "C"), (0, "B"), (1, "C"), (2, "A"), (0, "C"), (1, "A"), (2, "B")]
    assert len(set(cells)) == len(cells)


def test_a_smaller_set_is_part_of_a_larger_one_and_another_seed_draws_another(ablation, place):
    rows = list(ablation.rows_of(place.data))
    one, three = (ablation.drawn_stacks(rows, "A", 0, size) for size in (1, 3))
    assert three[:1] == one
    assert {STACKS[name] for name in three} <= {"B", "C"}
    assert len({tuple(ablation.drawn_stacks(rows, "A", seed, 4)) for seed in range(5)}) > 1
    with pytest.raises(SettingsError, match="only 4 lie outside of fold A"):
        ablation.drawn_stacks(rows, "A", 0, 5)


def test_the_window_holds_the_most_cable_and_nothing_of_what_is_ignored(ablation):
    points = np.array([[3, 90, 90]] * 50 + [[3, 20, 100]] * 20 + [[3, 80, 10]] * 5, float)
    assert ablation.window_of(points, (8, 120, 128), 48, "") == (slice(48, 96), slice(48, 96))
    y, x = ablation.window_of(points, (8, 120, 128), 48, "0:8 60:120 0:128")
    assert y.stop <= 60
    assert x.start <= 100 < x.stop
    assert ablation.window_of(points, (8, 40, 30), 48, "") == (slice(0, 40), slice(0, 30))
    with pytest.raises(InputError, match="no window of 48 voxels"):
        ablation.window_of(points, (8, 120, 128), 48, "0:8 0:120 0:128")


def test_a_tree_is_cut_at_the_edge_of_the_window_even_where_its_nodes_lie_far_apart(ablation):
    xyz = np.array([[0, 10, 5], [40, 10, 5], [20, 30, 5]], float)
    cut = ablation.cut_tree(Tree(xyz, np.array([1.0, 3.0, 1.0]), np.array([-1, 0, 0])), (slice(4, 30), slice(10, 30)))
    assert cut.cable_length == pytest.approx(20 + 10 * np.sqrt(2), abs=1.5)  # as far as either edge enters
    assert cut.xyz[:, :2].min() >= -0.5
    assert cut.xyz[:, 0].max() < 19.5
    middle = cut.xyz[np.abs(cut.xyz[:, 1] - 6) < 1e-9]
    assert middle[:, 0].max() >= 19
    assert cut.radius.max() == pytest.approx(1 + 2 * 29.5 / 40, abs=0.05)


def test_the_windows_lie_on_the_stack_and_a_stack_without_precision_has_none(ablation, plan, place, y_tree):
    ablation.prepare(plan, place, list(ablation.rows_of(place.data)))
    windows = place.work / "windows"
    assert sorted(path.stem for path in windows.glob("*.tif")) == ["a1", "a2", "b1", "b2", "c1"]
    image, tree = read_stack(windows / "a1.tif"), read_swc(windows / "a1.swc")
    assert image.shape == (16, 24, 24)
    there = np.rint(tree.xyz).astype(int)
    assert (np.asarray(image.data)[there[:, 2], there[:, 1], there[:, 0]] > 100).all()


def test_results_come_line_by_line_and_nothing_is_done_twice(ablation, plan, place, fast):
    ablation.work(plan, place)
    results = ablation.load_results(place)
    assert [ablation.cell_of(result) for result in results] == ablation.cells_of(plan)
    assert {tuple(sorted(result["stacks"])) for result in results} == {("a1", "a2"), ("b1", "b2"), ("c1",)}
    assert all(("without_places" in result) == (result["size"] == 3) for result in results)
    assert all(STACKS[name] != result["fold"] for result in results for name in result["tuned_on"])
    lines = place.results.read_text().splitlines()
    place.results.write_text("\n".join(lines[:-2]) + "\n")
    fast.clear()
    ablation.work(plan, place)
    assert len(fast) == 2
    assert len(ablation.load_results(place)) == len(lines)


def test_all_arms_are_tuned_on_the_same_crops_each_from_its_own_training(ablation, plan, place, fast):
    ablation.work(plan, place)
    (_, first, crops), (_, second, same) = fast[:2]
    assert (first, second) == ("scratch-0", "other-0")
    assert crops == same == "A-0-1"
    assert {rate for rate, _, _ in fast} == {1e-4}


def test_results_of_another_plan_are_refused(ablation, plan, place, fast):
    ablation.work(plan, place)
    with pytest.raises(InputError, match="other settings"):
        ablation.work(dataclasses.replace(plan, tune={"steps": 4}), place)


def test_a_plan_whose_reference_is_no_arm_is_refused(ablation, plan):
    with pytest.raises(SettingsError, match="'scratsch'"):
        dataclasses.replace(plan, reference="scratsch")


def fabricate(ablation, plan, dice):
    """Return results: `dice` of arm and stack."""
    results = []
    for cell in ablation.cells_of(plan):
        names = [name for name, fold in STACKS.items() if fold == cell.fold and name != "c2"]
        rows = {name: {"dice": dice(cell.arm, name), "cldice": 0.5, "f1": 0.4, "diagonal": 50.0} for name in names}
        for row in rows.values():
            row["hd95"] = 10 * (1 - row["dice"]) if row["dice"] else None
        result = {**dataclasses.asdict(cell), "stacks": rows}
        results.append(result | ({"without_places": rows} if cell.size == plan.places else {}))
    return results


def test_the_table_holds_paired_differences_and_counts_only_what_every_arm_was_judged_on(ablation, plan, tmp_path):
    from ablation_real_table import write_tables

    results = fabricate(ablation, plan, lambda arm, name: 0.5 + 0.1 * (arm == "other"))
    late = next(k for k, r in enumerate(results) if (r["seed"], r["fold"], r["size"]) == (0, "B", 1)) + 1
    md, table, picture = write_tables(plan, results[:late], tmp_path)  # stopped after one arm of the second turn
    text = md.read_text()
    assert "| 1 stack | other | 0.600 | 4.00 | 0.500 | 0.400 |" in text
    assert "| 1 stack | other | **+20.0 [+20.0, +20.0]** | **-20.0 [-20.0, -20.0]** | +0.000 [+0.000, +0.000] |" in text
    assert "5 for 1 stack, 5 for 3 stacks, of 5 stacks" in text
    assert "| other | 0.600 | 0.600 | 4.00 | 4.00 |" in text  # tokens and none
    assert picture.read_bytes().startswith(b"\x89PNG")
    with table.open(newline="") as lines:
        rows = [row for row in csv.DictReader(lines) if (row["arm"], row["score"]) == ("other", "dice")]
    assert [(row["size"], row["pairs"], float(row["percent"])) for row in rows] == [("1", "5", 20.0), ("3", "5", 20.0)]


def test_an_empty_mask_counts_as_far_as_the_window_reaches_and_is_said(ablation, plan, tmp_path):
    from ablation_real_table import write_tables

    results = fabricate(ablation, plan, lambda arm, name: 0.0 if (arm, name) == ("other", "a1") else 0.5)
    text = write_tables(plan, results, tmp_path)[0].read_text()
    assert "6 masks were empty" in text  # 3 seeds, 2 sizes
    assert "15 for 1 stack" in text
    assert "| 1 stack | other | 0.400 | 14.00 |" in text  # (50 + 4 x 5) / 5


def test_without_a_whole_group_there_is_no_table(ablation, plan, tmp_path):
    from ablation_real_table import write_tables

    with pytest.raises(InputError, match="every arm"):
        write_tables(plan, fabricate(ablation, plan, lambda arm, name: 0.5)[:1], tmp_path)


@pytest.mark.slow
@pytest.mark.train
def test_two_arms_are_trained_tuned_judged_and_tabulated(ablation, plan, place):
    """Everything real, two steps to train and three to tune: the tuned student goes on from its training."""
    plan = dataclasses.replace(plan, seeds=(0,), sizes=(1,), places=1)
    ablation.work(plan, place)
    results = ablation.load_results(place)
    assert len(results) == 2 * 3
    assert all(result["steps"] == 3 for result in results)
    assert all(0 <= row["dice"] <= 1 for result in results for row in result["stacks"].values())
    assert {path.parent.name for path in place.work.glob("trained/*/checkpoint.pt")} == {"scratch-0", "other-0"}
    state = torch.load(place.work / "trained" / "scratch-0" / "checkpoint.pt", weights_only=True)
    run = ablation.tuned(
        ablation.settings_of(plan, "scratch", 0, place), place.work / "trained/scratch-0/checkpoint.pt", []
    )
    assert all(torch.equal(value, state["average"][key]) for key, value in run.net.state_dict().items())
    assert json.loads((place.work / "plan.json").read_text())["sizes"] == [1]
