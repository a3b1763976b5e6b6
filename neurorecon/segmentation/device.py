"""Which device and which arithmetic a network runs on."""

from typing import TYPE_CHECKING

from neurorecon.core.errors import InputError
from neurorecon.segmentation.settings import Precision

if TYPE_CHECKING:
    import torch

__all__ = ["fast_bf16_cpu", "pick_device", "pick_dtype"]


def pick_device(name: str) -> "torch.device":
    """Return the device called `name`: auto, cpu, cuda, cuda:N or mps.

    Raises:
        InputError: if the name is not known or this machine has no such device.
    """
    import torch

    if name == "auto":
        best = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
        return torch.device(best)
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise InputError(f"--device {name!r} is not known; give auto, cpu, cuda, cuda:N or mps") from error
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        count = torch.cuda.device_count()
        raise InputError(
            f"--device {name}: torch sees {count} CUDA devices; `neurorecon doctor` says why, --device cpu works"
        )
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise InputError("--device mps: not available on this machine; --device cpu works")
    if device.type not in ("cpu", "cuda", "mps"):
        raise InputError(f"--device {name!r} is not known; give auto, cpu, cuda, cuda:N or mps")
    return device


def fast_bf16_cpu() -> bool:
    """Return whether this processor multiplies bfloat16 in hardware (AMX, AVX512-BF16)."""
    import torch

    checks = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
    return any(getattr(torch.cpu, check, bool)() for check in checks)


def pick_dtype(precision: Precision, device: "torch.device") -> "torch.dtype":
    """Return the number type for `precision` on `device`.

    Raises:
        InputError: for fp16 on a CPU, which has no fast convolutions for it.
    """
    import torch

    if precision == "fp16" and device.type == "cpu":
        raise InputError("--precision fp16 needs a GPU; on a CPU give bf16 or fp32")
    if precision == "auto":
        fast = fast_bf16_cpu() if device.type == "cpu" else device.type == "cuda" and torch.cuda.is_bf16_supported()
        precision = "bf16" if fast else "fp32"
    return {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]
