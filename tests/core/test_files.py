"""Outputs appear whole or not at all."""

import hashlib
import os
import shutil
import sys

import pytest

from neurorecon.core.errors import InputError, NeuroreconError, OutputError, one_line
from neurorecon.core.files import check_output, hash_path, read_ids, write_beside, write_text


def test_a_finished_file_takes_its_place_and_nothing_stays_beside(tmp_path):
    write_text(tmp_path / "a.txt", "one")
    assert (tmp_path / "a.txt").read_text() == "one"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_a_failure_leaves_what_was_there(tmp_path):
    write_text(tmp_path / "a.txt", "one")

    def fail():
        with write_beside(tmp_path / "a.txt", overwrite=True) as beside:
            beside.write_text("two")
            raise ValueError("half way")

    with pytest.raises(ValueError, match="half"):
        fail()
    assert (tmp_path / "a.txt").read_text() == "one"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_a_folder_takes_the_place_of_a_folder(tmp_path):
    target = tmp_path / "a.ome.zarr"
    for text in ("one", "two"):
        with write_beside(target, overwrite=True) as beside:
            beside.mkdir()
            (beside / "c").write_text(text)
    assert (target / "c").read_text() == "two"
    assert os.listdir(tmp_path) == ["a.ome.zarr"]


def test_a_folder_is_replaced_at_once_and_not_file_by_file(tmp_path, monkeypatch):
    target = tmp_path / "a.ome.zarr"

    def write(text):
        with write_beside(target, overwrite=True) as beside:
            beside.mkdir()
            (beside / "c").write_text(text)

    write("one")
    seen = []
    monkeypatch.setattr(shutil, "rmtree", lambda *_path: seen.append((target / "c").read_text()))
    write("two")
    assert seen == ["two"]  # what is removed slowly, and may be interrupted, has another name by then


def test_a_folder_that_cannot_be_replaced_stays(tmp_path, monkeypatch):
    target = tmp_path / "a.ome.zarr"
    target.mkdir()
    (target / "c").write_text("one")
    rename = os.rename

    def refuse(source, place):
        if place == target and (source / "c").read_text() == "two":
            raise OSError(28, "No space left on device")
        rename(source, place)

    monkeypatch.setattr(os, "rename", refuse)
    replace = write_beside(target, overwrite=True)
    beside = replace.__enter__()
    beside.mkdir()
    (beside / "c").write_text("two")
    with pytest.raises(OutputError, match="No space left"):
        replace.__exit__(None, None, None)
    assert (target / "c").read_text() == "one"
    assert os.listdir(tmp_path) == ["a.ome.zarr"]


def test_a_folder_takes_the_place_of_a_file_and_of_a_link_to_a_folder(tmp_path):
    kept = tmp_path / "kept"
    kept.mkdir()
    (tmp_path / "link.zarr").symlink_to(kept)
    (tmp_path / "file.zarr").write_text("one")
    for name in ("link.zarr", "file.zarr"):
        with write_beside(tmp_path / name, overwrite=True) as beside:
            beside.mkdir()
            (beside / "c").write_text("two")
        assert (tmp_path / name / "c").read_text() == "two"
    assert sorted(os.listdir(tmp_path)) == ["file.zarr", "kept", "link.zarr"]
    assert os.listdir(kept) == []


def test_an_output_that_exists_is_kept_unless_asked(tmp_path):
    write_text(tmp_path / "a.txt", "one")
    with pytest.raises(OutputError, match="--overwrite"):
        write_text(tmp_path / "a.txt", "two")
    write_text(tmp_path / "a.txt", "two", overwrite=True)
    assert (tmp_path / "a.txt").read_text() == "two"


def test_a_missing_folder_and_a_directory_are_refused(tmp_path):
    with pytest.raises(OutputError, match="does not exist"):
        check_output(tmp_path / "no" / "a.txt")
    with pytest.raises(OutputError, match="directory"):
        check_output(tmp_path)


def test_the_hash_of_a_file_is_sha256(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert hash_path(tmp_path / "a") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_the_hash_of_a_folder_sees_names_and_contents(tmp_path):
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "a").write_text("x")
    first = hash_path(tmp_path / "d")
    (tmp_path / "d" / "a").rename(tmp_path / "d" / "b")
    second = hash_path(tmp_path / "d")
    (tmp_path / "d" / "b").write_text("y")
    assert len({first, second, hash_path(tmp_path / "d")}) == 3


def test_the_hash_of_nothing_is_refused(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        hash_path(tmp_path / "no")


def test_a_message_is_one_line_whatever_a_name_holds():
    assert str(NeuroreconError("a\nb\x1b[1m é")) == "a\\nb\\x1b[1m é"
    assert one_line("tab\there") == "tab\\there"


def test_ids_are_the_first_words_of_lines_that_are_no_comment(tmp_path):
    (tmp_path / "ids.txt").write_text("# neurons\n8 lifted\n\n21\n")
    assert read_ids(tmp_path / "ids.txt") == {"8", "21"}


def test_a_missing_or_unreadable_list_of_ids_is_named(tmp_path):
    with pytest.raises(InputError, match=r"gone\.txt: no such file"):
        read_ids(tmp_path / "gone.txt")
    (tmp_path / "ids.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="list of ids"):
        read_ids(tmp_path / "ids.txt")


@pytest.mark.skipif(os.name == "nt" or sys.platform == "darwin", reason="names are UTF-8 there")
def test_a_folder_has_a_hash_whatever_bytes_the_names_in_it_are(tmp_path):
    for name in (b"\xb5_z01.tif", "\u00b5_z02.tif".encode()):
        (tmp_path / os.fsdecode(name)).write_bytes(b"plane")
    whole = hashlib.sha256()
    for name in sorted([b"\xb5_z01.tif", "\u00b5_z02.tif".encode()], key=os.fsdecode):
        whole.update(name + b"\0plane")
    assert hash_path(tmp_path) == whole.hexdigest()
