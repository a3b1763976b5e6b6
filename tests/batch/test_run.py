"""A batch from begin to end, with a job that costs nothing."""

import csv
import json
from pathlib import Path

import pytest

from neurorecon.batch import run_batch, run_here
from neurorecon.batch.state.ledger import Ledger
from neurorecon.core.errors import OutputError, SettingsError


def rows(outdir):
    with open(outdir / "summary.csv", newline="") as file:
        return {row["input"]: row for row in csv.DictReader(file)}


def statuses(result):
    return {record.input: record.status for record in result.records}


ALL = {
    "a.npy": "done",
    "b.npy": "done",
    "sub/a.npy": "done",
    "sub/deep/c.npy": "no neuron",
    "sub/d.npy": "failed",
    "神经 'x'.npy": "done",
}


def test_every_stack_gets_its_outcome_and_the_folders_are_mirrored(batch, tmp_path):
    assert statuses(batch()) == ALL
    out = tmp_path / "out"
    files = {p.relative_to(out).as_posix() for p in out.rglob("*") if p.is_file() and ".neurorecon" not in p.parts}
    stems = ["a", "sub/a", "神经 'x'"]
    several = {"b.png", "b.json", "b.review.csv", "b_1.swc", "b_2.swc", "b_3.swc"}
    expected = {f"{stem}.{kind}" for stem in stems for kind in ("swc", "review.csv", "png", "json")} | several
    assert files == expected | {"summary.csv", "report.html"}
    assert not (out / "sub" / "deep").exists()


def test_the_summary_tells_all_in_the_order_of_the_inputs(batch, tmp_path):
    batch()
    table = rows(tmp_path / "out")
    assert list(table) == sorted(ALL)
    assert {name: row["status"] for name, row in table.items()} == ALL
    assert table["sub/d.npy"]["reason"] == r"sub/d.npy: truncated\nfile"
    assert (table["b.npy"]["output"], table["b.npy"]["trees"], table["b.npy"]["warnings"]) == ("b_1.swc", "3", "1")
    assert (table["a.npy"]["cable_length"], table["a.npy"]["peak_mb"]) == ("2.5", "3")
    assert (table["b.npy"]["findings"], table["b.npy"]["bridges"], table["b.npy"]["predicted_f1"]) == ("2", "", "0.5")
    html = (tmp_path / "out" / "report.html").read_text()
    assert 'href="./b.review.csv">2</a>' in html
    assert "a &lt;b&gt;dim&lt;/b&gt; stack" in html
    assert "神经 &#x27;x&#x27;.npy" in html


def test_run_again_it_does_only_what_failed(batch, calls, content, tmp_path):
    batch()
    before = content(tmp_path / "out")
    calls()
    again = batch()
    assert calls() == ["sub/d.npy"]
    assert again.kept == 5
    assert content(tmp_path / "out") == before


@pytest.mark.parametrize("damage", ["gone", "altered", "picture gone", "review list gone"])
def test_outputs_that_are_gone_or_altered_are_done_again(batch, calls, content, tmp_path, damage):
    batch()
    before = content(tmp_path / "out")
    calls()
    swc = tmp_path / "out" / "sub" / "a.swc"
    if damage == "altered":
        swc.write_text(swc.read_text().replace("1 1", "1 2"))
    else:
        swc.with_suffix({"gone": ".swc", "picture gone": ".png", "review list gone": ".review.csv"}[damage]).unlink()
    batch()
    assert sorted(calls()) == ["sub/a.npy", "sub/d.npy"]
    assert content(tmp_path / "out") == before


def test_a_file_that_merely_exists_is_not_a_finished_stack(batch, calls, tmp_path):
    batch()
    calls()
    for record in (tmp_path / "out" / ".neurorecon" / "records").iterdir():
        record.write_text('{"format": 1, "half')
    result = batch(overwrite=True)
    assert statuses(result) == ALL
    assert sorted(calls()) == sorted(ALL)


