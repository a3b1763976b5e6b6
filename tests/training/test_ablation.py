"""The ablation: runs in order, resumed, shared among processes; tables from results of known content."""

import csv
import dataclasses
import json
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from neurorecon.core.errors import InputError, SettingsError
from neurorecon.core.settings import from_toml
from neurorecon.evaluate import MaskScores, TreeScores
from neurorecon.io import write_stack
from neurorecon.segmentation import SegmentSettings
from neurorecon.swc import write_swc
from neurorecon.training.baseline import plain_unet
from neurorecon.training.score_stacks import StackScores

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture(scope="module")
def ablation(imported):
    """The three files of the example, imported as the script imports them."""
    return imported("ablation")


CONFIG = """
results = "{out}/results"
seeds = [0, 1]
against = ["U-Net"]
shares = [0.5, 0.25]
share_arms = ["scratch"]

[train]
pairs = ["{sets}/drawn"]
leave_out = "{sets}/unseen.txt"
steps = 2
batch = 1
crop = [16, 32, 32]
amp = false
threads = 1

[train.net]
channels = [4, 4, 8]
width = 24
depth = 1
heads = 2

[arms.scratch]
[arms."U-Net"]
student = "unet"
[arms."Mid rate + more"]
rate = 2e-3
net = {{ depth = 2 }}

[[evaluate]]
folder = "{sets}/lifted"
ids = ["11", "12"]
[[evaluate]]
folder = "{sets}/hard"
ids = ["11"]

[groups]
Fly = ["11"]
"""


@pytest.fixture(scope="module")
def sets(y_stack, y_tree, tmp_path_factory):
    """Folders of stacks with their tracing: ten neurons to train on, two to be judged on."""
    folder = tmp_path_factory.mktemp("sets")
    for name, ids in (("drawn", range(10)), ("lifted", (11, 12)), ("hard", (11, 12))):
        (folder / name).mkdir()
        for k in ids:
            write_stack(np.asarray(y_stack.data), folder / name / f"{k}.tif")
            write_swc(y_tree, folder / name / f"{k}.swc")
    (folder / "unseen.txt").write_text("# never\n11 lifted\n12\n")
    return folder


@pytest.fixture
def config(sets, tmp_path):
    path = tmp_path / "ablation.toml"
    path.write_text(CONFIG.format(out=tmp_path, sets=sets))
    return path


@pytest.fixture
def plan(ablation, config):
    plan = from_toml(ablation.Plan, config)
    plan.results.mkdir()
    return plan


def halves(kind, **others):
    """An object of a dataclass of scores, each of them 0.5 unless it is among `others`."""
    return kind(**dict.fromkeys((f.name for f in dataclasses.fields(kind)), 0.5) | others)


@pytest.fixture
def fast(ablation, monkeypatch):
    """Training and judging that take no time; the runs that were asked for."""
    asked = []

    def trained(settings, student):
        asked.append(settings.out.name)
        torch.manual_seed(settings.seed)
        return plain_unet(), settings.steps, 60.0

    def judged(net, pairs, *, threads, tiles):
        both = {"mask": halves(MaskScores), "tree": halves(TreeScores)}
        return [halves(StackScores, name=f"{image.parent.name}/{image.stem}", **both) for image, _ in pairs]

    monkeypatch.setattr(ablation, "trained", trained)
    monkeypatch.setattr(ablation, "score_stacks", judged)
    return asked


def test_the_shipped_list_holds_every_arm_and_judges_on_validation_neurons_only(ablation, root, data_root, monkeypatch):
    monkeypatch.chdir(data_root)  # where validation_ids.txt is
    plan = from_toml(ablation.Plan, root / "examples" / "ablation.toml")
    assert len(ablation.cells_of(plan)) == 9 * 3 + 3 * 2 * 3
    lines = (data_root / "validation_ids.txt").read_text().splitlines()
    unseen = {line.split()[0] for line in lines if not line.startswith("#")}
    judged = [neuron for stacks in plan.evaluate for neuron in stacks.ids]
    assert set(judged) <= unseen
    assert len(judged) == len(set(judged)) == 15
    with open(data_root / "gold166_mip" / "index.csv", newline="") as handle:
        group = {row["id"]: row["group"] for row in csv.DictReader(handle)}
    fly = {neuron for neuron in judged if group[neuron].startswith("fruitfly_janelia_flylight")}
    assert fly == set(plan.groups["Janelia FlyLight"])
    for cell in ablation.cells_of(plan):
        if cell.share == 1:
            assert ablation.settings_of(plan, cell).seed == cell.seed


