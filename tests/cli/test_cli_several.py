"""`neurorecon run` of several channels and time points: the same trees as of each alone, and no loss by one of them."""

import csv
import json

import numpy as np
import pytest
import tifffile

from neurorecon import read_swc, reconstruct
from neurorecon.core.errors import InputError

OME = {"ome": True, "photometric": "minisblack"}


@pytest.fixture
def neuron(y_stack):
    """A stack (Z, Y, X) with a neuron in it."""
    return np.asarray(y_stack.data)


def rows_of(path):
    """The rows of an SWC file, without the header, which names the input."""
    return [line for line in path.read_text().splitlines() if not line.startswith("#")]


def test_every_channel_gives_the_tree_that_it_gives_alone(neurorecon, tmp_path, neuron, bright_model):
    both = np.stack([neuron, neuron[:, ::-1]])
    names = {"axes": "CZYX", "Channel": {"Name": ["GFP", "tdTomato"]}}
    tifffile.imwrite(tmp_path / "a.ome.tif", both, metadata=names, **OME)
    probability = tmp_path / "p.ome.tif"
    given = ["--model", bright_model, "--keep-probability", probability]
    result = neurorecon("run", tmp_path / "a.ome.tif", "-o", tmp_path / "out.swc", "--channel", "all", *given)
    assert result.exit_code == 0, result.output
    for channel, name in enumerate(("GFP", "tdTomato")):
        alone = tmp_path / f"alone{channel}.tif"
        tifffile.imwrite(alone, both[channel], imagej=True, metadata={"axes": "ZYX"})
        neurorecon("run", alone, "-o", tmp_path / f"alone{channel}.swc", "--model", bright_model)
        assert rows_of(tmp_path / f"out_c{channel}.swc") == rows_of(tmp_path / f"alone{channel}.swc")
        record = json.loads((tmp_path / f"out_c{channel}.json").read_text())
        assert (record["input"]["channel"], record["input"]["channel_name"]) == (channel, name)
        assert record["input"]["path"] == str(tmp_path / "a.ome.tif")
        assert f"# channel: {channel} ({name})" in (tmp_path / f"out_c{channel}.swc").read_text()
        assert (tmp_path / f"out_c{channel}.png").exists()
        assert (tmp_path / f"p_c{channel}.ome.tif").exists()
    assert not (tmp_path / "out.swc").exists()


def test_a_channel_without_a_neuron_is_warned_of_and_the_others_are_kept(neurorecon, tmp_path, neuron, bright_model):
    three = np.stack([np.full_like(neuron, 9), neuron, np.full_like(neuron, 9)])
    tifffile.imwrite(tmp_path / "a.ome.tif", three, metadata={"axes": "CZYX"}, **OME)
    out = tmp_path / "out.swc"
    result = neurorecon("run", tmp_path / "a.ome.tif", "-o", out, "--channel", "all", "--model", bright_model)
    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in tmp_path.glob("*.swc")) == ["out_c1.swc"]
    for channel in (0, 2):
        assert sum(f"warning: channel {channel}" in line for line in result.stderr.splitlines()) == 1


def test_an_input_without_any_neuron_has_its_own_exit_code(neurorecon, tmp_path, neuron, bright_model):
    tifffile.imwrite(tmp_path / "a.ome.tif", np.full((2, *neuron.shape), 9, np.uint8), metadata={"axes": "CZYX"}, **OME)
    out = tmp_path / "out.swc"
    result = neurorecon("run", tmp_path / "a.ome.tif", "-o", out, "--channel", "all", "--model", bright_model)
    assert result.exit_code == 3
    assert "no neuron was found in any of its 2 stacks" in result.stderr
    assert list(tmp_path.glob("out*")) == []


def test_a_channel_that_cannot_be_used_fails_alone(neurorecon, tmp_path, neuron, bright_model):
    both = np.stack([neuron, neuron]).astype(np.float32)
    both[0, 3, 4, 5] = np.nan
    tifffile.imwrite(tmp_path / "a.ome.tif", both, metadata={"axes": "CZYX"}, **OME)
    out = tmp_path / "out.swc"
    result = neurorecon("run", tmp_path / "a.ome.tif", "-o", out, "--channel", "all", "--model", bright_model)
    assert result.exit_code == 1
    assert "error: channel 0:" in result.stderr
    assert "holds nan at z=3, y=4, x=5" in result.stderr
    assert sorted(path.name for path in tmp_path.glob("*.swc")) == ["out_c1.swc"]