def test_a_changed_stack_is_done_again_and_leaves_no_tree_of_the_former(batch, calls, source, tmp_path):
    batch()
    calls()
    (source / "b.npy").write_text("trees 2")
    batch()
    assert sorted(calls()) == ["b.npy", "sub/d.npy"]
    assert sorted(p.name for p in (tmp_path / "out").glob("b*.swc")) == ["b_1.swc", "b_2.swc"]
    (source / "b.npy").write_text("none")
    batch()
    assert not list((tmp_path / "out").glob("b[._]*"))


def test_a_stack_that_fails_after_it_was_done_keeps_its_files(batch, source, tmp_path):
    batch()
    (source / "a.npy").write_text("bad")
    assert statuses(batch())["a.npy"] == "failed"
    assert (tmp_path / "out" / "a.swc").exists()
    (source / "a.npy").write_text("good")
    assert statuses(batch())["a.npy"] == "done"


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"settings": {"trace": {"threshold": 0.5}}}, "trace.threshold unset, now it is 0.5"),
        ({"settings": {"trace": {"threshold": None}, "new": 1}}, "new unset, now it is 1"),
        ({"model": "n" * 64}, "model fake mmmmmmmmmmmm, now it is nnnnnnnnnnnn"),
    ],
)
def test_other_settings_and_another_model_are_refused_unless_told(batch, calls, content, tmp_path, change, names):
    batch()
    calls()
    before = content(tmp_path / "out")
    with pytest.raises(SettingsError, match=names) as error:
        batch(**change)
    assert "--overwrite" in str(error.value)
    assert calls() == []
    assert content(tmp_path / "out") == before
    batch(**change, overwrite=True)
    assert sorted(calls()) == sorted(ALL)
    batch(**change)
    assert calls() == ["sub/d.npy"]


def test_a_batch_whose_folder_is_taken_over_with_other_settings_stops(batch, tmp_path, fake_job):
    class Rival(fake_job.FakeJob):
        def __call__(self, *args):
            Ledger(tmp_path / "out").begin(fake_job.FakeJob("", model="x").fingerprint, overwrite=True)
            return super().__call__(*args)

    with pytest.raises(SettingsError, match="taken it over"):
        batch(job=Rival(tmp_path / "log"))


def test_files_that_are_not_from_a_batch_are_not_touched(batch, calls, tmp_path):
    mine = tmp_path / "out" / "a_1.swc"
    mine.parent.mkdir()
    mine.write_text("mine")
    result = batch()
    failed = {record.input: record.reason for record in result.with_status("failed")}
    assert "not from this batch" in failed["a.npy"]
    assert "a.npy" not in calls()
    assert mine.read_text() == "mine"
    assert statuses(batch(overwrite=True))["a.npy"] == "done"


def test_a_foreign_file_that_no_one_could_expect_is_not_touched_either(batch, tmp_path):
    mine = tmp_path / "out" / "b_3.swc"
    mine.parent.mkdir()
    mine.write_text("mine")
    assert statuses(batch())["b.npy"] == "failed"
    assert [p.name for p in (tmp_path / "out").glob("b[._]*")] == ["b_3.swc"]
    assert mine.read_text() == "mine"


@pytest.mark.parametrize(
    ("text", "reason"), [("bug", "ZeroDivisionError: division by zero"), ("memory", "fewer --jobs")]
)
def test_a_fault_in_one_stack_is_a_reason_in_its_record(batch, source, tmp_path, text, reason):
    (source / "a.npy").write_text(text)
    result = batch()
    assert statuses(result) == ALL | {"a.npy": "failed"}
    assert reason in rows(tmp_path / "out")["a.npy"]["reason"]
    record = next(record for record in result.records if record.input == "a.npy")
    assert ("fake_job.py" in record.traceback) == (text == "bug")


def test_a_stack_that_vanishes_is_a_failure_not_the_end(batch, source, tmp_path, fake_job):
    class Vandal(fake_job.FakeJob):
        def __call__(self, *args):
            (source / "sub" / "a.npy").unlink(missing_ok=True)
            return super().__call__(*args)

    assert statuses(batch(job=Vandal(tmp_path / "log"))) == ALL | {"sub/a.npy": "failed"}


