"""What runs the networks of a benchmark's instance, and which stage of a film limits."""

import asyncio
import re
import urllib.request

_LINE = re.compile(r'^radgate_network_runtime\{model="([^"]+)",runtime="([^"]+)"\} 1$', re.MULTILINE)


async def network_runtimes(metrics_port: int) -> dict[str, str]:
    """Ask a Triton what runs each network that it runs in Python: `tensorrt`, `cuda` or `cpu`."""
    return await asyncio.to_thread(_read, f"http://127.0.0.1:{metrics_port}/metrics")


def _read(url: str) -> dict[str, str]:
    with urllib.request.urlopen(url, timeout=5) as answer:
        return dict(_LINE.findall(answer.read().decode()))


def sentence(runtimes: dict[str, str], stages_ms: dict[str, float]) -> str:
    """Say both for people."""
    named = ", ".join(f"{model} on {runtime}" for model, runtime in sorted(runtimes.items()))
    limiting = max(stages_ms, key=lambda stage: stages_ms[stage])
    return f"Networks: {named or 'by Triton'}. The longest stage: {limiting}, {stages_ms[limiting]:.1f} ms."
