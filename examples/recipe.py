"""How the network `vit3d-dtt` was made, from the data to the shipped weights: one command, to be interrupted at will.

    python examples/recipe.py DATA SETS WORK [--start MODEL] [--only base,more,A,B,C,all,bodies]

DATA holds the folders of `../shared/data`: real_3d (real stacks with expert tracings and index.csv), unlabelled_3d, vessels_3d,
trailmap, gold166_mip, swc_corpus and validation_ids.txt. SETS holds `lifted`, `hard` and `dim`, as `lift.py` makes them.

Four networks come out, from two that they all go on from, and a head:

- `base` goes on from the network of version 0.3.0 and has seen no stack of real_3d: Gold166 neurons as 3D stacks with tissue
  around them, synthetic stacks, projections, labelled planes, and synthetic neurites laid into real backgrounds
  (examples/train.toml);
- `more` goes on from it: faint stacks without tissue, and cell bodies that are asked (examples/train_more.toml);
- `A`, `B` and `C` go on from `more` with the stacks of real_3d but those of their fold (examples/train_real.toml): each
  judges the fold that it has not seen (`benchmarks/real.py`);
- `all` goes on from `more` with all of them;
- `bodies` is a head for cell bodies alone, trained upon `all` as it is, without any stack of real_3d
  (examples/train_bodies.toml). All four are given it, and it learns on with the real stacks that each may see
  (examples/train_bodies_real.toml). Then all but the head of each network learns on for 400 steps (examples/train_last.toml),
  and at last the head alone once more, upon what it reads now: WORK/final/all is what ships, WORK/final/A, B and C judge
  their folds.

Each of A, B, C and all is the mean of the weights of three runs (Wortsman et al. 2022, "model soups"): one from `base`, and two
from `more`, which see other crops.

Whatever is finished is kept in WORK and not done again; a run that was interrupted goes on from its checkpoint. At the end each
network gets its curve (training/calibrate.py), fitted on stacks that it was trained on. Four hours of one CPU core.
"""

import argparse
import csv
import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from neurorecon.core.files import read_ids, write_beside
from neurorecon.core.settings import from_dict, read_toml
from neurorecon.core.tree import Tree
from neurorecon.io import read_stack, write_stack
from neurorecon.nets import load_model
from neurorecon.nets.student import NeuriteViT
from neurorecon.nets.weights import CARD, write_model
from neurorecon.swc import read_swc, write_swc
from neurorecon.training import TrainSettings, train
from neurorecon.training.build import with_bodies
from neurorecon.training.calibrate import count_logits, fit_curve
from neurorecon.training.sources.labels import sample_edges
from neurorecon.training.sources.real_backgrounds import outstanding
from neurorecon.training.sources.truth import ignored_beside

HERE = Path(__file__).parent
# Of what is trained without any stack of real_3d.
SETTINGS = {"base": "train.toml", "more": "train_more.toml", "bodies": "train_bodies.toml"}
LATER = {
    "bodies": "train_bodies_real.toml",
    "last": "train_last.toml",
    "heads": "train_bodies_real.toml",
}  # of what goes on from each of the four networks
HEAD_STEPS = {"all": 1000}  # of the last training of a head; 400 for the networks of the folds
PARTS = ("base", "more")
FOLDS = ("A", "B", "C")
RUNS = (("base", 0), ("more", 0), ("more", 1))  # of each fold: what they go on from, and the seed
GROUNDS = {
    "vessels_3d": ("lowContrastVessels", "noisySparseVessels", "stained_block", "tgMouse"),
    "unlabelled_3d": ("fmost_pyramidal", "oblique_light_sheet", "vaa3d_two_neurons", "fly_cluster_c061"),
    "trailmap": ("unlabelled_chunk_z120-149",),
}
EMPTY = ("neuropil_62y", "neuropil_canton")  # of unlabelled_3d: no neurites; only for the network that ships
OWN_PX = 6.0  # around a tracing: what stands out there is the traced neurite
CURVE_OF = 3  # stacks of `lifted`, `hard` and `dim` on which a curve is fitted, of the smaller half


def rows_of(data: Path) -> Iterator[dict[str, str]]:
    """Yield the rows of index.csv of the stacks that are scored."""
    with (data / "real_3d" / "index.csv").open() as file:
        yield from (row for row in csv.DictReader(file) if row["scored"] == "1")


