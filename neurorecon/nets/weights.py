"""Weights on disk: safetensors with a sha256 in `config.toml`, never pickle: a stranger's model cannot run code."""

import math
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from neurorecon.core.errors import InputError, ModelError, SettingsError
from neurorecon.core.files import hash_path, write_beside, write_text
from neurorecon.core.settings import from_toml, to_toml
from neurorecon.nets.config import NetConfig

if TYPE_CHECKING:
    from torch import Tensor

    from neurorecon.nets.student import NeuriteViT

__all__ = ["CARD", "CONFIG", "WEIGHTS", "ModelConfig", "read_config", "read_weights", "write_model"]

WEIGHTS, CONFIG, CARD = "model.safetensors", "config.toml", "card.md"


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """What `config.toml` of a model says.

    Attributes:
        name: of the model.
        summary: one line for `neurorecon models list`.
        sha256: hex digest of `model.safetensors`.
        net: shape of the network.
        calibration: points of the curve from its logit to that of the share of neurites (calibration.py); rising.
    """

    name: str
    summary: str
    sha256: str
    net: NetConfig = field(default_factory=NetConfig)
    calibration: tuple[tuple[float, float], ...] = ()

    def __post_init__(self) -> None:
        """Check that the curve rises."""
        numbers = [value for point in self.calibration for value in point]
        if (
            not all(map(math.isfinite, numbers))
            or len(self.calibration) == 1
            or any(b <= a or d <= c for (a, c), (b, d) in pairwise(self.calibration))
        ):
            raise SettingsError(
                f"calibration {self.calibration!s:.200}: two points or more that rise, or none, are needed"
            )


def read_config(folder: Path) -> ModelConfig:
    """Read `config.toml` of a model folder.

    Raises:
        ModelError: if it is missing or wrong.
    """
    path = folder / CONFIG
    if not path.exists():
        raise ModelError(
            f"{folder}: holds no {CONFIG}, so it is not a model; `neurorecon models list` names those here"
        )
    try:
        return from_toml(ModelConfig, path)
    except InputError as error:
        what = str(error).removeprefix(f"{path}: ")
        raise ModelError(f"{path}: cannot be used as the description of a model: {what}") from error


def read_weights(folder: Path, config: ModelConfig) -> "dict[str, Tensor]":
    """Read the weights of a model as float32, after its checksum was compared.

    Raises:
        ModelError: if the file is missing, is not what `config.toml` promises, or cannot be read.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = folder / WEIGHTS
    if not path.is_file():
        raise ModelError(f"{path}: missing; install the model again")
    # installers link each file to a store of their own: then the links of both lead to one folder
    if path.resolve().parent != (folder / CONFIG).resolve().parent:
        raise ModelError(
            f"{path}: is a link to {path.resolve()}, away from its {CONFIG}; copy the file into the folder"
        )
    found = hash_path(path)
    if found != config.sha256:
        raise ModelError(
            f"{path}: sha256 is {found}, {CONFIG} says {config.sha256:.64}; the file was changed or damaged"
        )
    try:
        return {name: tensor.float() for name, tensor in load_file(path).items()}
    except SafetensorError as error:
        raise ModelError(f"{path}: cannot be read as safetensors: {error!s:.200}") from error


def write_model(
    folder: Path,
    net: "NeuriteViT",
    *,
    name: str,
    summary: str,
    card: str,
    calibration: tuple[tuple[float, float], ...] = (),
    overwrite: bool = False,
) -> ModelConfig:
    """Write weights (float16: half the size), config and card.

    Raises:
        OutputError: if the folder cannot be written.
        SettingsError: if name or summary cannot stand in `config.toml`.
    """
    import torch
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    with write_beside(folder / WEIGHTS, overwrite=overwrite) as beside:
        state = {key: tensor.detach().to("cpu", torch.float16).contiguous() for key, tensor in net.state_dict().items()}
        save_file(state, beside)
        beside.chmod(0o644)  # safetensors makes a file that only its owner can read
    config = ModelConfig(name, summary, hash_path(folder / WEIGHTS), net.config, calibration)
    write_text(folder / CONFIG, to_toml(config), overwrite=overwrite)
    write_text(folder / CARD, card, overwrite=overwrite)
    return config
