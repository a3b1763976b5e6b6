"""Following a folder: what is taken when, under which name, and what happens while disks are away."""

import csv
import os
import shutil
import threading
import time
import unicodedata

import numpy as np
import pytest
import tifffile
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from neurorecon.batch import BatchSettings, Taken, plan, run_batch, run_here, run_processes, run_watch
from neurorecon.batch.state.ledger import Ledger
from neurorecon.batch.state.names import Names
from neurorecon.batch.watch_folder import Scout
from neurorecon.core.errors import InputError, OutputError
from neurorecon.io import write_stack

PARTS = ["a", "A", "b", "é", "E\u0301", "ß", "S", ".", "_1", "1", "_", " ", "\n", ".tif", ".npy", ".TIF"]
NAMES = st.lists(
    st.lists(st.sampled_from(PARTS), min_size=1, max_size=5).map("".join).filter(lambda n: n.strip(".")),
    unique=True,
    max_size=12,
)
SETTLE = 0.3
FAST = BatchSettings(settle_seconds=SETTLE)


def stack(seed=0, shape=(6, 16, 17)):
    return np.random.default_rng(seed).integers(1, 255, shape, dtype=np.uint8)


@pytest.fixture
def job(fake_job, tmp_path):
    """A job that takes any bytes for a good stack, and notes each call."""

    class AnyBytes(fake_job.FakeJob):
        def __call__(self, source, name, swc, digest):
            with open(self.log, "a") as log:
                log.write(f"{name}\n")
            swc.write_text(f"# {digest}\n1 1 0 0 0 1 -1\n")
            return {}

    return lambda: AnyBytes(tmp_path / "log")


class Watch:
    """A watch in a thread of its own."""

    def __init__(self, source, outdir, job, *, engine=run_here, settings=FAST):
        self.stop, self.result, self.ended = threading.Event(), None, []
        self.source, self.outdir = source, outdir

        def follow():
            self.result = run_watch(
                source, outdir, job, settings, engine=engine, stop=self.stop,
                progress=lambda done, total, record: self.ended.append((record.input, record.status)),
            )  # fmt: skip

        self.thread = threading.Thread(target=follow)

    def __enter__(self):
        self.thread.start()
        return self

    def until(self, true, seconds=120.0):
        end = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < end, self.ended
            assert self.thread.is_alive()
            time.sleep(0.02)

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join(120)
        assert not self.thread.is_alive()


@pytest.fixture
def watch(tmp_path, job):
    (tmp_path / "in").mkdir()

    def start(**kwargs):
        return Watch(tmp_path / "in", tmp_path / "out", kwargs.pop("job", None) or job(), **kwargs)

    return start


def rows(outdir):
    with open(outdir / "summary.csv", newline="") as file:
        return {row["input"]: row for row in csv.DictReader(file)}


def nothing_is_left(outdir):
    ledger = Ledger(outdir)
    return not list(ledger.leases.iterdir()) and not list(ledger.scratch.iterdir())


@pytest.mark.parametrize("engine", [run_here, run_processes(1)], ids=["here", "processes"])
def test_stacks_are_done_as_they_come_and_the_summary_follows(watch, tmp_path, fake_job, engine):
    with watch(engine=engine, job=fake_job.FakeJob(tmp_path / "log")) as seen:
        np.save(tmp_path / "in" / "a.npy", stack())
        (tmp_path / "in" / "a.npy").write_bytes(b"good")  # no stack: never complete, and said in the end
        seen.until(lambda: seen.ended)
        assert seen.ended == [("a.npy", "failed")]
        seen.until(lambda: (tmp_path / "out" / "summary.csv").exists())
        assert list(rows(tmp_path / "out")) == ["a.npy"]
    assert nothing_is_left(tmp_path / "out")


