"""The stream: sources in their shares, ids that are never seen, fresh crops from a second process."""

import dataclasses
import time
from itertools import islice, repeat

import numpy as np
import pytest
import torch
from PIL import Image

from neurorecon.core.tree import Tree
from neurorecon.io import write_stack
from neurorecon.swc import write_swc
from neurorecon.synth import random_tree
from neurorecon.training import TrainSettings
from neurorecon.training.sources import stream
from neurorecon.training.sources import synthetic as pool
from neurorecon.training.sources.labels import CENTRE, SOMA
from neurorecon.training.sources.pairs import Source
from neurorecon.training.sources.stream import batches, load_sources
from neurorecon.training.sources.synthetic_live import FreshCrops

CROP = (8, 16, 16)


def line():
    x = np.arange(4.0, 37, 4)
    points = np.stack([x, np.full_like(x, 20), np.full_like(x, 8)], axis=1)
    return Tree(points, np.full(len(x), 1.0), np.arange(len(x)) - 1, np.zeros(len(x), int), "voxel")


@pytest.fixture
def settings(tmp_path):
    """One folder of each kind, ids 1 to 3."""
    rng = np.random.default_rng(0)
    for kind in ("pairs", "flat", "sparse"):
        (tmp_path / kind).mkdir()
    for name in "123":
        stack = rng.integers(0, 40, (16, 40, 40)).astype(np.uint8)
        write_stack(stack, tmp_path / "pairs" / f"{name}.tif")
        write_swc(line(), tmp_path / "pairs" / f"{name}.swc")
        Image.fromarray(stack.max(0)).save(tmp_path / "flat" / f"{name}.png")
        write_swc(line(), tmp_path / "flat" / f"{name}.gold.swc")
        write_stack(stack, tmp_path / "sparse" / f"{name}_volume.tif")
        marks = np.zeros(stack.shape, np.uint8)
        marks[4::6] = 1 + (stack[4::6] > 30)
        write_stack(marks, tmp_path / "sparse" / f"{name}_label.tif")
    (tmp_path / "out.txt").write_text("# never seen\n1 lifted\n")
    return TrainSettings(
        out=tmp_path / "run", pairs=(tmp_path / "pairs",), flat=(tmp_path / "flat",), sparse=(tmp_path / "sparse",),
        leave_out=tmp_path / "out.txt", dev=("2",), crop=CROP, flat_share=0.3, sparse_share=0.2,
    )  # fmt: skip


@pytest.fixture
def corpus(tmp_path, monkeypatch):
    monkeypatch.setattr(pool, "CROP", (16, 32, 32))
    monkeypatch.setattr(pool, "FEWEST_NODES", 5)
    (tmp_path / "corpus").mkdir()
    write_swc(random_tree(np.random.default_rng(0), (30.0, 60.0, 60.0)), tmp_path / "corpus" / "a.swc")
    return TrainSettings(out=tmp_path / "run", corpus=tmp_path / "corpus", synthetic=2, crop=CROP, fresh=0.05)


def test_ids_left_out_and_watched_are_in_no_kind_of_source(settings):
    sources, dev = load_sources(settings)
    assert {kind: [s.name.split("/")[1] for s in group] for kind, group in sources.items()} == {
        "pairs": ["3"], "flat": ["3"], "sparse": ["3"]
    }  # fmt: skip
    assert [s.name for s in dev] == ["pairs/2"]


def test_a_stream_of_all_kinds_is_seeded(settings):
    streams = [batches(load_sources(settings)[0], settings, seed=4) for _ in range(2)]
    for (images, labels), (same, alike) in islice(zip(*streams, strict=True), 8):
        assert images.shape == (settings.batch, 1, *CROP)
        assert torch.equal(images, same)
        assert torch.equal(labels, alike)


