"""The GPU of this process and the TensorRT beside it."""

from gateway.triton.networks.engine import EngineUnfit, Target


def this_target() -> Target:
    """Describe the first GPU that CUDA shows us.

    Raises
    ------
    EngineUnfit
        CuPy or TensorRT is not installed, or there is no GPU.
    """
    try:
        import cupy
        import tensorrt
    except ImportError as error:
        raise EngineUnfit(f"the extras `gpu` and `tensorrt` are not installed ({error})") from error
    runtime = cupy.cuda.runtime
    try:
        properties = runtime.getDeviceProperties(0)
    except runtime.CUDARuntimeError as error:
        raise EngineUnfit(f"CUDA finds no GPU: {error}") from error
    return Target(
        gpu=properties["name"].decode(),
        compute_capability=f"{properties['major']}.{properties['minor']}",
        multiprocessors=properties["multiProcessorCount"],
        cuda=runtime.runtimeGetVersion() // 1000,
        tensorrt=tensorrt.__version__,
    )
