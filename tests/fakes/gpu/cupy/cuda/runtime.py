import os


class CUDARuntimeError(RuntimeError):
    pass


def getDeviceProperties(device: int):
    if os.environ.get("FAKE_GPU") == "none":
        raise CUDARuntimeError("cudaErrorNoDevice: no CUDA-capable device is detected")
    name, capability, multiprocessors = os.environ.get("FAKE_GPU", "NVIDIA H100 80GB HBM3/9.0/132").split("/")
    major, minor = capability.split(".")
    return {
        "name": name.encode(),
        "major": int(major),
        "minor": int(minor),
        "multiProcessorCount": int(multiprocessors),
    }


def runtimeGetVersion() -> int:
    return 13000