def test_each_kind_gives_its_share():
    """Each kind is a stack that is labelled throughout with a value of its own."""
    settings = TrainSettings(out=".", pairs=(".",), crop=CROP, synthetic_share=0.4, flat_share=0.2, sparse_share=0.1)
    image = np.random.default_rng(0).integers(0, 9, (9, 17, 17)).astype(np.uint8)
    names = ["lifted", "hard", "synthetic", "flat", "sparse"]
    sources = {n: [Source.make(n, image, np.full(image.shape, 16 * k, np.uint8))] for k, n in enumerate(names)}
    seen = [int(v) for _, labels in islice(batches(sources, settings, seed=0), 300) for v in labels[:, 4, 8, 8]]
    share = np.bincount(np.array(seen) // 16, minlength=5) / len(seen)
    assert share == pytest.approx([0.15, 0.15, 0.4, 0.2, 0.1], abs=0.05)


def test_a_folder_of_pairs_that_is_named_like_a_kind_keeps_its_own_share(settings, tmp_path):
    (tmp_path / "pairs").rename(tmp_path / "synthetic")
    changed = TrainSettings(out=tmp_path / "run", pairs=(tmp_path / "synthetic",), crop=CROP)
    assert list(load_sources(changed)[0]) == ["synthetic/"]


def test_fresh_crops_take_the_place_of_the_oldest_and_equal_those_made_before_the_start(corpus):
    sources = load_sources(corpus)[0]["synthetic"]
    before = list(sources)
    fresh = FreshCrops(corpus, sources)
    try:
        end = time.monotonic() + 60
        while sum(a is b for a, b in zip(before, sources, strict=True)) and time.monotonic() < end:
            fresh.take()
            time.sleep(0.05)
    finally:
        fresh.close()
    assert [s.name for s in sources] == ["synthetic/2", "synthetic/3"]
    image, labels = pool.make_crop(
        pool.unpack(corpus.corpus, corpus.out), np.random.default_rng([corpus.seed, 2]), crop=pool.CROP
    )
    assert sources[0].image.shape == image.shape == labels.shape
    assert (labels & 3 == CENTRE).any()


def test_the_process_ends_with_the_stream(corpus, monkeypatch):
    made = []
    start = FreshCrops.__init__

    def remember(self, *arguments):
        start(self, *arguments)
        made.append(self)

    monkeypatch.setattr(FreshCrops, "__init__", remember)
    stream = batches(load_sources(corpus)[0], corpus, seed=0)
    next(stream)
    assert made[0]._process.poll() is None
    stream.close()
    assert made[0]._process.poll() is not None


def test_a_process_that_dies_is_reported_once_and_training_goes_on(corpus, caplog):
    sources = load_sources(corpus)[0]["synthetic"]
    fresh = FreshCrops(corpus, sources)
    fresh._process.kill()
    fresh._process.wait()
    assert not fresh.take()
    assert not fresh.take()
    fresh.close()
    assert caplog.text.count("none follow") == 1


def test_without_fresh_crops_no_process_is_started(corpus, monkeypatch):
    still = TrainSettings(out=corpus.out, corpus=corpus.corpus, synthetic=2, crop=CROP)
    sources = load_sources(still)[0]
    monkeypatch.setattr("neurorecon.training.sources.stream.FreshCrops", None)
    images, _ = next(batches(sources, still, seed=0))
    assert images.shape[0] == still.batch


def test_tissue_is_laid_over_pairs_but_not_over_those_named_bare(settings, monkeypatch):
    shares = []

    def recorded(group, shape, rng, *, tissue):
        shares.append((group[0].name.split("/")[0], tissue))
        return repeat(None)

    monkeypatch.setattr(stream, "crops", recorded)
    monkeypatch.setattr(stream, "stacked", list)
    sources, _ = load_sources(settings)
    blank = np.zeros((16, 40, 40), np.uint8)
    sources["dim"] = [Source.make("dim/1", blank, blank)]
    folders = (*settings.pairs, settings.out / "dim")
    next(batches(sources, dataclasses.replace(settings, tissue=0.5, pairs=folders, bare=folders[1:]), seed=0))
    assert dict(shares)["pairs"] == 0.5
    assert dict(shares)["dim"] == dict(shares)["sparse"] == 0.0


def test_crops_around_bodies_come_in_their_share_and_all_hold_one(settings, tmp_path):
    ball = np.linalg.norm(np.indices((16, 40, 40)).T - (8, 20, 4), axis=-1).T <= 5
    for name in "123":
        write_stack((20 + 100 * ball).astype(np.uint8), tmp_path / "pairs" / f"{name}.tif", overwrite=True)
    settings = dataclasses.replace(
        settings, flat=(), sparse=(), rooted=settings.pairs, bodies_share=0.999, crop=CROP, batch=1, leave_out=None
    )
    sources, _ = load_sources(settings)
    assert "bodies of pairs" in sources
    labels = [labels for _, labels in islice(batches(sources, settings, seed=0), 12)]
    assert all((each & SOMA).any() for each in labels)
