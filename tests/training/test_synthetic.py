"""The cache of synthetic crops: a corpus is unpacked whole or not at all, and crops of another corpus are others."""

import shutil
import zipfile

import numpy as np
import pytest

from neurorecon.core.errors import InputError
from neurorecon.swc import write_swc
from neurorecon.synth import random_tree
from neurorecon.training import TrainSettings
from neurorecon.training.sources import synthetic as pool


@pytest.fixture
def corpus(tmp_path):
    """A folder of three morphologies, and the zip of it."""
    folder = tmp_path / "corpus" / "group"
    folder.mkdir(parents=True)
    for seed in range(3):
        write_swc(random_tree(np.random.default_rng(seed), (30.0, 60.0, 60.0)), folder / f"{seed}.swc")
    shutil.make_archive(str(tmp_path / "corpus"), "zip", tmp_path / "corpus")
    return tmp_path / "corpus"


@pytest.mark.parametrize("end", [KeyboardInterrupt, OSError])
def test_a_corpus_that_was_unpacked_by_half_is_unpacked_again(corpus, tmp_path, monkeypatch, end):
    real = zipfile.ZipFile.extractall

    def half(archive, path):
        real(archive, path, members=archive.namelist()[:2])
        raise end

    with monkeypatch.context() as patch:
        patch.setattr(zipfile.ZipFile, "extractall", half)
        with pytest.raises(end):
            pool.unpack(corpus.with_suffix(".zip"), tmp_path / "into")
    assert not (tmp_path / "into").exists()
    files = pool.unpack(corpus.with_suffix(".zip"), tmp_path / "into")
    assert [file.name for file in files] == ["0.swc", "1.swc", "2.swc"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["corpus", "corpus.zip", "into"]


def test_two_processes_that_unpack_one_corpus_both_have_it(corpus, tmp_path, monkeypatch):
    real = zipfile.ZipFile.extractall

    def beaten(archive, path):
        real(archive, path)
        real(archive, tmp_path / "into")  # the other one is there first

    monkeypatch.setattr(zipfile.ZipFile, "extractall", beaten)
    assert len(pool.unpack(corpus.with_suffix(".zip"), tmp_path / "into")) == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["corpus", "corpus.zip", "into"]


def test_a_damaged_zip_is_one_line_and_leaves_nothing(corpus, tmp_path):
    path = corpus.with_suffix(".zip")
    data = bytearray(path.read_bytes())
    data[200:260] = bytes(60)
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"corpus\.zip: cannot be unpacked: "):
        pool.unpack(path, tmp_path / "into")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["corpus", "corpus.zip"]


def test_a_corpus_that_was_changed_has_a_cache_of_its_own_and_one_that_was_moved_has_not(corpus, tmp_path):
    def folder(where):
        return pool.folder_of(TrainSettings(out=tmp_path, corpus=where))

    before, zipped = folder(corpus), folder(corpus.with_suffix(".zip"))
    shutil.copytree(corpus, tmp_path / "copy")
    (tmp_path / "copy" / "notes.txt").write_text("no morphology")
    assert folder(tmp_path / "copy") == before
    write_swc(random_tree(np.random.default_rng(9), (30.0, 60.0, 60.0)), corpus / "group" / "2.swc", overwrite=True)
    changed = folder(corpus)
    assert changed != before
    (corpus / "group" / "2.swc").rename(corpus / "group" / "3.swc")
    assert folder(corpus) not in (before, changed)
    shutil.make_archive(str(corpus), "zip", corpus)
    assert folder(corpus.with_suffix(".zip")) != zipped


def test_crops_of_another_generator_are_not_taken_from_the_cache(corpus, tmp_path, monkeypatch):
    settings = TrainSettings(out=tmp_path, corpus=corpus)
    before = pool.folder_of(settings)
    monkeypatch.setattr(pool, "GENERATOR", pool.GENERATOR + 1)
    assert pool.folder_of(settings) != before


@pytest.mark.parametrize(
    ("number", "mean", "counts"),
    [(2, 11.9, [33417, 777, 2534, 136]), (5, 31.16, [29575, 2978, 4149, 162])],
    ids=["even", "tissue"],
)
def test_a_crop_is_that_of_the_generator_with_this_number(corpus, tmp_path, number, mean, counts):
    """Where this fails after a change of `synth` or of `pool`, GENERATOR goes up by one, and the values here are new."""
    image, labels = pool.make_crop(pool.unpack(corpus, tmp_path), np.random.default_rng([1, number]), crop=(16, 48, 48))
    assert pool.GENERATOR == 3
    assert float(image.mean()) == pytest.approx(mean, abs=0.05)  # rounding differs between processors
    assert np.bincount(labels.ravel() & 3).tolist() == pytest.approx(counts, abs=5)
