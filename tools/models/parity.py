"""The gate of every engine: its answers against ONNX Runtime's on the CPU, by tensor and for the task."""

from collections.abc import Callable, Mapping
from typing import Any, Literal

import numpy as np

from tools.models.tasks import Task, Tensors

Precision = Literal["fp16", "fp32"]
Run = Callable[[Mapping[str, np.ndarray]], Tensors]


def compare(task: Task, precision: Precision, *, reference: Run, engine: Run) -> dict[str, Any]:
    """Compare two runtimes on a task's phantoms.

    Each phantom is run alone and with the others: an engine has other kernels for another size of batch.

    Returns
    -------
    `phantoms`, how many; `tensors` and `task`, tables of `value` (the worst) and `limit` by name; `passed`.
    """
    phantoms = task.phantoms()
    count = len(next(iter(phantoms.values())))
    singly = [{name: array[row : row + 1] for name, array in phantoms.items()} for row in range(count)]
    expected = _joined([reference(each) for each in singly])
    tables = [
        _tables(task, precision, expected, got) for got in (engine(phantoms), _joined(map(engine, singly)))
    ]
    tensors, metrics = (_worst(each) for each in zip(*tables, strict=True))
    return {
        "phantoms": count,
        "tensors": tensors,
        "task": metrics,
        "passed": not faults({"tensors": tensors, "task": metrics}),
    }


def faults(parity: Mapping[str, Any]) -> list[str]:
    """Say what is beyond its limit, a phrase each; a value that is no number is beyond any."""
    return [
        f"{name} {entry['value']:.3g}, at most {entry['limit']:g}"
        for table in ("tensors", "task")
        for name, entry in parity[table].items()
        if not entry["value"] <= entry["limit"]
    ]


def _joined(parts: Any) -> Tensors:
    answers = list(parts)
    return {name: np.concatenate([answer[name] for answer in answers]) for name in answers[0]}


def _tables(
    task: Task, precision: Precision, expected: Tensors, got: Tensors
) -> tuple[dict[str, Any], dict[str, Any]]:
    limits, counted = task.limits(precision, expected), task.counted(expected)
    everything = slice(None)
    apart = {name: np.abs(expected[name] - got[name])[counted.get(name, everything)] for name in expected}
    metrics = task.metrics(expected, got)
    return (
        {name: {"value": float(each.max()), "limit": limits[name]} for name, each in apart.items()},
        {name: {"value": value, "limit": task.bars[name]} for name, value in metrics.items()},
    )


def _worst(tables: tuple[dict[str, Any], ...]) -> dict[str, Any]:
    first, second = tables
    # A NaN is worse than any number, and max() would keep it only in first place.
    return {
        name: {**first[name], "value": float(np.maximum(first[name]["value"], second[name]["value"]))}
        for name in first
    }