def test_every_time_point_gives_a_tree(neurorecon, tmp_path, neuron, bright_model):
    film = np.stack([neuron, neuron[:, ::-1], neuron[:, :, ::-1]])
    tifffile.imwrite(tmp_path / "a.ome.tif", film, metadata={"axes": "TZYX"}, **OME)
    given = ["--model", bright_model, "--time"]
    result = neurorecon("run", tmp_path / "a.ome.tif", "-o", tmp_path / "out.swc", *given, "all")
    assert result.exit_code == 0, result.output
    for time in range(3):
        assert neurorecon("run", tmp_path / "a.ome.tif", "-o", tmp_path / f"one{time}.swc", *given, time).exit_code == 0
        assert rows_of(tmp_path / f"out_t00{time}.swc") == rows_of(tmp_path / f"one{time}.swc")
        assert json.loads((tmp_path / f"out_t00{time}.json").read_text())["input"]["time"] == time
        assert f"# time point: {time}" in (tmp_path / f"one{time}.swc").read_text()
    mirrored = read_swc(tmp_path / "out_t001.swc").cable_length
    assert mirrored == pytest.approx(read_swc(tmp_path / "out_t000.swc").cable_length, rel=0.1)


def test_both_at_once_and_a_number_beside_all(neurorecon, tmp_path, neuron, bright_model):
    film = np.broadcast_to(neuron, (2, 2, *neuron.shape))
    tifffile.imwrite(tmp_path / "a.ome.tif", film, metadata={"axes": "TCZYX"}, **OME)
    run = ["run", tmp_path / "a.ome.tif", "--model", bright_model, "-o"]
    assert neurorecon(*run, tmp_path / "x.swc", "--time", "all", "--channel", "all").exit_code == 0
    assert len(list(tmp_path.glob("x_t00[01]_c[01].swc"))) == 4
    assert neurorecon(*run, tmp_path / "y.swc", "--time", 1, "--channel", "all").exit_code == 0
    assert sorted(path.name for path in tmp_path.glob("y*.swc")) == ["y_c0.swc", "y_c1.swc"]
    unsaid = neurorecon(*run, tmp_path / "z.swc", "--channel", "all")
    assert unsaid.exit_code == 2
    assert "choose one time point by --time" in unsaid.stderr
    unsaid = neurorecon(*run, tmp_path / "z.swc", "--time", "all")
    assert unsaid.exit_code == 2
    assert "choose one by --channel" in unsaid.stderr


def test_nothing_is_done_if_one_of_the_outputs_exists(neurorecon, tmp_path, neuron, bright_model):
    tifffile.imwrite(tmp_path / "a.ome.tif", np.stack([neuron, neuron]), metadata={"axes": "CZYX"}, **OME)
    (tmp_path / "out_c1.swc").write_text("mine")
    run = ["run", tmp_path / "a.ome.tif", "-o", tmp_path / "out.swc", "--channel", "all", "--model", bright_model]
    result = neurorecon(*run)
    assert result.exit_code == 2
    assert "out_c1.swc: exists already" in result.stderr
    assert not (tmp_path / "out_c0.swc").exists()
    assert neurorecon(*run, "--overwrite").exit_code == 0
    assert (tmp_path / "out_c1.swc").read_text() != "mine"


@pytest.mark.parametrize("option", ["--channel", "--time"])
@pytest.mark.parametrize(("command", "out"), [("segment", "p.tif"), ("trace", "t.swc")])
def test_all_is_for_run_and_batch(neurorecon, tmp_path, command, out, option):
    result = neurorecon(command, tmp_path, "-o", tmp_path / out, option, "all")
    assert result.exit_code == 2
    assert "'all' is for `neurorecon run`" in result.stderr


def test_one_time_point_in_every_command(neurorecon, tmp_path, neuron, bright_model):
    folder = tmp_path / "stacks"
    folder.mkdir()
    film = np.stack([np.full_like(neuron, 9), neuron])
    tifffile.imwrite(folder / "a.ome.tif", film, metadata={"axes": "TZYX"}, **OME)
    given = ["--time", 1, "--model", bright_model]
    result = neurorecon("segment", folder / "a.ome.tif", "-o", tmp_path / "p.tif", *given)
    assert result.exit_code == 0, result.output
    assert tifffile.imread(tmp_path / "p.tif").max() > 200
    result = neurorecon("segment", folder / "a.ome.tif", "-o", tmp_path / "p.ome.zarr", "--block", "16,64,64", *given)
    assert result.exit_code == 0, result.output
    grey = ["--stack", folder / "a.ome.tif", "--time", 1]
    result = neurorecon("trace", tmp_path / "p.tif", "-o", tmp_path / "t.swc", *grey)
    assert result.exit_code == 0, result.output
    assert "# stack time point: 1" in (tmp_path / "t.swc").read_text()
    result = neurorecon("trace", folder / "a.ome.tif", "--raw", "-o", tmp_path / "r.swc", "--time", 1)
    assert result.exit_code == 0, result.output
    assert "# time point: 1" in (tmp_path / "r.swc").read_text()
    result = neurorecon("trace", tmp_path / "p.tif", "-o", tmp_path / "u.swc", "--time", 1)
    assert result.exit_code == 2
    assert "has no time point 1; it is one stack" in result.stderr  # without a stack the option is about the map
    result = neurorecon("batch", folder, "-o", tmp_path / "results", *given)
    assert result.exit_code == 0, result.output
    assert json.loads((tmp_path / "results" / "a.json").read_text())["input"]["time"] == 1
    result = neurorecon("doctor", folder / "a.ome.tif", "--time", 1)
    assert "time points:" in result.stdout