def test_the_peers_are_judged_on_the_same_stacks(ablation, root):
    ours, peers = (from_toml(ablation.Plan, root / "examples" / f"{name}.toml") for name in ("ablation", "peers"))
    assert peers.names == ours.names
    students = [ablation.student_of(peers, arm) for arm in peers.arms]
    assert students == ["vit", "monai unet", "unetr", "swinunetr"]
    assert [ablation.maker_of(student) is None for student in students] == [True, False, False, False]


def test_a_network_of_monai_runs_on_windows_and_starts_from_rare_neurites(ablation, plan):
    import students

    torch.manual_seed(0)
    net = students.maker_of("monai unet")(ablation.settings_of(plan, ablation.Cell("U-Net", 1.0, 0))).eval()
    assert net.window == (16, 32, 32)
    with torch.inference_mode():
        window = torch.rand(1, 1, 16, 32, 32)
        torch.testing.assert_close(net(window), net.net(window) + students.PRIOR)
        seen = []
        net.net.register_forward_pre_hook(lambda module, args: seen.append(args[0].shape[2:]))
        assert net(torch.rand(1, 1, 24, 40, 8)).shape == (1, 2, 24, 40, 8)
    assert set(seen) == {(16, 32, 32)}
    tiles = students.tiles_of(net)
    assert tuple(c + 2 * h for c, h in zip(tiles.core, tiles.halo, strict=True)) == net.window
    assert students.tiles_of(plain_unet()) == SegmentSettings(half_share=0.0)


def test_seed_by_seed_and_then_the_shares(ablation, plan):
    keys = [cell.key for cell in ablation.cells_of(plan)]
    assert keys[:4] == ["scratch-100-0", "u_net-100-0", "mid_rate_more-100-0", "scratch-100-1"]
    assert keys[6:] == ["scratch-50-0", "scratch-25-0", "scratch-50-1", "scratch-25-1"]


def test_an_arm_changes_what_it_names_and_nothing_else(ablation, plan):
    usual, changed = (ablation.settings_of(plan, ablation.Cell(arm, 1.0, 1)) for arm in ("scratch", "Mid rate + more"))
    assert (usual.net.depth, changed.net.depth) == (1, 2)
    assert changed.net.width == usual.net.width == 24
    assert (usual.rate, changed.rate) == (1e-3, 2e-3)
    assert usual.teacher is changed.teacher is None
    assert usual.seed == 1


def test_a_smaller_share_is_part_of_a_larger_one_and_the_same_in_all_arms(ablation, plan):
    def kept(share, seed):
        settings = ablation.settings_of(plan, ablation.Cell("scratch", share, seed))
        return {str(k) for k in range(10)} - set(settings.leave_out.read_text().split())

    half, quarter = kept(0.5, 0), kept(0.25, 0)
    assert len(half) == 5
    assert len(quarter) == 3
    assert quarter < half
    assert half == kept(0.5, 0)
    assert half != kept(0.5, 1)


def test_neurons_left_out_or_watched_are_not_counted(ablation, plan, tmp_path):
    (tmp_path / "ids.txt").write_text("# never\n0 x\n1\n11\n12\n")
    plan.train.update(leave_out=str(tmp_path / "ids.txt"), dev=["2", "3"])
    settings = ablation.settings_of(plan, ablation.Cell("scratch", 0.5, 0))
    left_out = settings.leave_out.read_text().split()
    assert {"0", "1", "11", "12"} <= set(left_out)
    assert not {"2", "3"} & set(left_out)
    assert len(left_out) == 4 + 3  # half of the six others


def test_a_neuron_to_be_judged_on_is_never_trained_on(ablation, plan, fast):
    plan.train["pairs"] = [str(Path(plan.train["pairs"][0]).parent / "hard")]
    plan.train.pop("leave_out")
    with pytest.raises(SettingsError, match="names 11, 12, which would be trained on"):
        ablation.work(plan)
    assert not fast


def test_a_list_of_neurons_that_is_not_there_is_an_error(ablation, plan):
    plan.train["leave_out"] = "gone.txt"
    with pytest.raises(InputError, match=r"gone\.txt"):
        ablation.work(plan)


