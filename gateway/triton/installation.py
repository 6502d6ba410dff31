"""Where the wheel put Triton, and what its process needs around it."""

import importlib.util
import os
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path


class TritonNotInstalled(RuntimeError):
    """The wheel with Triton, or something that it needs, is not on this machine; the message says what."""


@dataclass(frozen=True)
class Installation:
    """Where the wheel put Triton."""

    server: Path
    libraries: Path
    python_backend: Path
    stub: Path

    @classmethod
    def find(cls) -> "Installation":
        """Locate the server of the installed wheel.

        Raises
        ------
        TritonNotInstalled
            The wheel is absent or has no stub for this Python.
        """
        spec = importlib.util.find_spec("pytriton")
        if spec is None or spec.origin is None:
            raise TritonNotInstalled(
                "the embedded Triton needs the package nvidia-pytriton (Linux, Python 3.10 to 3.12); "
                "install it or set RADGATE_TRITON_URL to an external Triton"
            )
        package = Path(spec.origin).parent
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        root = package / "tritonserver"
        stub = root / "python_backend_stubs" / version / "triton_python_backend_stub"
        if not stub.exists():
            raise TritonNotInstalled(f"nvidia-pytriton has no Python-backend stub for Python {version}")
        return cls(
            root / "bin" / "tritonserver",
            package.parent / "nvidia_pytriton.libs",
            root / "backends" / "python",
            stub,
        )


def environment(installation: Installation) -> dict[str, str]:
    """Build Triton's whole environment: nothing of the gateway's secrets is in it.

    The stub finds its Python through `python3` on PATH, and needs libpython beside the server's libraries;
    models import the package `gateway` from where we do, so PYTHONPATH is passed on.
    """
    names = ("HOME", "LANG", "PYTHONPATH", "TMPDIR", "TZ")
    kept = {name: os.environ[name] for name in names if name in os.environ}
    cuda = {name: value for name, value in os.environ.items() if name.startswith(("CUDA_", "NVIDIA_"))}
    libraries = [str(installation.libraries), sysconfig.get_config_var("LIBDIR") or ""]
    libraries.append(os.environ.get("LD_LIBRARY_PATH", ""))
    return {
        **kept,
        **cuda,
        "PATH": f"{Path(sys.prefix) / 'bin'}:{os.environ.get('PATH', os.defpath)}",
        "LD_LIBRARY_PATH": ":".join(filter(None, libraries)),
        # NumPy's BLAS would otherwise start a thread for each core in each stub.
        "OPENBLAS_NUM_THREADS": "1",
        # glibc keeps an arena for each of the hundreds of threads that Triton starts.
        "MALLOC_ARENA_MAX": "4",
    }