def prepare_real(data: Path, row: dict[str, str], folder: Path) -> None:
    """Put a stack, its tracing and what is not asked about it into `folder`."""
    from scipy.spatial import cKDTree

    name = row["id"]
    if (folder / f"{name}.swc").exists():
        return
    stack = read_stack(data / "real_3d" / f"{name}.tif")
    image, tree = np.asarray(stack.data), read_swc(data / "real_3d" / f"{name}.gold.swc")
    asked = np.ones(image.shape, bool)
    for box in filter(None, row["ignore"].split(";")):
        asked[tuple(slice(*map(int, span.split(":"))) for span in box.split())] = False
    if row["precision_asked"] == "0":  # other neurites, rightly untraced
        found = np.argwhere(outstanding(image))
        far = cKDTree(sample_edges(tree)[0]).query(found)[0] > OWN_PX
        asked[tuple(found[far].T)] = False
    folder.mkdir(parents=True, exist_ok=True)
    if not asked.all():
        write_stack(np.where(asked, 0, 255).astype(np.uint8), folder / f"{name}_ignore.tif")
    write_stack(image, folder / f"{name}.tif")
    write_swc(Tree(tree.xyz, tree.radius, tree.parent, tree.type, "voxel"), folder / f"{name}.swc")


def link(paths: list[Path], folder: Path) -> Path:
    """Return `folder` with links to files."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in paths:
        if not (folder / path.name).exists():
            (folder / path.name).symlink_to(path.resolve())
    return folder


def real_of(fold: str, args: argparse.Namespace) -> Path:
    """Return a folder of links to the real stacks that the network of a fold may see."""
    names = [row["id"] for row in rows_of(args.data) if row["fold"] != fold]
    return link([p for n in names for p in (args.work / "real").glob(f"{n}[._]*")], args.work / f"real_{fold}")


def settings_of(name: str, args: argparse.Namespace) -> TrainSettings:
    """Return the settings of a run: base, more, one of the three of a fold, as in A.0, or bodies.A or last.A."""
    data, work = args.data, args.work
    fold, _, run = name.partition(".")
    table = read_toml(HERE / SETTINGS.get(name, LATER.get(fold, "train_real.toml")))
    table |= {"out": str(work / name), "name": name, "cache": str(work / "cache")}
    for key in {"pairs", "rooted", "bare"} & table.keys():  # sets/NAME there
        table[key] = [str(args.sets / Path(each).name) for each in table[key]]
    table |= {"leave_out": str(data / "validation_ids.txt"), "corpus": str(data / "swc_corpus" / "swc_corpus.zip")}
    table |= {"flat": [str(data / "gold166_mip")], "sparse": [str(data / "trailmap")]}
    tissue = link([data / folder / f"{n}.tif" for folder, names in GROUNDS.items() for n in names], work / "tissue")
    table["grounds"] = [str(tissue)]
    if name == "base":
        table["start"] = args.start
    elif name == "more":
        table["start"] = str(work / "base" / "base")
    elif name == "bodies":
        table["start"] = str(work / "all" / "all")
    elif fold == "bodies":
        table |= {"start": str(work / "with_bodies" / run), "real": [str(real_of(run, args))], "name": run}
    elif fold == "heads":
        table |= {"start": str(work / "before_heads" / run), "real": [str(real_of(run, args))], "name": run}
        table |= {"seed": 21, "steps": HEAD_STEPS.get(run, 400)}
    elif fold == "last":
        real = real_of(run, args)
        table |= {"start": str(work / f"bodies.{run}" / run), "real": [str(real)], "name": run}
        table["grounds"] = [str(tissue), str(real)]
    else:
        real = real_of(fold, args)
        start, seed = RUNS[int(run)]
        table |= {"start": str(work / start / start), "seed": seed, "real": [str(real)], "name": fold}
        table["grounds"] = [str(tissue), str(real)]
    if fold == "all":
        table["empty"] = [str(link([data / "unlabelled_3d" / f"{n}.tif" for n in EMPTY], work / "empty"))]
    return from_dict(TrainSettings, table)


def curve_of(folder: Path, settings: TrainSettings) -> tuple[float, ...]:
    """Return the curve of a network, fitted on stacks that it was trained on, each set counting alike."""
    model = load_model(str(folder))
    plain = dataclasses.replace(model, config=dataclasses.replace(model.config, calibration=()))
    unseen = read_ids(settings.leave_out) if settings.leave_out else frozenset()
    counts = []
    for place in (*settings.pairs, *settings.real):
        pairs = [(p, p.with_suffix(".swc")) for p in sorted(place.glob("*.tif")) if p.with_suffix(".swc").exists()]
        seen = [pair for pair in pairs if pair[0].stem not in unseen and ignored_beside(pair[1]) is None]
        if place not in settings.real:  # of which all count: each is another tissue
            small = sorted(seen, key=lambda pair: pair[0].stat().st_size)[: max(CURVE_OF, len(seen) // 2)]
            seen = small[:: max(1, len(small) // CURVE_OF)][:CURVE_OF]
        counts.append(count_logits(plain, seen))
    return fit_curve(counts)


def make(name: str, args: argparse.Namespace) -> Path:
    """Train one network unless it is there, and return its folder."""
    settings = settings_of(name, args)
    if not (settings.out / "done").exists():
        print(f"{name}: begins", flush=True)
        train(settings, resume=(settings.out / "checkpoint.pt").exists())
        mark(settings.out)
    return settings.out / settings.name


def make_mean(fold: str, args: argparse.Namespace) -> None:
    """Make the network of a fold from its runs, with its curve, unless it is there."""
    out = args.work / fold
    if (out / "done").exists():
        return
    runs = [load_model(str(make(f"{fold}.{run}", args))) for run in range(len(RUNS))]
    net = runs[-1].net
    weights = [model.net.state_dict() for model in runs]
    mean = {key: torch.stack([w[key].float() for w in weights]).mean(0).to(weights[0][key].dtype) for key in weights[0]}
    net.load_state_dict(mean)
    card = (args.work / f"{fold}.{len(RUNS) - 1}" / fold / CARD).read_text()
    about = {"name": fold, "summary": runs[-1].config.summary, "card": card, "overwrite": True}
    write_model(out / fold, net, **about)
    settings = settings_of(f"{fold}.{len(RUNS) - 1}", args)
    write_model(out / fold, net, **about, calibration=curve_of(out / fold, settings))
    mark(out)
    print(f"{fold}: {out / fold}", flush=True)


def give_heads(args: argparse.Namespace) -> None:
    """Write each network that is there with the head for cell bodies, to WORK/with_bodies, and train the head on."""
    first = load_model(str(make("bodies", args))).net
    for fold in (*FOLDS, "all"):
        if not (args.work / fold / "done").exists():
            continue
        with_head(args.work / "with_bodies" / fold, str(args.work / fold / fold), first)
        head = load_model(str(make(f"bodies.{fold}", args))).net  # what it learned in larger crops is kept
        with_head(args.work / "before_heads" / fold, str(make(f"last.{fold}", args)), head)
        head = load_model(str(make(f"heads.{fold}", args))).net
        place = with_head(args.work / "final" / fold, str(args.work / "before_heads" / fold), head)
        print(f"{fold}: {place}", flush=True)


def with_head(place: Path, start: str, head: NeuriteViT) -> Path:
    """Write the network `start` with the head for cell bodies of another one, and return its folder."""
    model = load_model(start)
    net = with_bodies(model.net, head.config.bodies)
    weights = {key: weight for key, weight in head.state_dict().items() if key.startswith("bodies.")}
    net.load_state_dict(net.state_dict() | weights)
    about = {"name": model.config.name, "summary": model.config.summary, "card": (model.path / CARD).read_text()}
    write_model(place, net, **about, calibration=model.config.calibration, overwrite=True)
    return place


def mark(folder: Path) -> None:
    """Note that what is in a folder is finished."""
    with write_beside(folder / "done", overwrite=True) as beside:
        beside.write_text("")


def main() -> None:
    """Make the networks."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("sets", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument(
        "--start", default="vit3d-dtt", help="network that base goes on from: models/vit3d-dtt of version 0.3.0"
    )
    parser.add_argument(
        "--only", default=",".join((*PARTS, *FOLDS, "all", "bodies")), help="networks to make, in their order"
    )
    args = parser.parse_args()
    for row in rows_of(args.data):
        prepare_real(args.data, row, args.work / "real")
    for name in args.only.split(","):
        if name == "bodies":
            give_heads(args)
        else:
            make(name, args) if name in PARTS or "." in name else make_mean(name, args)


if __name__ == "__main__":
    main()
