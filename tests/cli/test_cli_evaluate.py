"""The command evaluate: tables, JSON, and agreement with the reference scorer."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from neurorecon import read_probability
from neurorecon.cli import main
from neurorecon.inspect import check_probability

SHARED = Path(__file__).parents[3] / "shared"
REFERENCE = SHARED / "tools" / "score.py"


def run(*arguments):
    return CliRunner().invoke(main, ["evaluate", *map(str, arguments)])


def rod(path, *, y=0, length=100, header=""):
    rows = [f"{k + 1} 3 {k} {y} 0 1 {k or -1}\n" for k in range(length + 1)]
    path.write_text(header + "".join(rows))
    return path


def volume(path, *, shift=0, value=255):
    import tifffile

    data = np.zeros((12, 16, 20), np.uint8)
    data[4:9, 5 + shift : 10 + shift, 3:17] = value
    tifffile.imwrite(path, data)
    return path


def test_table_names_every_score(tmp_path):
    result = run(rod(tmp_path / "p.swc", y=1), rod(tmp_path / "g.swc"))
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0] == "precision            1.000"
    assert lines[3] == "esa                  1.000"
    assert lines[11] == "root_at_soma         1.000"
    assert len(lines) == 22


def test_json_has_the_keys_and_the_tolerance_counts(tmp_path):
    pair = rod(tmp_path / "p.swc", y=4), rod(tmp_path / "g.swc")
    assert json.loads(run(*pair, "--json").stdout)["f1"] == 0
    scores = json.loads(run(*pair, "--json", "--tolerance", "4").stdout)
    assert (scores["f1"], scores["esa"], scores["pds"]) == (1, 4, 1)


def test_prediction_without_nodes_scores_nothing(tmp_path):
    (tmp_path / "p.swc").write_text("# found nothing\n")
    result = run(tmp_path / "p.swc", rod(tmp_path / "g.swc"), "--json")
    assert result.exit_code == 0, result.output
    assert '"esa": Infinity' in result.stdout
    assert json.loads(result.stdout)["f1"] == 0


def test_a_gold_standard_without_cable_is_said(tmp_path):
    (tmp_path / "g.swc").write_text("# nothing was traced\n")
    result = run(rod(tmp_path / "p.swc"), tmp_path / "g.swc")
    assert result.exit_code == 0, result.output
    assert "g.swc: GOLD holds no cable" in result.output
    assert "holds no cable" not in run(rod(tmp_path / "p.swc"), rod(tmp_path / "h.swc")).output


def test_units_that_differ_are_said(tmp_path):
    pair = rod(tmp_path / "p.swc", header="# units: um\n"), rod(tmp_path / "g.swc", header="# units: voxel\n")
    result = run(*pair)
    assert result.exit_code == 0
    assert "is in um" in result.stderr


def test_volumes_are_thresholded_at_half_and_scored_in_the_unit_of_the_spacing(tmp_path):
    pred, gold = volume(tmp_path / "p.tif", shift=2, value=128), volume(tmp_path / "g.tif", value=1)
    scores = json.loads(run(pred, gold, "--spacing", "1,0.5,1", "--json").stdout)
    assert scores["dice"] == pytest.approx(0.6)
    assert scores["hd95"] == pytest.approx(1.0)
    assert json.loads(run(pred, gold, "--threshold", "129", "--json").stdout)["dice"] == 0


def test_mask_of_zeros_and_ones_is_taken_as_one_and_said(tmp_path):
    result = run(volume(tmp_path / "p.tif", value=1), volume(tmp_path / "g.tif"), "--json")
    assert json.loads(result.stdout)["dice"] == 1
    assert "--threshold 0.5" in result.stderr


def test_a_grey_stack_in_place_of_a_mask_is_said(tmp_path, rng):
    import tifffile

    grey, mask = tmp_path / "grey.tif", volume(tmp_path / "g.tif")
    tifffile.imwrite(
        grey, (tifffile.imread(mask) // 2 + rng.integers(15, 40, tifffile.imread(mask).shape)).astype("u1")
    )
    for pair in ((grey, mask), (mask, grey)):
        result = run(*pair)
        assert result.exit_code == 0
        assert "grey.tif: half of it is above" in result.stderr
        assert result.stderr.count("half of it") == 1
    assert "half of it" not in run(mask, mask).stderr


@pytest.mark.parametrize(("ground", "is_grey"), [(13, False), (14, True)])
def test_evaluate_and_trace_agree_on_the_ground_of_a_probability(tmp_path, ground, is_grey):
    import tifffile

    gold, map_ = volume(tmp_path / "g.tif"), tmp_path / "map.tif"
    tifffile.imwrite(map_, np.where(tifffile.imread(gold) > 0, 255, ground).astype("u1"))
    assert ("as in a grey stack" in run(map_, gold).stderr) == is_grey
    assert bool(check_probability(read_probability(map_))) == is_grey


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["p.swc", "g.tif"], "two SWC files or two volumes"),
        (["p.swc", "no.swc"], "no such file"),
        (["bad.swc", "p.swc"], "bad.swc:1: 2 columns"),
        (["p.swc", "p.swc", "--tolerance", "nan"], "tolerance"),
        (["g.tif", "g.tif", "--spacing", "1,2"], "--spacing"),
        (["g.tif", "no.tif"], "no.tif"),
    ],
)
def test_what_cannot_be_compared_is_one_line_and_exit_code_two(tmp_path, monkeypatch, arguments, what):
    monkeypatch.chdir(tmp_path)
    rod(Path("p.swc"))
    volume(Path("g.tif"))
    Path("bad.swc").write_text("1 1\n")
    result = run(*arguments)
    assert result.exit_code == 2, result.output
    assert what in result.stderr
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""


def reference(*arguments, tool=REFERENCE):
    done = subprocess.run(
        [sys.executable, str(tool), *map(str, arguments), "--json"], capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


needs_reference = pytest.mark.skipif(not REFERENCE.is_file(), reason=f"needs the reference scorer {REFERENCE}")


@pytest.mark.data
@needs_reference
@pytest.mark.parametrize(("number", "tracer"), [("245", "smartTracing"), ("245", "Advantra"), ("258", "nctuTW_GD")])
def test_trees_score_as_the_reference_says(number, tracer):
    folder = SHARED / "data" / "gold166_3d"
    pair = folder / f"auto_g166_{number}" / f"{tracer}.swc", folder / f"g166_{number}.gold.swc"
    due = reference(*pair) | reference(*pair, tool=REFERENCE.with_name("morphology.py"))
    ours = json.loads(run(*pair, "--json").stdout)
    assert list(ours) == list(due)
    assert ours == pytest.approx(due, abs=1e-6)


@pytest.mark.data
@needs_reference
@pytest.mark.parametrize("shift", [0, 2, 6])
def test_volumes_score_as_the_reference_says(tmp_path, shift):
    pair = volume(tmp_path / "p.tif", shift=shift, value=200), volume(tmp_path / "g.tif", value=7)
    arguments = [*pair, "--spacing", "2,0.5,0.7"]
    assert json.loads(run(*arguments, "--json").stdout) == pytest.approx(reference(*arguments), abs=1e-6)


def test_a_tolerance_that_is_most_of_the_field_is_said(tmp_path):
    gold, pred = rod(tmp_path / "g.swc", length=9), tmp_path / "p.swc"
    zigzag = [f"{k + 1} 3 {k / 5:.1f} {k % 2} 1 0.2 {k or -1}\n" for k in range(46)]
    pred.write_text("".join(zigzag))
    result = run(pred, gold)
    assert "the tolerance of 3 is 33% of what GOLD reaches over (9)" in result.stderr
    assert "times the cable of GOLD, which F1 does not see" in result.stderr
    assert not run(rod(tmp_path / "q.swc", y=1), rod(tmp_path / "h.swc")).stderr


def test_a_tolerance_in_voxels_takes_the_smallest_edge(tmp_path):
    pair = rod(tmp_path / "p.swc", y=1), rod(tmp_path / "g.swc")
    scores = [json.loads(run(*pair, "--json", "--tolerance", *given).stdout)["f1"]
              for given in (("3vx", "--spacing", "2,0.5,0.5"), ("3vx", "--spacing", "2,0.3,0.3"), ("0.5",))]  # fmt: skip
    assert scores == [1, 0, 0]
    refused = run(*pair, "--tolerance", "three")
    assert refused.exit_code == 2
    assert "3vx with --spacing" in refused.stderr


def test_trees_in_other_units_and_places_are_told_by_their_extent(tmp_path):
    gold = rod(tmp_path / "g.swc")
    big = tmp_path / "big.swc"
    big.write_text("1 3 0 0 0 1 -1\n2 3 100000 0 0 1 1\n")
    assert "a factor of 1e+03, as between units" in run(big, gold).stderr
    assert "lie side by side" in run(rod(tmp_path / "far.swc", y=500), gold).stderr


def test_axes_in_another_order_are_said(tmp_path):
    gold, pred = tmp_path / "g.swc", tmp_path / "p.swc"
    points = [(k, 40 + 20 * np.sin(k / 9), k / 4) for k in range(100)]
    for path, order in ((gold, (0, 1, 2)), (pred, (2, 1, 0))):
        rows = [" ".join(f"{point[axis]:.2f}" for axis in order) for point in points]
        path.write_text("".join(f"{k + 1} 3 {row} 1 {k or -1}\n" for k, row in enumerate(rows)))
    assert "PRED fits GOLD if its axes are exchanged (z for x, x for z)" in run(pred, gold).stderr


def test_nanometres_in_the_words_of_navis_are_converted(tmp_path):
    nm = tmp_path / "nm.swc"
    nm.write_text('# Meta: {"units": "1 nanometer"}\n1 3 0 0 0 1000 -1\n2 3 100000 0 0 1000 1\n')
    result = run(nm, rod(tmp_path / "g.swc", header="# units: um\n"), "--json")
    assert json.loads(result.stdout)["f1"] == 1
    assert "converted to micrometres" in result.stderr


def neurons(folder, rods):
    folder.mkdir()
    for name, (y, length) in rods.items():
        rod(folder / f"{name}.swc", y=y, length=length)
    return folder


def test_folders_are_scored_as_many_neurons_of_one_volume(tmp_path):
    gold = neurons(tmp_path / "gold", {"a": (0, 200), "b": (50, 100)})
    pred = neurons(tmp_path / "pred", {"first": (1, 100), "second": (51, 100)})
    scores = json.loads(run(pred, gold, "--json").stdout)
    assert list(scores) == ["all", "neurons"]
    assert list(scores["neurons"]) == ["a", "b"]
    assert scores["neurons"]["a"]["omitted_edges"] == pytest.approx(0.5, abs=0.02)
    assert scores["neurons"]["b"]["erl"] == 100
    lines = run(pred, gold).stdout.splitlines()
    assert [row.split()[0] for row in lines] == ["neuron", "a", "b", "all"]
    assert "erl_share" in lines[0]


def test_one_file_with_all_neurons_is_a_prediction_as_good_as_a_folder(tmp_path):
    gold = neurons(tmp_path / "gold", {"a": (0, 200), "b": (50, 100)})
    both = tmp_path / "both.swc"
    both.write_text("1 3 0 0 0 1 -1\n2 3 200 0 0 1 1\n3 3 0 50 0 1 -1\n4 3 100 50 0 1 3\n")
    assert json.loads(run(both, gold, "--json").stdout)["all"]["erl_share"] == pytest.approx(1)


def test_folders_that_cannot_be_scored_are_one_line_and_exit_code_two(tmp_path):
    gold, empty = neurons(tmp_path / "gold", {"a": (0, 200)}), neurons(tmp_path / "empty", {})
    for arguments, what in (
        ((gold, empty), "holds no SWC file"),
        ((gold, gold / "a.swc"), "give a folder of SWC files"),
        ((gold / "a.swc", gold / "a.swc", "--merge", "5"), "give a folder of SWC files"),
        ((gold, gold, "--merge", "0"), "merge 0"),
    ):
        result = run(*arguments)
        assert result.exit_code == 2, result.output
        assert what in result.stderr


def test_two_trees_that_are_one_are_said(tmp_path):
    gold = rod(tmp_path / "g.swc")
    result = run(rod(tmp_path / "p.swc"), gold)
    assert result.exit_code == 0, result.output
    assert "PRED and GOLD are one tree" in result.output
    assert "one tree" not in run(rod(tmp_path / "q.swc", y=0.1), gold).output