def test_a_second_wave_is_done_like_the_first_and_a_restart_does_nothing_again(watch, tmp_path):
    np.save(tmp_path / "in" / "a.npy", stack())
    with watch() as seen:
        seen.until(lambda: seen.ended == [("a.npy", "done")])
        seen.until(lambda: (tmp_path / "out" / "summary.csv").exists())
        write_stack(stack(1), tmp_path / "in" / "b.tif")
        seen.until(lambda: len(seen.ended) == 2)
        seen.until(lambda: list(rows(tmp_path / "out")) == ["a.npy", "b.tif"])
    assert (tmp_path / "log").read_text().splitlines() == ["a.npy", "b.tif"]
    with watch() as again:
        again.until(lambda: len(again.ended) == 2)
    assert again.result.kept == 2
    assert (tmp_path / "log").read_text().splitlines() == ["a.npy", "b.tif"]


def test_no_stack_is_forgotten_while_the_summary_cannot_be_written(watch, tmp_path, monkeypatch):
    def refused(*_):
        raise OutputError("summary.csv: cannot be written")

    monkeypatch.setattr("neurorecon.batch.watch.summarise", refused)
    monkeypatch.setattr("neurorecon.batch.watch.RETRY_SECONDS", 0.05)
    monkeypatch.setattr("neurorecon.batch.watch.LONGEST_WAVE_SECONDS", 0.0)
    np.save(tmp_path / "in" / "a.npy", stack())
    with watch() as seen:
        seen.until(lambda: seen.ended == [("a.npy", "done")])
        np.save(tmp_path / "in" / "b.npy", stack(1))
        seen.until(lambda: len(seen.ended) == 2)
    assert not seen.result.summed
    assert nothing_is_left(tmp_path / "out")


def test_a_stack_that_changes_after_it_was_done_is_done_again(watch, tmp_path):
    np.save(tmp_path / "in" / "a.npy", stack())
    with watch() as seen:
        seen.until(lambda: len(seen.ended) == 1)
        first = (tmp_path / "out" / "a.swc").read_text()
        np.save(tmp_path / "in" / "a.npy", stack(1))
        seen.until(lambda: len(seen.ended) == 2)
        assert (tmp_path / "out" / "a.swc").read_text() != first


def test_a_tiff_in_writing_is_not_taken_though_the_writer_pauses_longer_than_the_settle_time(watch, tmp_path):
    tifffile.imwrite(tmp_path / "whole.tif", stack(), photometric="minisblack", compression="zlib")
    data = (tmp_path / "whole.tif").read_bytes()
    step = len(data) // 10 + 1
    with watch(settings=BatchSettings(settle_seconds=0.1)) as seen, open(tmp_path / "in" / "a.tif", "wb") as file:
        for start in range(0, len(data), step):
            time.sleep(0.25)
            assert seen.ended == []
            file.write(data[start : start + step])
            file.flush()
        seen.until(lambda: seen.ended == [("a.tif", "done")])
    assert (tmp_path / "log").read_text() == "a.tif\n"
    from neurorecon.core.files import hash_path

    assert hash_path(tmp_path / "whole.tif") in (tmp_path / "out" / "a.swc").read_text()


def test_a_folder_of_planes_is_taken_when_the_last_plane_has_come(watch, tmp_path):
    planes = stack(shape=(8, 16, 17))
    with watch() as seen:
        folder = tmp_path / "in" / "cell"
        folder.mkdir()
        for z, plane in enumerate(planes):
            tifffile.imwrite(folder / f"z{z}.tif", plane)
            time.sleep(SETTLE / 3)
        assert seen.ended == []
        seen.until(lambda: seen.ended == [("cell", "done")])
        seen.until(lambda: (tmp_path / "out" / "summary.csv").exists())
    assert (tmp_path / "log").read_text() == "cell\n"


def test_a_zarr_without_all_its_blocks_is_not_done_and_that_is_said(watch, tmp_path):
    data = stack(shape=(8, 16, 16))
    array = zarr.create_array(str(tmp_path / "in" / "a.zarr"), shape=data.shape, chunks=(2, 16, 16), dtype="u1")
    array[:4] = data[:4]
    with watch(settings=BatchSettings(settle_seconds=0.1)) as seen:
        seen.until(lambda: seen.ended == [("a.zarr", "failed")])
        seen.until(lambda: (tmp_path / "out" / "summary.csv").exists())
        assert "2 of its 4 blocks are not there" in rows(tmp_path / "out")["a.zarr"]["reason"]
        assert not (tmp_path / "log").exists()
        array[4:] = data[4:]
        seen.until(lambda: seen.ended[1:] == [("a.zarr", "done")])


