"""What makes a rerun give the same bits, and a record of what could change them."""

import os
import platform
from functools import cache
from importlib.metadata import version
from pathlib import Path

from fedsift.learning.cpp_compiler import cpp_compiler

# Environment variables of each profile, set before torch is imported. Measured in docs/explanation/reproducibility.md.
PROFILES: dict[str, dict[str, str]] = {
    "fast": {},  # whatever the processor offers: the same bits on the same model of processor
    "vendor": {"ATEN_CPU_CAPABILITY": "avx2", "MKL_CBWR": "AVX2,STRICT"},  # ... on all AVX2 processors of one vendor
    "portable": {"ATEN_CPU_CAPABILITY": "avx2", "MKL_CBWR": "COMPATIBLE"},  # ... on all AVX2 processors
}
DEFAULT_PROFILE = "vendor"

# Libraries whose version can change the bits of a rerun.
_RECORDED_PACKAGES = ("torch", "transformers", "tokenizers", "numpy")
# Environment variables that can: these are recorded even if they are not set, and whatever else may change what the
# libraries that compute choose where it is set (MKL_ENABLE_INSTRUCTIONS gives other bits under every profile). The C
# library chooses its exponential by GLIBC_TUNABLES, and what is preloaded may stand in for anything.
_RECORDED_VARIABLES = ("ATEN_CPU_CAPABILITY", "MKL_CBWR", "ONEDNN_MAX_CPU_ISA")
_RECORDED_PREFIXES = (
    *("ATEN_", "BLIS_", "DNNL_", "GOTO_", "KMP_", "MKL_", "NPY_", "ONEDNN_", "OPENBLAS_", "VECLIB_"),
    *("CUBLASLT_", "CUDNN_", "NVIDIA_TF32_", "TORCHINDUCTOR_", "TORCH_"),
    *("GLIBC_TUNABLES", "LD_PRELOAD"),
)


def worker_environment(profile: str, gpus: float) -> dict[str, str]:
    """The environment variables of a process that trains under a profile; without GPUs it sees none.

    torch reads them when it is imported, so they must stand there before the process starts.
    """
    environment = {**PROFILES[profile], "TOKENIZERS_PARALLELISM": "false"}
    return environment if gpus else {**environment, "CUDA_VISIBLE_DEVICES": ""}


def make_deterministic() -> None:
    """One thread and deterministic kernels only, for the rest of this process; on a GPU also full float32 products.

    Two threads give other bits than one (the order of a reduction), so one is the only number that every machine has.
    """
    os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"  # What cuBLAS needs to be deterministic; read at its first use.
    import torch

    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = False
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    # Filling the output of every operation before it is written finds code that reads what was never written. There is
    # none in a step, or two runs would not have the same digest.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


def environment_fingerprint(compiled: bool = False, device: str = "cpu") -> dict[str, str]:
    """Versions, processor and settings that decide the bits; flat strings, stable within a machine.

    Where the model is compiled, the C++ compiler is among them; on a GPU its model, driver, CUDA, cuBLAS's workspace.

    Raises:
        BadInput: the device is not there.
    """
    import torch

    from fedsift.learning.device import gpu_facts, torch_device

    fingerprint = dict(_versions())
    fingerprint |= dict.fromkeys(_RECORDED_VARIABLES, "")
    fingerprint |= {name: value for name, value in os.environ.items() if name.startswith(_RECORDED_PREFIXES)}
    fingerprint |= {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "threads": str(torch.get_num_threads()),
        "device": "cpu",
        "compiler": cpp_compiler() if compiled else "",
    }
    return fingerprint | gpu_facts() if torch_device(device).type == "cuda" else fingerprint


@cache
def _versions() -> dict[str, str]:
    """Of libraries; looked up once, since that reads files."""
    return {package: version(package) for package in _RECORDED_PACKAGES}


def _processor() -> str:
    """The processor's family as torch sees it; older versions of torch do not know it, Linux then knows the vendor."""
    import torch

    if hasattr(torch.cpu, "get_capabilities"):
        return str(torch.cpu.get_capabilities().get("cpu_name", platform.processor()))
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8") as file:
            vendors = {line.split(":", 1)[1].strip() for line in file if line.startswith("vendor_id")}
    except OSError:
        vendors = set()
    return ", ".join(sorted(vendors)) or platform.processor()
