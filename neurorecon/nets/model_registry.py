"""Which models there are, and how one is loaded: by name, or from a folder. Nothing is downloaded."""

import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from neurorecon.core.errors import ModelError, expected
from neurorecon.nets.weights import CONFIG, ModelConfig, read_config, read_weights

if TYPE_CHECKING:
    from neurorecon.nets.student import NeuriteViT

__all__ = ["Model", "find_model", "list_models", "load_model", "model_of", "place_of_model", "verify_model"]


@dataclass(frozen=True, slots=True)
class Model:
    """A network with its weights, ready to run.

    Attributes:
        net: in evaluation mode, on the CPU.
        config: what its `config.toml` says.
        path: its folder.
    """

    net: "NeuriteViT"
    config: ModelConfig
    path: Path


def model_folders() -> list[Path]:
    """Return the folders that hold models: `models` of a checkout, or the copy inside an installed package."""
    package = Path(__file__).resolve().parent.parent
    return [folder for folder in (package / "_models", package.parent / "models") if folder.is_dir()]


def list_models() -> list[tuple[Path, ModelConfig]]:
    """Return (folder, config) of every model that is there, by name.

    Raises:
        ModelError: if one has a broken description.
    """
    found: dict[str, Path] = {}
    for place in model_folders():
        for config in sorted(place.glob(f"*/{CONFIG}")):
            found.setdefault(config.parent.name, config.parent)
    return [(found[name], read_config(found[name])) for name in sorted(found)]


def find_model(name: str) -> Path:
    """Return the folder of the model called `name`, or `name` itself where it is a folder with a model.

    Raises:
        ModelError: if there is none; names those there are.
    """
    for place in model_folders():
        if (place / name / CONFIG).is_file() and Path(name).name == name:
            return place / name
    if (Path(name) / CONFIG).is_file():
        return Path(name)
    names = [folder.name for folder, _ in list_models()]
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(names) or 'none'}"
    raise ModelError(f"no model {name!r}, and no folder of that name with a {CONFIG}; {hint}")


def place_of_model(name: str) -> str:
    """Return a model's name, or its folder from the root of the disk: as another process finds it.

    That one may have another folder to work in; a model of the package lies elsewhere on each machine.

    Raises:
        ModelError: if there is none.
    """
    return str(Path(name).resolve()) if find_model(name) == Path(name) else name


def verify_model(name: str) -> ModelConfig:
    """Check that a model is whole: description, checksum, every weight of the right shape.

    Raises:
        ModelError: says what is wrong.
    """
    return load_model(name).config


def model_of(given: "Model | str | Path | None", name: str) -> Model:
    """Return an open model: the one that is given, by itself, its name or its folder, else that called `name`.

    Raises:
        ModelError: as `load_model` does.
    """
    return given if isinstance(given, Model) else load_model(name if given is None else given)


def load_model(name: str | Path) -> Model:
    """Load a model by name or folder, on the CPU, for inference.

    Raises:
        ModelError: if it is unknown, its checksum is wrong, or its weights do not fit its description.
    """
    from neurorecon.nets.student import NeuriteViT

    call = "a model is given by its name, its folder, or as load_model() returns it"
    folder = find_model(
        expected(str(name) if isinstance(name, Path) else name, str, call, "list_models() has the names")
    )
    config = read_config(folder)
    state = read_weights(folder, config)
    if (
        sum(value.numel() for value in state.values()) < config.net.least_weights
    ):  # and it may ask for all of the memory
        raise ModelError(f"{folder}: the weights do not fit the network that {CONFIG} describes: they are too few")
    net = NeuriteViT(config.net)
    due = {key: value.shape for key, value in net.state_dict().items()}
    wrong = sorted(key for key in due.keys() | state.keys() if key not in state or due.get(key) != state[key].shape)
    if wrong:
        raise ModelError(f"{folder}: the weights do not fit the network that {CONFIG} describes: {wrong[0]}")
    try:
        net.load_state_dict(state)
    except RuntimeError as error:
        first = str(error).splitlines()[-1].strip()
        raise ModelError(f"{folder}: the weights do not fit the network that {CONFIG} describes: {first}") from error
    return Model(net.eval().requires_grad_(False), config, folder.resolve())