def test_a_file_made_in_full_size_and_filled_from_the_front_is_waited_for(watch, tmp_path):
    data = stack()
    array = np.lib.format.open_memmap(tmp_path / "in" / "a.npy", "w+", np.uint8, data.shape)
    array[:3] = data[:3]
    array.flush()
    with watch(settings=BatchSettings(settle_seconds=0.3)) as seen:
        time.sleep(1.5)
        assert seen.ended == []
        array[3:] = data[3:]
        array.flush()
        seen.until(lambda: seen.ended == [("a.npy", "done")])
    assert (tmp_path / "log").read_text() == "a.npy\n"


def test_a_stack_that_really_ends_with_a_black_plane_is_taken_in_the_end(watch, tmp_path):
    data = stack()
    data[-1] = 0
    np.save(tmp_path / "in" / "a.npy", data)
    with watch(settings=BatchSettings(settle_seconds=0.1)) as seen:
        seen.until(lambda: seen.ended == [("a.npy", "done")])


def test_a_stack_written_to_during_the_work_is_done_again_not_half_old_half_new(watch, tmp_path, job):
    class Slow(type(job())):
        def __call__(self, source, *args):
            if not self.log.exists():
                np.save(source, stack(1))
            return super().__call__(source, *args)

    np.save(tmp_path / "in" / "a.npy", stack())
    with watch(job=Slow(tmp_path / "log")) as seen:
        seen.until(lambda: seen.ended)
    assert seen.ended == [("a.npy", "done")]
    assert (tmp_path / "log").read_text() == "a.npy\na.npy\n"


def test_inputs_that_go_away_are_waited_for_and_it_is_said_once(watch, tmp_path, caplog):
    np.save(tmp_path / "in" / "a.npy", stack())
    with watch() as seen:
        seen.until(lambda: len(seen.ended) == 1)
        (tmp_path / "in").rename(tmp_path / "unmounted")
        seen.until(lambda: "no such folder; waiting for it" in caplog.text)
        time.sleep(3 * SETTLE)
        (tmp_path / "in").mkdir()  # a mount point
        time.sleep(2 * SETTLE)
        np.save(tmp_path / "unmounted" / "b.npy", stack(1))
        (tmp_path / "in").rmdir()
        (tmp_path / "unmounted").rename(tmp_path / "in")
        seen.until(lambda: seen.ended == [("a.npy", "done"), ("b.npy", "done")])
    assert caplog.text.count("no such folder") == 1
    assert caplog.text.count("in: is back") == 1
    assert caplog.text.count("waiting for it") == 1
    assert (tmp_path / "log").read_text() == "a.npy\nb.npy\n"


def test_a_stack_that_goes_away_while_it_is_at_work_is_no_failure(watch, tmp_path, job):
    class Gone(type(job())):
        def __call__(self, source, *args):
            if not self.log.exists():
                source.rename(tmp_path / "away.npy")
                self.log.write_text("")
                raise InputError(f"{source}: cannot be read")
            return super().__call__(source, *args)

    np.save(tmp_path / "in" / "a.npy", stack())
    with watch(job=Gone(tmp_path / "log")) as seen:
        seen.until(lambda: (tmp_path / "away.npy").exists())
        time.sleep(3 * SETTLE)
        assert seen.ended == []
        (tmp_path / "away.npy").rename(tmp_path / "in" / "a.npy")
        seen.until(lambda: seen.ended == [("a.npy", "done")])


