"""The folder of an output that grows is there for a process, or gone: never half of it."""

import errno
import shutil
from contextlib import ExitStack

import pytest

from neurorecon.batch.job import Fingerprint
from neurorecon.batch.state.leases import Leases
from neurorecon.core import files
from neurorecon.core.errors import OutputError
from neurorecon.volumes.block_folder import BlockFolder

PRINTS = Fingerprint({"a": 1}, "1" * 64, "", "")
OTHERS = Fingerprint({"a": 2}, "2" * 64, "", "")


@pytest.fixture
def output(tmp_path):
    return tmp_path / "cut.swc"


def finish(folder):
    """End as the process does that writes the output."""
    with folder.finishing():
        folder.output.write_text("")


def test_who_works_in_a_folder_while_it_is_removed_hears_that_the_output_is_finished(output, monkeypatch):
    first, second = (BlockFolder(output, PRINTS) for _ in range(2))
    heard, remove = [], shutil.rmtree

    def half_way(path, **options):
        remove(path / ".neurorecon" / "scratch", **options)
        with pytest.raises(OutputError) as caught, stack:
            second.known(lambda: None)
        heard.append(str(caught.value))
        remove(path, **options)

    with ExitStack() as stack, first.opened(overwrite=False):
        stack.enter_context(second.opened(overwrite=False))
        monkeypatch.setattr(files.shutil, "rmtree", half_way)
        finish(first)
    assert heard == [f"{output}: another process has finished it, or {second.path} was removed"]
    assert [path.name for path in output.parent.iterdir()] == [output.name]


def test_the_folder_is_gone_from_its_place_before_its_files_go(output, monkeypatch):
    folder, there, remove = BlockFolder(output, PRINTS), [], shutil.rmtree

    def looked(path, **options):
        there.append(folder.path.exists())
        remove(path, **options)

    with folder.opened(overwrite=False):
        monkeypatch.setattr(files.shutil, "rmtree", looked)
        finish(folder)
    assert there == [False]


def test_two_commands_that_overwrite_do_not_take_the_folder_from_each_other(output):
    output.write_text("old")
    first, second = (BlockFolder(output, PRINTS) for _ in range(2))
    with first.opened(overwrite=True):
        token = first.leases.take("a block")  # and the settings are not written down yet
        with second.opened(overwrite=True):
            assert second.leases.take("a block") is None
        first.leases.give_back("a block", token)


def test_other_settings_take_the_folder_with_overwrite(output):
    with BlockFolder(output, OTHERS).opened(overwrite=False):
        BlockFolder(output, OTHERS).known(lambda: PRINTS)
    folder = BlockFolder(output, PRINTS)
    with folder.opened(overwrite=True):
        assert folder.known(lambda: OTHERS)["settings"] == {"a": 2}


def test_a_survey_beside_a_ledger_that_cannot_be_read_is_taken_anew(output):
    with BlockFolder(output, PRINTS).opened(overwrite=False):
        folder = BlockFolder(output, PRINTS)
        assert folder.known(lambda: PRINTS)["settings"] == {"a": 1}
        (folder.ledger.root / "ledger.json").write_text("{")
        assert folder.known(lambda: OTHERS)["settings"] == {"a": 2}


def test_a_disk_that_refuses_a_lease_is_a_line_and_no_traceback(output, monkeypatch):
    folder = BlockFolder(output, PRINTS)

    def refused(self, key):
        raise OSError(errno.EROFS, "Read-only file system", str(folder.ledger.scratch / "x.lease"))

    with folder.opened(overwrite=False):
        pass
    monkeypatch.setattr(Leases, "take", refused)
    said = pytest.raises(OutputError, match=r"x\.lease: cannot be read or written: Read-only")
    with said, folder.opened(overwrite=False):
        folder.known(lambda: PRINTS)
