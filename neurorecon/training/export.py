"""From a training run to a model folder: weights, description and card."""

from pathlib import Path

from neurorecon.core.settings import as_dict
from neurorecon.nets.student import NeuriteViT
from neurorecon.nets.weights import write_model
from neurorecon.training.settings import TrainSettings

__all__ = ["export"]

CARD = """# {name}

Neurite and soma probability from a 3D light-microscopy stack. {parameters:.1f} million parameters, GPL-3.0-or-later.

- Network: 3D ViT of {depth} blocks, width {width}, on patches of 8 voxels, beside convolutions of {channels} channels.
- Trained: {steps} steps of {batch} crops {crop} in {minutes:.0f} minutes, by `neurorecon train`.
- Data: {pairs} folders of stacks with tracings ({left_out}), {synthetic} synthetic crops.

Settings of the run:

{settings}
"""


def export(net: NeuriteViT, settings: TrainSettings, *, steps: int, seconds: float) -> Path:
    """Write the averaged network to `settings.out / settings.name` and return that folder."""
    net = net.folded()
    folder = settings.out / settings.name
    parameters = sum(p.numel() for p in net.parameters()) / 1e6
    lines = [f"    {key} = {value}" for key, value in as_dict(settings).items()]
    card = CARD.format(
        name=settings.name, parameters=parameters, depth=net.config.depth, width=net.config.width,
        channels="/".join(map(str, net.config.channels)), steps=steps, batch=settings.batch, crop=settings.crop,
        minutes=seconds / 60, pairs=len(settings.pairs), synthetic=settings.synthetic if settings.corpus else 0,
        left_out=f"ids of {settings.leave_out.name} left out" if settings.leave_out else "none left out",
        settings="\n".join(lines),
    )  # fmt: skip
    summary = f"3D ViT, {parameters:.1f} million parameters, {steps} steps"
    write_model(folder, net, name=settings.name, summary=summary, card=card, overwrite=True)
    return folder