@pytest.mark.parametrize("when", ["idle", "at work"])
def test_outputs_that_go_away_are_waited_for(watch, tmp_path, job, caplog, monkeypatch, when):
    monkeypatch.setattr("neurorecon.batch.watch.RETRY_SECONDS", 0.2)
    out, away = tmp_path / "out", tmp_path / "away"

    class Unmounts(type(job())):
        def __call__(self, *args):
            if when == "at work" and not self.log.exists():
                out.rename(away)
                self.log.write_text("")
            return super().__call__(*args)

    with watch(job=Unmounts(tmp_path / "log")) as seen:
        seen.until(lambda: (out / ".neurorecon" / "names.jsonl").parent.is_dir() and seen.thread.is_alive())
        time.sleep(0.3)
        if when == "idle":
            out.rename(away)
        np.save(tmp_path / "in" / "a.npy", stack())
        seen.until(lambda: "waiting for it" in caplog.text)
        assert away.exists()
        time.sleep(0.5)
        assert seen.ended == []
        away.rename(out)
        seen.until(lambda: seen.ended == [("a.npy", "done")])
    assert caplog.text.count("waiting for it") == 1
    assert caplog.text.count("is back") == 1
    assert (out / "a.swc").exists()
    assert nothing_is_left(out)


def test_two_watches_on_one_folder_do_each_stack_once(watch, tmp_path, fake_job):
    for k in range(8):
        np.save(tmp_path / "in" / f"{k}.npy", stack(k))
    with watch() as first, watch() as second:
        for k in range(8, 16):
            np.save(tmp_path / "in" / f"{k}.npy", stack(k))
            time.sleep(0.05)
        first.until(lambda: len(first.ended) == 16)
        second.until(lambda: len(second.ended) == 16)
    log = (tmp_path / "log").read_text().splitlines()
    assert sorted(log) == sorted(f"{k}.npy" for k in range(16))
    assert nothing_is_left(tmp_path / "out")


def test_a_later_stack_of_the_same_name_gives_way_for_good(watch, tmp_path, job):
    np.save(tmp_path / "in" / "a.npy", stack())
    with watch() as seen:
        seen.until(lambda: len(seen.ended) == 1)
        before = (tmp_path / "out" / "a.swc").stat().st_mtime_ns
        tifffile.imwrite(tmp_path / "in" / "a.tif", stack(1), photometric="minisblack")
        seen.until(lambda: len(seen.ended) == 2)
    out = tmp_path / "out"
    assert sorted(p.name for p in out.glob("*.swc")) == ["a.swc", "a.tif.swc"]
    assert (out / "a.swc").stat().st_mtime_ns == before
    result = run_batch(tmp_path / "in", out, job(), engine=run_here)
    assert result.kept == 2
    assert sorted(p.name for p in out.glob("*.swc")) == ["a.swc", "a.tif.swc"]


def test_a_watch_keeps_the_names_that_a_batch_has_given(watch, tmp_path, job):
    np.save(tmp_path / "in" / "a.npy", stack())
    run_batch(tmp_path / "in", tmp_path / "out", job(), engine=run_here)
    tifffile.imwrite(tmp_path / "in" / "a.tif", stack(1), photometric="minisblack")
    with watch() as seen:
        seen.until(lambda: len(seen.ended) == 2)
    assert sorted(p.name for p in (tmp_path / "out").glob("*.swc")) == ["a.swc", "a.tif.swc"]
    assert (tmp_path / "log").read_text() == "a.npy\na.tif\n"


def test_a_line_of_the_names_that_was_cut_off_counts_for_nothing(tmp_path):
    ledger = Ledger(tmp_path / "out")
    ledger.make()
    names = Names(ledger)
    assert [item.output for item in names.give(["a.npy"])] == ["a.swc"]
    with open(names.path, "ab") as file:
        file.write(b'{"input": "b.np')
    others = Names(ledger)
    assert [item.output for item in others.give(["a.tif", "b.npy"])] == ["a.tif.swc", "b.swc"]
    assert [item.output for item in names.give(["b.tif", "a.npy"])] == ["b.tif.swc", "a.swc"]
    assert Names(ledger).load().outputs == names.taken.outputs


def test_a_stack_is_at_rest_after_the_settle_time_by_our_own_clock(tmp_path):
    (tmp_path / "in").mkdir()
    scout = Scout(tmp_path / "in", tmp_path / "out", BatchSettings(settle_seconds=60))
    path = tmp_path / "in" / "a.npy"
    path.write_bytes(b"x")
    os.utime(path, (10**9, 10**9))  # its time is long ago: a copy that keeps times is no sign of rest
    scout.scan(1000)
    assert scout.resting(1059) == []
    path.write_bytes(b"xx")
    scout.scan(1059)
    assert scout.resting(1118) == []
    (found,) = scout.resting(1119)
    assert (found.name, found.last) == ("a.npy", False)
    assert scout.resting(1200) == []