def test_shards_into_one_folder_equal_the_whole(batch, content, tmp_path):
    (tmp_path / "whole").mkdir()
    (tmp_path / "parts").mkdir()
    batch(tmp_path / "whole" / "out")
    seen = []
    for i in (3, 1, 2):
        seen += statuses(batch(tmp_path / "parts" / "out", shard=(i, 3)))
    assert sorted(seen) == sorted(ALL)
    assert content(tmp_path / "parts" / "out") == content(tmp_path / "whole" / "out")


def test_an_output_folder_that_cannot_be_made_is_refused(batch, tmp_path):
    with pytest.raises(OutputError, match="make it first"):
        batch(tmp_path / "no" / "such" / "out")
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="is a file"):
        batch(tmp_path / "file")


def test_progress_counts_every_stack(source, tmp_path, fake_job):
    seen = []
    run_batch(
        source,
        tmp_path / "out",
        fake_job.FakeJob(tmp_path / "log"),
        engine=run_here,
        progress=lambda done, total, record: seen.append((done, total, record.status)),
    )
    assert [entry[:2] for entry in seen] == [(k, 6) for k in range(1, 7)]


def test_an_interrupt_leaves_a_clean_folder_and_a_summary(batch, calls, content, tmp_path, fake_job):
    class Interrupted(fake_job.FakeJob):
        def __call__(self, source, name, *args):
            if name.startswith("sub"):
                raise KeyboardInterrupt
            return super().__call__(source, name, *args)

    with pytest.raises(KeyboardInterrupt):
        batch(job=Interrupted(tmp_path / "log"))
    ledger = Ledger(tmp_path / "out")
    assert not list(ledger.leases.iterdir())
    assert not list(ledger.scratch.iterdir())
    assert list(rows(tmp_path / "out")) == ["a.npy", "b.npy"]
    done = calls()
    batch()
    assert sorted(done + calls()) == sorted(ALL)


def test_the_ledger_says_when_it_cannot_be_written(batch, tmp_path, monkeypatch):
    write = Ledger.write

    def full(self, key, record):
        if record.input == "a.npy":
            raise OSError(28, "No space left on device")
        write(self, key, record)

    monkeypatch.setattr(Ledger, "write", full)
    result = batch()
    assert statuses(result) == ALL | {"a.npy": "failed"}
    assert "nor can the ledger be written" in next(r.reason for r in result.records if r.input == "a.npy")


def test_records_hold_what_the_result_came_from(batch, tmp_path, source):
    from neurorecon.core.files import hash_path

    batch()
    ledger = Ledger(tmp_path / "out")
    record = next(record for record in ledger.all() if record.input == "a.npy")
    assert record.input_sha256 == hash_path(source / "a.npy")
    assert record.model_sha256 == "m" * 64
    assert json.loads(record.settings_sha256) == {"trace": {"threshold": None}}
    assert set(record.outputs) == {"a.swc", "a.review.csv", "a.png", "a.json"}
    assert ledger.intact(record)


def test_an_output_that_is_removed_between_two_looks_is_not_there(batch, tmp_path, monkeypatch):
    batch()
    ledger = Ledger(tmp_path / "out")
    record = next(record for record in ledger.all() if record.input == "a.npy")
    monkeypatch.setattr(Path, "is_file", lambda path: True)
    (tmp_path / "out" / "a.swc").unlink()
    assert not ledger.intact(record)


def test_a_reason_names_the_place_of_an_output_not_its_draft(batch, tmp_path, fake_job):
    from neurorecon.core.files import check_output

    class Full(fake_job.FakeJob):
        def __call__(self, source, name, swc, digest):
            check_output(swc / "too deep")

    result = batch(job=Full(tmp_path / "log"))
    reason = next(r.reason for r in result.records if r.input == "sub/a.npy")
    assert reason.startswith(f"{tmp_path / 'out' / 'sub' / 'a.swc'}/too deep: the folder")


def test_a_stack_that_gets_a_new_name_leaves_none_under_the_old(batch, source, tmp_path):
    batch()
    (source / "a.nrrd").write_text("good twin")
    assert statuses(batch()) == ALL | {"a.nrrd": "done"}
    names = sorted(path.name for path in (tmp_path / "out").glob("a*"))
    assert names == sorted(
        f"a.{kind}.{end}" for kind in ("npy", "nrrd") for end in ("swc", "review.csv", "png", "json")
    )