def test_all_runs_leave_a_result_and_are_not_done_twice(ablation, plan, fast):
    assert ablation.work(plan) == 0
    assert len(fast) == len(set(fast)) == 10
    result = json.loads((plan.results / "u_net-100-1.json").read_text())
    assert set(result["stacks"]) == {"lifted/11", "lifted/12", "hard/11"}
    assert result["parameters"] == sum(p.numel() for p in plain_unet().parameters())
    ablation.work(plan)
    assert len(fast) == 10


def test_only_the_arms_that_are_asked_for_are_run(ablation, plan, fast):
    ablation.work(plan, "U*")
    assert fast == ["u_net-100-0", "u_net-100-1"]


def test_a_run_that_fails_leaves_neither_result_nor_lease(ablation, plan, monkeypatch):
    def broken(settings, student):
        raise InputError("no light")

    monkeypatch.setattr(ablation, "trained", broken)
    with pytest.raises(InputError, match="no light"):
        ablation.work(plan)
    assert not list(plan.results.glob("*.json"))
    assert not list(plan.results.glob("leases/*.lock"))


def test_a_run_of_another_process_is_left_to_it_and_taken_over_when_it_is_dead(ablation, plan, fast):
    code = (
        "import sys; from pathlib import Path; from neurorecon.batch.state.leases import Leases; "
        "f = Path(sys.argv[1]); (f / 'scratch').mkdir(parents=True); "
        "Leases(f, f / 'scratch', 300.0).take('scratch-100-0'); print('held', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(plan.results / "leases")]
    environment = {**os.environ, "PYTHONPATH": str(EXAMPLES.parent)}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment) as other:
        assert other.stdout.readline() == b"held\n"
        assert ablation.work(plan, "scratch") == 1
        assert "scratch-100-0" not in fast
        other.kill()
    assert ablation.work(plan, "scratch") == 0
    assert fast[-1] == "scratch-100-0"


def test_stacks_added_later_are_judged_without_training_anew(ablation, plan, fast, config, sets):
    ablation.work(plan, "scratch")
    before = json.loads((plan.results / "scratch-100-0.json").read_text())["stacks"]
    config.write_text(config.read_text() + f'\n[[evaluate]]\nfolder = "{sets}/hard"\nids = ["12"]\n')
    ablation.work(from_toml(ablation.Plan, config), "scratch")
    after = json.loads((plan.results / "scratch-100-0.json").read_text())["stacks"]
    assert after.keys() - before.keys() == {"hard/12"}
    assert all(after[name] == before[name] for name in before)


def test_a_result_of_other_settings_is_refused_and_one_of_other_places_is_not(ablation, plan, fast):
    ablation.work(plan, "scratch")
    cell = ablation.Cell("scratch", 1.0, 0)
    plan.train["cache"] = "elsewhere"
    assert ablation.load_result(plan, cell)
    plan.train["steps"] = 3
    with pytest.raises(InputError, match=r"other settings \(steps"):
        ablation.load_result(plan, cell)


def fabricate(ablation, plan, scores):
    """Write result files: scores(arm, seed, stack) gives Dice; HD95 is ten times what is missing, or None for no mask."""
    for cell in ablation.cells_of(plan):
        stacks = {}
        for name in plan.names:
            dice = scores(cell.arm, cell.seed, name)
            row = dict.fromkeys(("cldice", "f1", "pds"), dice)
            stacks[name] = {**row, "dice": dice, "esa": 1.0, "dsa": 2.0, "diagonal": 50.0}
            stacks[name]["hd95"] = None if dice == 0 else 10 * (1 - dice)
        result = {"steps": 2, "train_seconds": 120.0, "parameters": 1_500_000, "net": None, "stacks": stacks}
        asked = ablation.comparable(ablation.asked_of(plan, cell))
        ablation.result_path(plan, cell).write_text(json.dumps({**result, "asked": asked}))


