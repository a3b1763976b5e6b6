"""Training: crops are seeded and aligned, the loss asks what the labels say, settings are checked."""

from itertools import islice

import numpy as np
import pytest
import torch

from neurorecon.core.errors import InputError, SettingsError
from neurorecon.core.settings import from_toml
from neurorecon.swc import write_swc
from neurorecon.synth import random_tree
from neurorecon.training import TrainSettings
from neurorecon.training.losses import loss_of
from neurorecon.training.sources import synthetic as pool
from neurorecon.training.sources.labels import CENTRE, IGNORE, SOMA, UNSURE_SOMA, label_tree
from neurorecon.training.sources.pairs import Source, crops, load_pairs, to_8bit


def test_left_out_ids_are_not_loaded(pairs):
    assert [s.name.split("/")[1] for s in load_pairs(pairs, leave_out=frozenset({"1"}), cache=None)] == ["2"]


def test_cached_labels_equal_drawn_ones(pairs, tmp_path):
    fresh, again = (load_pairs(pairs, leave_out=frozenset(), cache=tmp_path) for _ in range(2))
    assert all(np.array_equal(a.labels, b.labels) for a, b in zip(fresh, again, strict=True))


def test_a_folder_without_pairs_is_refused(tmp_path):
    with pytest.raises(InputError, match="no pair"):
        load_pairs(tmp_path, leave_out=frozenset(), cache=None)


def test_image_and_labels_of_a_crop_are_turned_alike(pairs):
    source = load_pairs(pairs, leave_out=frozenset({"2"}), cache=None)[0]
    marked = Source.make("marked", np.where(source.labels & 3 == CENTRE, 200, 0).astype(np.uint8), source.labels)
    for image, labels in islice(crops([marked], (16, 24, 32), np.random.default_rng(0), augment=False), 20):
        assert image.shape == labels.shape == (16, 24, 32)
        inside = (labels & 3) != IGNORE
        assert np.array_equal((image > 0.5)[inside], ((labels & 3) == CENTRE)[inside])


def test_crops_of_one_seed_are_equal_and_augmented_ones_finite(pairs):
    sources = load_pairs(pairs, leave_out=frozenset(), cache=None)
    a, b = (crops(sources, (16, 32, 32), np.random.default_rng(5)) for _ in range(2))
    for _ in range(30):
        (image, labels), (same, alike) = next(a), next(b)
        assert np.array_equal(image, same)
        assert np.array_equal(labels, alike)
        assert np.isfinite(image).all()


def test_nothing_is_asked_where_a_crop_hangs_over_the_stack(pairs):
    source = load_pairs(pairs, leave_out=frozenset(), cache=None)[0]
    _, labels = next(crops([source], (64, 32, 32), np.random.default_rng(0), augment=False))
    assert ((labels & 3) == IGNORE).mean() > 0.5


def test_sixteen_bit_stacks_are_stretched_to_eight():
    eight = to_8bit(np.linspace(500, 1500, 1000).astype(np.uint16).reshape(10, 10, 10))
    assert eight.min() == 0
    assert eight.max() == 255


def perfect(labels):
    return torch.stack(
        [torch.where((labels & 3) % 2 == 1, 9.0, -9.0), torch.where(labels & SOMA > 0, 9.0, -9.0)], dim=1
    )


def test_the_loss_of_a_perfect_answer_is_near_zero_and_grows_with_errors(y_tree):
    labels = torch.from_numpy(label_tree(y_tree, (16, 40, 56)))[None]
    good, flat = loss_of(perfect(labels), labels), loss_of(torch.zeros(1, 2, 16, 40, 56), labels)
    assert float(good.total) < 0.05
    assert float(flat.total) > 1


def test_what_is_not_asked_costs_nothing(y_tree):
    labels = torch.from_numpy(label_tree(y_tree, (16, 40, 56)))[None]
    logits = perfect(labels)
    wrong = logits.clone()
    wrong[:, 0][(labels & 3) == IGNORE] = 9.0
    wrong[:, 1][(labels & UNSURE_SOMA) > 0] = 9.0
    assert float(loss_of(wrong, labels).total) == pytest.approx(float(loss_of(logits, labels).total), abs=1e-6)


def test_synthetic_crops_are_made_once_from_a_corpus(tmp_path, monkeypatch):
    monkeypatch.setattr(pool, "CROP", (16, 32, 32))
    monkeypatch.setattr(pool, "FEWEST_NODES", 5)
    corpus = tmp_path / "corpus" / "group"
    corpus.mkdir(parents=True)
    write_swc(random_tree(np.random.default_rng(0), (30.0, 60.0, 60.0)), corpus / "a.swc")
    settings = TrainSettings(out=tmp_path, corpus=tmp_path / "corpus", synthetic=2)
    first = pool.synthetic_sources(settings)
    monkeypatch.setattr(pool, "make_crop", None)
    second = pool.synthetic_sources(settings)
    assert all(np.array_equal(a.image, b.image) for a, b in zip(first, second, strict=True))
    assert first[0].image.shape == (16, 32, 32)
    assert len(first[0].centre)


def test_a_corpus_without_morphologies_is_refused(tmp_path):
    with pytest.raises(InputError, match="no SWC"):
        pool.unpack(tmp_path, tmp_path / "x")
    (tmp_path / "x.zip").write_text("no zip")
    with pytest.raises(InputError, match="zip"):
        pool.unpack(tmp_path / "x.zip", tmp_path / "x")


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ('out = "run"', "nothing to train on"),
        ('out = "run"\npairs = ["a"]\ncrop = [10, 32, 32]', "multiple of 8"),
        ('out = "run"\npairs = ["a"]\nsteeps = 3', "steps"),
        ('out = "run"\npairs = ["a"]\nbatch = 0', "at least 1"),
        ('out = "run"\npairs = ["a"]\nlayer_decay = 0', "layer_decay"),
        ('out = "run"\npairs = ["a"]\nbare = ["b"]', "bare"),
        (
            'out = "run"\npairs = ["a"]\nflat = ["b"]\nflat_share = 0.8\nsparse = ["c"]\nsparse_share = 0.3',
            "together at most 1",
        ),
    ],
)
def test_a_wrong_configuration_is_refused(tmp_path, text, what):
    (tmp_path / "c.toml").write_text(text)
    with pytest.raises(SettingsError, match=what):
        from_toml(TrainSettings, tmp_path / "c.toml")
