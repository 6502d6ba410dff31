import itertools

from . import graph as graph
from . import memory, runtime


class MemoryPointer:
    def __init__(self, ptr: int) -> None:
        self.ptr = ptr


class Stream:
    _numbers = itertools.count(1)

    def __init__(self, null: bool = False, non_blocking: bool = False, ptds: bool = False) -> None:
        self.ptr = next(Stream._numbers)
        memory.STREAMS[self.ptr] = self
        self._waiting = []
        self._captured = None
        self._capture_fault = ""

    def _queue(self, work) -> None:
        (self._waiting if self._captured is None else self._captured).append(work)

    def _spoil_capture(self, why: str) -> None:
        self._capture_fault = why

    @property
    def is_capturing(self) -> bool:
        return self._captured is not None

    def synchronize(self) -> None:
        if self._captured is not None:
            raise runtime.CUDARuntimeError("cudaErrorStreamCaptureUnsupported")
        waiting, self._waiting = self._waiting, []
        for work in waiting:
            work()

    def begin_capture(self, mode=None) -> None:
        if self._captured is not None:
            raise runtime.CUDARuntimeError("cudaErrorIllegalState: the stream is capturing")
        self._captured, self._capture_fault = [], ""

    def end_capture(self) -> graph.Graph:
        captured, self._captured = self._captured, None
        if self._capture_fault:
            raise runtime.CUDARuntimeError(f"cudaErrorStreamCaptureInvalidated: {self._capture_fault}")
        return graph.Graph(captured)
