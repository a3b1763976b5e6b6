"""Sparse voxel labels: asked on labelled planes only, never on the one that is kept back."""

from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from neurorecon.core.errors import InputError
from neurorecon.io import write_stack
from neurorecon.training.sources.labelled_planes import load_sparse
from neurorecon.training.sources.labels import BACKGROUND, IGNORE, NEURITE, UNSURE_SOMA
from neurorecon.training.sources.pairs import crops

TRAILMAP = Path(__file__).resolve().parents[3] / "shared" / "data" / "trailmap"
LABELLED = (6, 15, 24)


def write(folder, name="a", planes=LABELLED, top=4):
    """A stack whose grey value names its plane, labelled with columns 1, 2, 3, 4 on some planes."""
    image = np.broadcast_to(np.arange(30, dtype=np.uint8)[:, None, None] * 8, (30, 40, 40))
    marks = np.zeros(image.shape, np.uint8)
    for z in planes:
        marks[z] = np.clip(np.arange(40) // 10 + 1, 1, top)
    write_stack(np.ascontiguousarray(image), folder / f"{name}_volume.tif")
    write_stack(marks, folder / f"{name}_label.tif")
    return folder


def test_axons_background_and_artefacts_are_asked_rims_and_other_planes_are_not(tmp_path):
    source = load_sparse(write(tmp_path))[0]
    low = source.labels & 3
    for z in LABELLED[:-1]:
        assert [low[z, 0, x] for x in (5, 15, 25, 35)] == [BACKGROUND, NEURITE, BACKGROUND, IGNORE]
    others = np.setdiff1d(np.arange(30), LABELLED[:-1])
    assert (low[others] == IGNORE).all()
    assert (source.labels & UNSURE_SOMA > 0).all()


def test_the_last_labelled_plane_is_for_the_report_alone(tmp_path):
    source = load_sparse(write(tmp_path), kept_back=True)[0]
    assert np.flatnonzero(((source.labels & 3) != IGNORE).any((1, 2))).tolist() == [LABELLED[-1]]


@pytest.mark.parametrize("augment", [False, True])
def test_every_crop_holds_asked_voxels_and_none_of_the_plane_kept_back(tmp_path, augment):
    sources = load_sparse(write(tmp_path))
    kept = sources[0].labels[LABELLED[-1]]
    assert ((kept & 3) == IGNORE).all()
    for _, labels in islice(crops(sources, (8, 16, 16), np.random.default_rng(0), augment=augment), 40):
        assert ((labels & 3) != IGNORE).any()


def test_a_stack_with_one_labelled_plane_has_none_to_train_on(tmp_path, caplog):
    write(tmp_path, "one", planes=(3,))
    write(tmp_path, "three")
    assert [s.name.split("/")[1] for s in load_sparse(tmp_path)] == ["three"]
    assert "one_label.tif" in caplog.text
    assert len(load_sparse(tmp_path, kept_back=True)) == 2


def test_left_out_names_and_empty_folders_give_nothing(tmp_path):
    write(tmp_path)
    with pytest.raises(InputError, match="at least two labelled planes"):
        load_sparse(tmp_path, leave_out=frozenset({"a"}))


def test_labels_that_do_not_fit_are_refused(tmp_path):
    write(tmp_path)
    marks = np.zeros((30, 40, 40), np.uint8)
    marks[0] = 9
    write_stack(marks, tmp_path / "a_label.tif", overwrite=True)
    with pytest.raises(InputError, match="label 9; labels are 0 to 4"):
        load_sparse(tmp_path)
    write_stack(marks[:5], tmp_path / "a_label.tif", overwrite=True)
    with pytest.raises(InputError, match="shapes must agree"):
        load_sparse(tmp_path)


@pytest.mark.data
def test_the_published_stack_is_asked_on_planes_17_and_48():
    source = load_sparse(TRAILMAP)[0]
    low = source.labels & 3
    assert np.flatnonzero((low != IGNORE).any((1, 2))).tolist() == [17, 48]
    assert (low == NEURITE).sum() == 2469 + 2769
    assert source.image[low == NEURITE].mean() > source.image[low == BACKGROUND].mean() + 20