def test_a_stack_that_is_not_complete_is_asked_for_less_and_less_often_and_at_last_once(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.npy").write_bytes(b"x")
    scout = Scout(tmp_path / "in", tmp_path / "out", BatchSettings(settle_seconds=60))
    scout.scan(0)
    asked = []
    for now in range(0, 2000, 5):
        for found in scout.resting(now):
            asked.append((now, found.last))
            if not found.last:
                scout.again(found.name, now)
    assert asked == [(60, False), (180, False), (420, False), (600, True)]


def test_shards_of_a_watch_are_the_whole_and_do_not_move(tmp_path):
    (tmp_path / "in").mkdir()
    parts = [Scout(tmp_path / "in", tmp_path / "out", BatchSettings(shard=(i, 3))) for i in (1, 2, 3)]
    homes = {}
    for count in (5, 20):
        for k in range(count):
            (tmp_path / "in" / f"{k}.npy").write_bytes(b"x")
        for i, scout in enumerate(parts):
            scout.scan(count)
            for found in scout.resting(count + 1000):
                assert homes.setdefault(found.name, i) == i
    assert len(homes) == 20


def test_folder_stack_counts_as_changed_when_any_of_its_files_does(tmp_path):
    from neurorecon.batch.state.file_stamp import stamp_of

    folder = tmp_path / "cell"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "x").write_text("1")
    before = stamp_of(folder)
    assert stamp_of(folder) == before
    (folder / "deep" / "y").write_text("")
    assert stamp_of(folder) != before
    shutil.rmtree(folder)
    assert stamp_of(folder) is None


def test_a_folder_whose_stacks_are_all_gone_is_said_once_and_so_is_their_return(tmp_path, caplog):
    (tmp_path / "in").mkdir()
    path = tmp_path / "in" / "a.npy"
    path.write_bytes(b"x")
    scout = Scout(tmp_path / "in", tmp_path / "out", BatchSettings(settle_seconds=60))
    scout.scan(0)
    assert len(scout.resting(60)) == 1
    path.rename(tmp_path / "a.npy")  # as if the disk were not mounted
    scout.scan(100)
    scout.scan(110)
    assert caplog.text.count("holds no stack any more; waiting for it") == 1
    (tmp_path / "a.npy").rename(path)
    os.utime(path)
    scout.scan(120)
    assert caplog.text.count("is back") == 1
    assert [found.name for found in scout.resting(180)] == ["a.npy"]


def test_a_worker_that_sees_times_of_another_fineness_gets_the_stack_in_the_end(watch, tmp_path, monkeypatch):
    from neurorecon.batch import input_checks as sources
    from neurorecon.batch.state.file_stamp import Stamp, stamp_of

    def rough(path):
        stamp = stamp_of(path)
        return stamp and Stamp(f"{stamp.text}, rounded", stamp.newest_ns)

    monkeypatch.setattr(sources, "stamp_of", rough)
    np.save(tmp_path / "in" / "a.npy", stack())
    with watch(settings=BatchSettings(settle_seconds=0.1)) as seen:
        seen.until(lambda: seen.ended == [("a.npy", "done")])


def folded(name):
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


@settings(max_examples=200, deadline=None)
@given(NAMES, st.integers(1, 4), st.booleans())
def test_names_given_in_waves_never_change_and_never_meet(names, size, again):
    taken, owner = Taken(), {}
    for start in range(0, len(names), size):
        wave = names[start : start + size] + (names[:start] if again else [])
        for item in plan(wave, taken):
            assert taken.outputs.get(item.input, item.output) == item.output
            if item.input not in taken.outputs:
                taken.add(item.input, item.output)
            stem = item.output.removesuffix(".swc")
            for file in (f"{stem}.swc", f"{stem}.json", f"{stem}.review.csv", *(f"{stem}_{k}.swc" for k in (1, 2, 12))):
                assert owner.setdefault(folded(file), item.input) == item.input
    assert len(taken.outputs) == len(names)
