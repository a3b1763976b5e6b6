"""The checks of `neurorecon doctor`: one function each, with its answer and whether it prevents a reconstruction."""

import importlib.metadata
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import neurorecon
from neurorecon.core.errors import NeuroreconError
from neurorecon.core.machine import PACKAGES, cores

__all__ = ["Answer", "examine"]

CODECS = ("DEFLATE", "LZW", "ZSTD", "JPEG8", "JPEG2K", "PACKBITS")  # the compressions that microscopes' TIFFs come in
READERS = {"CZI": "bioio-czi", "LIF": "bioio-lif", "ND2": "bioio-nd2"}
# Set by hand; not tuned, unless a line says more.
LITTLE_MEMORY_BYTES = 4 << 30  # a stack of 20 million voxels is traced in 1.5 GB; the network takes another
SUBPROCESS_SECONDS = 120  # for the check of torch in a process of its own; the first import from a slow disk takes long


@dataclass(frozen=True, slots=True)
class Answer:
    """One line of the doctor: `bad` prevents a reconstruction, `note` does not."""

    about: str
    state: Literal["ok", "note", "bad"]
    text: str


def examine() -> Iterator[Answer]:
    """Yield all answers, one after the other."""
    for question in (program, packages, torch_build, gpu, torchvision, codecs, formats, models, memory, processor):
        yield from question()


def program() -> Iterator[Answer]:
    """Which program, Python and system this is."""
    system = f"{platform.system()} {platform.machine()}"
    yield Answer("neurorecon", "ok", f"{neurorecon.__version__}, Python {platform.python_version()}, {system}")
    yield Answer("installed in", "ok", str(Path(neurorecon.__file__).parent))


def installed(package: str) -> str | None:
    """Return the version of a package, or None where it is not installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def packages() -> Iterator[Answer]:
    """Whether everything that is needed is installed."""
    versions = {package: installed(package) for package in PACKAGES}
    missing = [package for package, version in versions.items() if version is None]
    if missing:
        yield Answer("packages", "bad", f"not installed: {', '.join(missing)}; pip install {' '.join(missing)}")
    there = [f"{package} {version}" for package, version in versions.items() if version is not None]
    yield Answer("packages", "ok", ", ".join(there))


def torch_build() -> Iterator[Answer]:
    """Which build of torch runs, and on what."""
    try:
        import torch
    except (ImportError, OSError) as error:
        yield Answer(
            "torch", "bad", f"cannot be loaded: {error}; install it again: pip install --force-reinstall torch"
        )
        return
    kind = f"CUDA {torch.version.cuda}" if torch.version.cuda else "ROCm" if torch.version.hip else "CPU"
    yield Answer("torch", "ok", f"{torch.__version__}, {kind} build, {torch.get_num_threads()} threads")
    if torch.backends.mps.is_available():
        yield Answer("GPU", "ok", "Apple (mps)")


def output_of(command: list[str]) -> tuple[int, str]:
    """Run a command without a shell, and return its exit code and the last line that it printed."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SUBPROCESS_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return 1, str(error)
    lines = (done.stdout + done.stderr).strip().splitlines()
    return done.returncode, lines[-1] if lines else ""


def gpu() -> Iterator[Answer]:
    """Which GPU and driver there are, and whether torch can use them."""
    try:
        import torch
    except (ImportError, OSError):
        return  # said by torch_build
    smi = shutil.which("nvidia-smi")
    code, driver = output_of([smi, "--query-gpu=driver_version", "--format=csv,noheader"]) if smi else (1, "")
    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            device = torch.cuda.get_device_properties(index)
            version = f", driver {driver}" if code == 0 else ""
            yield Answer("GPU", "ok", f"cuda:{index} {device.name}, {device.total_memory / 2**30:.0f} GB{version}")
    elif code == 0 and not torch.version.cuda:
        way_out = "install torch with CUDA: https://pytorch.org/get-started/locally"
        yield Answer("GPU", "note", f"there is one (driver {driver}), but this torch is a CPU build; {way_out}")
    elif code == 0:
        yield Answer(
            "GPU", "note", f"driver {driver} does not serve torch's CUDA {torch.version.cuda}; update the driver"
        )
    else:
        yield Answer("GPU", "ok", "none for CUDA; the CPU is used")


def torchvision() -> Iterator[Answer]:
    """Whether torchvision loads beside this torch: it fails if one of them is a CUDA build and the other a CPU build."""
    version = installed("torchvision")
    if version is None:
        yield Answer("torchvision", "note", "not installed; only training needs it: pip install torchvision")
        return
    # In a process of its own: an import that fails half-way leaves operators behind.
    code, said = output_of([sys.executable, "-c", "import torchvision"])
    if code == 0:
        yield Answer("torchvision", "ok", version)
    else:
        effect = "reconstructing does not need it, and training makes do with its Python half"
        yield Answer("torchvision", "note", f"{version} was built for another torch ({said}); {effect}")


def codecs() -> Iterator[Answer]:
    """Which compressions can be read and written."""
    try:
        import imagecodecs
    except (ImportError, OSError) as error:
        yield Answer("codecs", "bad", f"imagecodecs cannot be loaded: {error}")
        return
    there = {name: bool(getattr(getattr(imagecodecs, name, None), "available", False)) for name in CODECS}
    missing = [name for name, available in there.items() if not available]
    if missing:
        yield Answer("codecs", "note", f"missing: {', '.join(missing)}; pip install --upgrade imagecodecs")
    yield Answer("codecs", "ok", ", ".join(name for name, available in there.items() if available))


def formats() -> Iterator[Answer]:
    """Which microscope formats of the extra can be read."""
    for suffix, package in READERS.items():
        version = installed(package)
        way_out = 'not readable; pip install "neurorecon[formats]"'
        yield Answer(suffix, "ok" if version else "note", f"{package} {version}" if version else way_out)


def models() -> Iterator[Answer]:
    """Whether the networks are here and whole."""
    try:
        from neurorecon.nets import list_models, verify_model

        found = [folder.name for folder, _ in list_models()]
        if not found:
            yield Answer("models", "bad", "none found; install neurorecon again, or give --model DIR")
        for name in found:
            yield Answer("model", "ok", f"{name}, sha256 {verify_model(name).sha256[:16]}")
    except (NeuroreconError, ImportError, OSError) as error:
        yield Answer("models", "bad", str(error))


def memory() -> Iterator[Answer]:
    """How much memory is free."""
    try:
        import psutil
    except ImportError:
        return  # said by packages
    now = psutil.virtual_memory()
    text = f"{now.available / 2**30:.1f} GB free of {now.total / 2**30:.1f} GB"
    little = now.available < LITTLE_MEMORY_BYTES
    yield Answer("memory", "note" if little else "ok", f"{text}; little for large stacks" if little else text)


def processor() -> Iterator[Answer]:
    """How many cores, and which of the instructions that speed up bfloat16."""
    flags = cpu_flags(Path("/proc/cpuinfo"))
    fast = [name for name in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if name in flags]
    yield Answer("processor", "ok", f"{cores()} cores{', ' + ', '.join(fast) if fast else ''}")
    if flags and not {"avx512_bf16", "amx_bf16"} & flags:
        yield Answer("processor", "ok", "no bfloat16 instructions; the network computes in fp32")


def cpu_flags(cpuinfo: Path) -> set[str]:
    """Return the instruction sets that Linux names, or nothing on another system."""
    try:
        lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return set()
    first = next((line for line in lines if line.startswith("flags")), "")
    return set(first.partition(":")[2].split())
