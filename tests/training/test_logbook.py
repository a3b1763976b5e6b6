"""The log of a run and its picture: whole lines, a resumed run's own, curves of whatever was logged."""

import numpy as np
import pytest
from PIL import Image

from neurorecon.core.errors import FormatError, OutputError
from neurorecon.training.log_picture import draw_log
from neurorecon.training.logbook import Logbook, read_log

COLUMNS = ("step", "seconds", "rate", "dice", "dev_f1", "dev_hd95")


def written(path, steps):
    with Logbook(path, COLUMNS) as book:
        for step in steps:
            row = {"step": step, "seconds": step, "rate": f"{1e-3 / step:.2e}", "dice": 1 / step}
            book.write(row if step % 2 else {**row, "dev_f1": 0.5, "dev_hd95": 4.0})


def test_what_is_written_is_read_again(tmp_path):
    written(tmp_path / "log.csv", [1, 2])
    columns, rows = read_log(tmp_path / "log.csv")
    assert columns == list(COLUMNS)
    assert [(row["step"], row["dev_f1"]) for row in rows] == [("1", ""), ("2", "0.5")]


def test_a_resumed_run_drops_the_lines_behind_its_checkpoint(tmp_path):
    written(tmp_path / "log.csv", range(1, 6))
    with Logbook(tmp_path / "log.csv", COLUMNS, step=3) as book:
        book.write({"step": 4})
    assert [row["step"] for row in read_log(tmp_path / "log.csv")[1]] == ["1", "2", "3", "4"]


def test_columns_of_an_earlier_version_are_kept(tmp_path):
    (tmp_path / "log.csv").write_text("step,old\n1,7\n")
    with Logbook(tmp_path / "log.csv", COLUMNS, step=1) as book:
        book.write({"step": 2, "dice": 0.5})
    columns, rows = read_log(tmp_path / "log.csv")
    assert columns == [*COLUMNS, "old"]
    assert (rows[0]["old"], rows[1]["dice"]) == ("7", "0.5")


def test_a_line_that_a_kill_cut_off_is_left_out(tmp_path):
    (tmp_path / "log.csv").write_text("step,dice\n1,0.5\n2,0.")
    assert [row["step"] for row in read_log(tmp_path / "log.csv")[1]] == ["1"]


def test_curves_are_drawn_within_a_second_and_replaced(tmp_path):
    written(tmp_path / "log.csv", range(1, 300))
    for _ in range(2):
        assert draw_log(tmp_path / "log.csv", tmp_path / "log.png")
    with Image.open(tmp_path / "log.png") as picture:
        pixels = np.asarray(picture.convert("RGB"))
    assert pixels.shape[1] == 800
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 10
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["log.csv", "log.png"]


@pytest.mark.parametrize("text", [None, "", "step,dice\n"])
def test_a_log_without_rows_gives_no_picture(tmp_path, text):
    if text is not None:
        (tmp_path / "log.csv").write_text(text)
    assert not draw_log(tmp_path / "log.csv", tmp_path / "log.png")
    assert not (tmp_path / "log.png").exists()


@pytest.mark.parametrize(
    ("text", "what"), [("a,b\n1,2\n", "csv:1: .*step"), ("step,dice\n1,x\n", "csv:2: "), ("step,dice\n1\n", "csv:2: ")]
)
def test_what_is_no_log_is_an_error_with_its_line(tmp_path, text, what):
    (tmp_path / "log.csv").write_text(text)
    with pytest.raises(FormatError, match=what):
        draw_log(tmp_path / "log.csv", tmp_path / "log.png")


def test_a_picture_that_cannot_be_written_is_an_error(tmp_path):
    written(tmp_path / "log.csv", [1])
    with pytest.raises(OutputError, match="does not exist"):
        draw_log(tmp_path / "log.csv", tmp_path / "no" / "log.png")