def test_the_table_holds_means_and_paired_differences(ablation, plan, config, capsys):
    gain = {"scratch": 0.0, "U-Net": -0.1, "Mid rate + more": 0.1}
    fabricate(ablation, plan, lambda arm, seed, name: 0.5 + gain[arm] + (0.2 if name == "lifted/12" else 0.0))
    (plan.results / "cost.json").write_text(json.dumps({"voxels_per_second": {"scratch": 2_000_000}}))
    assert ablation.main([str(config), "--table"]) == 0
    assert "table.md" in capsys.readouterr().out
    text = (plan.results / "table.md").read_text()
    assert "| scratch | 100% | 2 | 0.567 | 4.33 | 0.567 | 0.567 | 1.00 | 2.00 | 0.567 | 1.50 M | 2.00 | 2 min |" in text
    assert "**+0.100 [+0.100, +0.100]**" in text
    assert "| scratch | 25% |" in text
    assert "## Fly: 2 stacks of 1 neurons" in text
    assert "10 of 10 runs" in text
    assert "Difference to `U-Net`" in text
    assert "**+0.200 [+0.200, +0.200]**" in text
    fly = text[text.index("## Fly") :]
    assert "+0.100 [+0.100, +0.100]" in fly
    assert "**" not in fly  # one neuron: no interval to speak of
    assert (plan.results / "table.png").read_bytes().startswith(b"\x89PNG")
    with open(plan.results / "table.csv", newline="") as handle:
        rows = list(csv.DictReader(handle))
    (row,) = [r for r in rows if list(r.values())[:4] == ["all", "scratch", "U-Net", "1.0"] and r["score"] == "dice"]
    assert float(row["difference"]) == pytest.approx(-0.1)
    assert float(row["percent"]) == pytest.approx(-100 * 0.1 / 0.56667, abs=1e-3)
    assert (row["seeds"], row["stacks"]) == ("2", "3")


def test_an_infinite_distance_counts_as_the_diagonal_and_is_said(ablation, plan):
    fabricate(ablation, plan, lambda arm, seed, name: 0.0 if (arm, name) == ("U-Net", "hard/11") else 1.0)
    text = (ablation.write_tables(plan)[0]).read_text()
    assert "HD95 2, ESA 0, DSA 0, of 30 each" in text
    (line,) = [line for line in text.splitlines() if line.startswith("| U-Net | 100% | 2 | 0.667")]
    assert "| 16.67 |" in line


def test_a_table_of_a_part_of_the_runs_counts_the_seeds_that_are_paired(ablation, plan):
    fabricate(ablation, plan, lambda arm, seed, name: 0.5)
    ablation.result_path(plan, ablation.Cell("scratch", 1.0, 1)).unlink()
    text = (ablation.write_tables(plan)[0]).read_text()
    assert "| U-Net | 100% | 1 |" in text
    assert "9 of 10 runs" in text


def test_without_results_or_reference_there_is_no_table(ablation, plan, config, capsys):
    assert ablation.main([str(config), "--table"]) == 2
    assert "no results" in capsys.readouterr().err
    fabricate(ablation, plan, lambda arm, seed, name: 0.5)
    for path in plan.results.glob("scratch*.json"):
        path.unlink()
    assert ablation.main([str(config), "--table"]) == 2
    assert "'scratch'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ('share_arms = ["scratch"]', 'share_arms = ["scratsch"]', "scratsch"),
        ("shares = [0.5, 0.25]", "shares = [1.5]", "below 1"),
        ("seeds =", "seed =", "seeds"),
    ],
)
def test_a_wrong_list_is_refused(ablation, config, old, new, what):
    config.write_text(config.read_text().replace(old, new))
    with pytest.raises(SettingsError, match=what):
        from_toml(ablation.Plan, config)


@pytest.mark.slow
@pytest.mark.train
def test_two_arms_are_trained_judged_timed_and_tabulated(ablation, config, plan, capsys):
    """Everything real, two steps a run; a run that was killed after its training is only judged."""
    config.write_text(config.read_text().replace("seeds = [0, 1]", "seeds = [0]").replace("shares = [0.5, 0.25]", ""))
    cell = ablation.Cell("scratch", 1.0, 0)
    ablation.trained(ablation.settings_of(plan, cell), "vit")  # killed here
    checkpoint = plan.results / "runs" / cell.key / "checkpoint.pt"
    written = checkpoint.stat().st_mtime_ns
    for name in ("scratch", "U-Net"):
        assert ablation.main([str(config), "--only", name]) == 0
    assert checkpoint.stat().st_mtime_ns == written
    assert ablation.main([str(config), "--cost"]) == 0
    out = capsys.readouterr().out
    assert "scratch-100-0: 2 steps" in out
    assert "million voxels a second" in out
    row = json.loads((plan.results / "scratch-100-0.json").read_text())
    assert row["net"]["width"] == 24
    assert all(math.isfinite(s["dice"]) for s in row["stacks"].values())
    assert "| U-Net | 100% | 1 |" in (plan.results / "table.md").read_text()


def test_an_unknown_student_is_refused(ablation, plan):
    with pytest.raises(SettingsError, match="vit"):
        ablation.trained(ablation.settings_of(plan, ablation.Cell("scratch", 1.0, 0)), "forest")