def test_python_takes_a_time_point_and_a_channel_of_a_path(tmp_path, neuron, bright_model):
    film = np.stack([np.full_like(neuron, 9), neuron])
    tifffile.imwrite(tmp_path / "a.ome.tif", film, metadata={"axes": "TZYX"}, **OME)
    assert len(reconstruct(tmp_path / "a.ome.tif", time=1, model=str(bright_model)).tree) > 10
    with pytest.raises(InputError, match="time is for a path"):
        reconstruct(neuron, time=1, model=str(bright_model))


def summary_of(folder):
    """The rows of summary.csv, by input."""
    with open(folder / "summary.csv", newline="", encoding="utf-8") as file:
        return {row["input"]: row for row in csv.DictReader(file)}


@pytest.fixture
def shelf(tmp_path, neuron):
    """A folder with a stack of two channels, one of two time points, a damaged one, and one whose name is in the way."""
    folder = tmp_path / "in"
    folder.mkdir()
    tifffile.imwrite(folder / "a.ome.tif", np.stack([neuron, neuron[:, ::-1]]), metadata={"axes": "CZYX"}, **OME)
    tifffile.imwrite(folder / "a_c1.tif", neuron, imagej=True, metadata={"axes": "ZYX"})
    (folder / "b.npy").write_bytes(b"\x93NUMPY cut")
    return folder


def test_a_batch_of_all_channels_gives_the_trees_that_run_gives(neurorecon, tmp_path, shelf, bright_model):
    batch = ["batch", shelf, "-o", tmp_path / "out", "--channel", "all", "--model", bright_model]
    plan = neurorecon(*batch, "--dry-run")
    assert "new         a.ome.tif, c0 -> a_c0.swc" in plan.stdout.splitlines()
    result = neurorecon(*batch)
    assert result.exit_code == 1, result.output  # b.npy
    rows = summary_of(tmp_path / "out")
    assert {name: row["status"] for name, row in rows.items()} == {
        "a.ome.tif, c0": "done",
        "a.ome.tif, c1": "done",
        "a_c1.tif, c0": "done",
        "b.npy": "failed",
    }
    alone = neurorecon(
        "run", shelf / "a.ome.tif", "-o", tmp_path / "r.swc", "--channel", "all", "--model", bright_model
    )
    assert alone.exit_code == 0, alone.output
    for channel in (0, 1):
        made = tmp_path / "out" / rows[f"a.ome.tif, c{channel}"]["output"]
        assert rows_of(made) == rows_of(tmp_path / f"r_c{channel}.swc")
        record = json.loads(made.with_suffix(".json").read_text())
        assert (record["input"]["channel"], record["command"]["channel"]) == (channel, channel)
        assert neurorecon("rerun", made.with_suffix(".json")).exit_code == 0
    again = neurorecon(*batch)
    assert "(3 were finished before)" in again.stdout


def test_names_of_channels_give_way_to_stacks_that_are_called_so(neurorecon, tmp_path, shelf, bright_model):
    batch = ["batch", shelf, "-o", tmp_path / "out", "--channel", "all", "--dry-run", "--model", bright_model]
    outputs = [line.partition(" -> ")[2] for line in neurorecon(*batch).stdout.splitlines()[:-1]]
    assert len(set(outputs)) == 4
    assert "a_c1_c0.swc" in outputs
    assert "a_c1.swc" not in outputs


def test_a_batch_of_all_time_points_and_one_of_which_the_channel_is_not_said(
    neurorecon, tmp_path, shelf, neuron, bright_model
):
    film = np.stack([neuron, neuron[:, ::-1]])
    tifffile.imwrite(shelf / "film.ome.tif", film, metadata={"axes": "TZYX"}, **OME)
    (shelf / "b.npy").unlink()
    batch = ["batch", shelf, "-o", tmp_path / "out", "--time", "all", "--model", bright_model]
    result = neurorecon(*batch)
    assert result.exit_code == 1
    rows = summary_of(tmp_path / "out")
    assert [row["output"] for name, row in rows.items() if name.startswith("film")] == [
        "film_t000.swc",
        "film_t001.swc",
    ]
    assert "choose one by --channel" in rows["a.ome.tif"]["reason"]


def test_a_watch_takes_one_channel(neurorecon, tmp_path, shelf):
    result = neurorecon("batch", shelf, "-o", tmp_path / "out", "--channel", "all", "--watch")
    assert result.exit_code == 2
    assert "--watch takes one channel" in result.stderr
