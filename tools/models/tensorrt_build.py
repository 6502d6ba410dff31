"""An ONNX graph to a TensorRT plan, for TensorRT 10 and 11 alike.

Strongly typed: precision is in the graph, for TensorRT 11 has no flags for it any more. TensorRT is imported
where it is used, for few machines have it.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gateway.triton.networks.engine import EngineUnfit

if TYPE_CHECKING:
    import onnx

LEVEL = 3
"""TensorRT's own default: how long it looks for quick kernels."""
CLEARED = ("TF32",)
"""TensorFloat-32 keeps ten bits of what the graph says has twenty-three; TensorRT allows it by default."""
SET = ("STRICT_NANS",)
"""A network's "no answer" is a NaN, not to be optimised away; older TensorRT 10 do not know the flag."""
MESSAGES_KEPT = 40

Profile = dict[str, list[list[int]]]


@dataclass
class Built:
    """What came of a build."""

    plan: bytes
    timing_cache: bytes
    flags: list[str]
    messages: list[str] = field(default_factory=list)
    """TensorRT's warnings and errors."""


def build_plan(model: "onnx.ModelProto", profile: Profile, timing_cache: bytes) -> Built:
    """Build a plan.

    Parameters
    ----------
    model
        The graph, in the precision that it is to have.
    profile
        Least, typical and largest shape of each input, batch axis first.
    timing_cache
        What an earlier build measured, or nothing.

    Raises
    ------
    EngineUnfit
        TensorRT cannot, and says why.
    """
    import tensorrt

    logger = _logger()
    builder = tensorrt.Builder(logger)
    network = builder.create_network(_strongly_typed())
    parser = tensorrt.OnnxParser(network, logger)
    if not parser.parse(model.SerializeToString()):
        faults = [parser.get_error(number).desc() for number in range(parser.num_errors)]
        raise EngineUnfit(f"TensorRT does not take the graph: {'; '.join(faults)}")
    config = builder.create_builder_config()
    config.builder_optimization_level = LEVEL
    flags = _set_flags(config)
    config.add_optimization_profile(_profile(builder, profile))
    # One of another GPU or TensorRT is refused, and a new one begun.
    if not config.set_timing_cache(config.create_timing_cache(timing_cache), ignore_mismatch=False):
        config.set_timing_cache(config.create_timing_cache(b""), ignore_mismatch=False)
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise EngineUnfit(
            f"TensorRT built nothing: {'; '.join(logger.messages[-3:]) or 'it does not say why'}"
        )
    return Built(bytes(plan), bytes(config.get_timing_cache().serialize()), flags, logger.messages)


def flags_here() -> list[str]:
    """List the builder's flags that differ from its defaults, as the TensorRT of this machine has them."""
    import tensorrt

    return [f"-{name}" for name in CLEARED] + [name for name in SET if hasattr(tensorrt.BuilderFlag, name)]


def _set_flags(config: Any) -> list[str]:
    import tensorrt

    flags = flags_here()
    for flag in flags:
        if flag.startswith("-"):
            config.clear_flag(getattr(tensorrt.BuilderFlag, flag[1:]))
        else:
            config.set_flag(getattr(tensorrt.BuilderFlag, flag))
    return flags


def _strongly_typed() -> int:
    """Give the flag that TensorRT 10 needs; TensorRT 11 knows nothing else, and may drop it."""
    import tensorrt

    flag = getattr(getattr(tensorrt, "NetworkDefinitionCreationFlag", None), "STRONGLY_TYPED", None)
    return 0 if flag is None else 1 << int(flag)


def _profile(builder: Any, shapes: Profile) -> Any:
    profile = builder.create_optimization_profile()
    for name, (least, typical, largest) in shapes.items():
        profile.set_shape(name, least, typical, largest)
    return profile


def _logger() -> Any:
    import tensorrt

    class Log(tensorrt.ILogger):
        """Keeps TensorRT's last warnings and errors."""

        def __init__(self) -> None:
            tensorrt.ILogger.__init__(self)
            self.messages: list[str] = []

        def log(self, severity: tensorrt.ILogger.Severity, msg: str) -> None:
            """Keep a message; called by TensorRT."""
            kept = (tensorrt.ILogger.INTERNAL_ERROR, tensorrt.ILogger.ERROR, tensorrt.ILogger.WARNING)
            if severity in kept:
                self.messages = [*self.messages[1 - MESSAGES_KEPT :], f"{severity.name}: {msg}"]

    return Log()
