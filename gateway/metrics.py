"""What the gateway counts, for Prometheus. Labels are few and fixed: never a path, a patient or a caller."""

import contextlib
import time
from collections.abc import Iterator

from prometheus_client import Counter, Gauge, Histogram

# A film takes a tenth of a second, a synthetic CT minutes.
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)

REQUEST_SECONDS = Histogram(
    "radgate_request_seconds",
    "Time to answer a request",
    ["api", "method", "route", "status"],
    buckets=BUCKETS,
)
INFERENCE_SECONDS = Histogram(
    "radgate_inference_seconds", "Time of one call to Triton", ["model", "outcome"], buckets=BUCKETS
)
ADMISSION_WAITING = Gauge(
    "radgate_admission_waiting", "Requests that wait for their turn at a model", ["model"]
)
ADMISSION_IN_FLIGHT = Gauge("radgate_admission_in_flight", "Requests that a model is working on", ["model"])
STAGE_SECONDS = Histogram(
    "radgate_stage_seconds",
    "Time of one stage of a request in the gateway",
    ["api", "stage"],
    buckets=BUCKETS,
)
PIPELINE_READY = Gauge(
    "radgate_pipeline_ready", "Whether the last canary of a pipeline came back", ["pipeline"]
)
TRITON_RESTARTS = Counter("radgate_triton_restarts", "Restarts of the embedded Triton to heal a pipeline")
TRITON_SERVERS = Gauge(
    "radgate_triton_servers", "Tritons of several by whether they are sent calls", ["state"]
)
TRITON_RETRIES = Counter(
    "radgate_triton_retries", "Calls that went to another Triton because the first was away", ["model"]
)
JOBS_WAITING = Gauge("radgate_jobs_waiting", "Jobs that wait for their turn", ["queue"])
JOBS_RUNNING = Gauge("radgate_jobs_running", "Jobs that run in this process", ["kind"])
JOBS_ENDED = Counter("radgate_jobs_ended", "Jobs that ended in this process", ["kind", "state"])
REQUEST_INSTANCES = Counter(
    "radgate_inference_request_instances",
    "Instances of inference requests by how they ended",
    ["model", "outcome"],
)
REQUEST_RESULTS = Counter(
    "radgate_inference_request_results",
    "Results sent to outputs of inference requests",
    ["interface", "outcome"],
)
OUTBOUND_SECONDS = Histogram(
    "radgate_outbound_seconds",
    "Time of one request to a peer, its answer's body included",
    ["peer", "operation", "outcome"],
    buckets=BUCKETS,
)
OUTBOUND_BYTES = Counter("radgate_outbound_bytes", "Bytes received from a peer", ["peer", "operation"])
BODY_BYTES = Gauge("radgate_body_bytes", "Bytes of request bodies that are held or about to be")
BILLING_OUTCOMES = Counter(
    "radgate_billing_outcomes", "Answered predictions by what they cost", ["endpoint", "reason"]
)
STREAM_DISCONNECTS = Counter(
    "radgate_stream_disconnects", "Streams whose caller left before their end", ["endpoint"]
)
POP_SESSIONS = Counter("radgate_pop_sessions", "Capture sessions that ended in this process", ["outcome"])


@contextlib.contextmanager
def timed_stage(api: str, stage: str) -> Iterator[None]:
    """Observe how long a stage of a request takes that comes to its end."""
    started = time.perf_counter()
    yield
    STAGE_SECONDS.labels(api, stage).observe(time.perf_counter() - started)


MAISI_VOLUMES = Counter(
    "radgate_maisi_volumes", "Volumes that were generated, by their quality control", ["quality"]
)
