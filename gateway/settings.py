"""Every setting: its environment variable (prefix `RADGATE_`), meaning, unit and default.

Read once, in `__main__`, from the environment or a `.env` file, and passed down; nobody else reads the
environment.
"""

import ipaddress
import os
import re
import socket
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

ROOT = Path(__file__).resolve().parents[1]
Port = Annotated[int, Field(ge=1, le=65535)]
Auth = Literal["", "jwt", "key", "open"]


def _default_workers() -> int:
    return max(1, (os.cpu_count() or 2) // 2)


_ADDRESS = r"(\[[0-9a-fA-F:.]+\]|[^\s,:/\[\]]+):\d{1,5}"
_TRITON_URL = re.compile(rf"dns:///{_ADDRESS}|{_ADDRESS}(,{_ADDRESS})*|")


class Settings(BaseSettings):
    """Settings of one instance; field `host` is the variable `RADGATE_HOST`, and so on."""

    model_config = SettingsConfigDict(
        env_prefix="RADGATE_", env_file=".env", extra="ignore", frozen=True, hide_input_in_errors=True
    )

    role: Literal["all", "gateway", "worker"] = Field(
        "all", description="`gateway` answers and leaves jobs to others, `worker` runs jobs and has no API"
    )
    data_dir: Path = Field(Path("var"), description="Folder of everything this instance keeps")
    host: str = Field("127.0.0.1", description="Address that the public ports bind to")
    port: Port = Field(8080, description="All APIs and their documentation")
    chest_xray_port: Port = Field(8500, description="Chest X-ray API alone, on its contract's port")
    admin_host: str = Field("127.0.0.1", description="Address of the admin port")
    admin_port: Port = Field(9090, description="/live, /ready and /metrics")

    triton_url: str = Field(
        "",
        description="host:port of an external Triton's gRPC, several with commas between, or "
        "dns:///host:port for all addresses of a name; empty: embedded",
    )
    triton_grpc_port: Port = Field(8001, description="gRPC port of the embedded Triton")
    triton_metrics_port: Port = Field(8002, description="Metrics port of the embedded Triton")
    triton_model_config_name: str = Field("", description="`gpu` picks each model's configs/gpu.pbtxt")
    model_repository: Path = Field(ROOT / "model_repository", description="Triton's folder of models")

    database_url: SecretStr = Field(
        SecretStr(""), description="postgresql://user:password@host/name; empty: SQLite in the data folder"
    )
    database_url_file: Path | None = Field(None, description="File that holds the database URL instead")
    database_pool_size: int = Field(5, ge=3, description="Connections kept to PostgreSQL for our own tables")
    executor_id: str = Field(
        "", max_length=200, description="This process among those of one database, the same after a restart"
    )
    executor_timeout_seconds: float = Field(
        10.0, ge=1, description="Silence after which others take a process's jobs"
    )
    job_retention_days: int = Field(30, ge=1, description="How long a job is kept after its end")

    input_roots: Annotated[tuple[Path, ...], NoDecode] = Field(
        (), description="Folders that images may be read from, separated by ':'; empty: any (loopback only)"
    )
    output_roots: Annotated[tuple[Path, ...], NoDecode] = Field(
        (), description="Folders that results may be written to, separated by ':'; empty: any (loopback only)"
    )

    peers_file: Path | None = Field(
        None, description="JSON list of the DICOMweb and FHIR peers that may be reached; empty: none"
    )
    peer_max_bytes: int = Field(8 * 2**30, ge=1, description="Bytes that one retrieval may bring")
    peer_max_instances: int = Field(10_000, ge=1, description="Instances that one retrieval may bring")
    peer_timeout_seconds: float = Field(3600.0, gt=0, description="Deadline of one retrieval or export")

    jwt_secret: SecretStr = Field(
        SecretStr(""), description="Signs tokens, ≥ 32 bytes; empty: made on first start"
    )
    jwt_secret_file: Path | None = Field(None, description="File that holds the secret instead")
    jwt_previous_secret: SecretStr = Field(
        SecretStr(""), description="Still accepted while tokens are rotated"
    )
    jwt_denied_file: Path | None = Field(None, description="One token id (jti) a line that is refused")

    chest_xray_gate: bool = Field(True, description="Refuse images that do not look like a chest film")
    chest_xray_in_flight: int = Field(4, ge=1, description="Films in Triton at a time")
    chest_xray_timeout_seconds: float = Field(60.0, gt=0, description="Deadline of one film")
    chest_xray_bulk_in_flight: int = Field(
        6, ge=1, description="Films of bulk jobs between reading and writing at a time"
    )
    chest_xray_bulk_jobs: int = Field(2, ge=1, description="Bulk jobs that run at a time; others wait")
    chest_xray_bulk_layout: Literal["patients", "studies"] = Field(
        "patients", description="`studies` keeps every film of a patient apart in bulk inference"
    )
    chest_xray_bulk_manifest: bool = Field(False, description="Leave bulk_manifest.jsonl with the results")
    vhs_alias: bool = Field(False, description="Serve the VHS API below /vhs/v3 as well as below /v3")
    vhs_model_version: str = Field(
        "3.3.0-ensemble", min_length=1, max_length=64, description="`model_version` in the VHS API's answers"
    )
    vhs_models: int = Field(5, ge=1, description="`models_loaded` of /v3/health when all is well")
    vhs_pop: bool = Field(
        True,
        description="Measure films through photos of screens; off, such photos get code 7",
    )
    vhs_pop_models: int = Field(5, ge=1, description="`pop_models_loaded` of /v3/health when all is well")
    vhs_pop_sessions: int = Field(
        100, ge=0, description="Capture sessions of one account that are open at a time; 0: any number"
    )
    vhs_rectify_workers: int = Field(
        default_factory=_default_workers, ge=1, description="Processes that straighten photos of screens"
    )
    vhs_in_flight: int = Field(4, ge=1, description="Pictures in Triton at a time")
    vhs_in_flight_per_key: int = Field(
        0, ge=0, description="Requests of one API key at a time; 0: any number"
    )
    vhs_timeout_seconds: float = Field(300.0, gt=0, description="From a request's beginning to its answer")
    acr_port: Port = Field(5000, description="ACR inference requests alone, on their contract's port")
    acr_auth: Auth = Field(
        "", description="Who may ask: a token (jwt), an API key (key), anyone (open); empty: loopback only"
    )
    acr_secret: SecretStr = Field(
        SecretStr(""),
        description="Encrypts credentials and upload URLs at rest, ≥ 32 bytes; empty: made on first start",
    )
    acr_secret_file: Path | None = Field(None, description="File that holds that secret instead")
    acr_duplicates: Literal["idempotent", "conflict", "allow"] = Field(
        "idempotent",
        description="A transactionID again: same answer to the same body, 409 always, or Clara's second job",
    )
    acr_jobs: int = Field(4, ge=1, description="Inference requests that run at a time; others wait")
    acr_immediate_jobs: int = Field(2, ge=1, description="Those of priority 255, in a queue of their own")
    acr_in_flight: int = Field(
        2,
        ge=1,
        description="Instances of one request in work at a time, and worker processes for all requests",
    )
    acr_timeout_seconds: float = Field(300.0, gt=0, description="Deadline of one instance in Triton")
    acr_min_free_bytes: int = Field(
        2**30, ge=0, description="Free disk space below which inference requests pause"
    )
    maisi: bool = Field(True, description="Serve the MAISI API, of which one volume keeps every core busy")
    maisi_port: Port = Field(8000, description="MAISI API alone, on its contract's port")
    maisi_auth: Auth = Field(
        "", description="Who may ask: a token (jwt), an API key (key), anyone (open); empty: loopback only"
    )
    maisi_dir: Path | None = Field(
        None, description="Folder of MAISI's work and results; default: `maisi` in the data folder"
    )
    maisi_jobs: int = Field(2, ge=1, description="MAISI requests that run at a time; others wait")
    maisi_in_flight: int = Field(1, ge=1, description="Volumes in Triton at a time, of all requests together")
    maisi_timeout_seconds: float = Field(3600.0, gt=0, description="Deadline of one volume")
    maisi_max_samples: int = Field(100, ge=1, description="Greatest num_output_samples")
    maisi_quality_tries: int = Field(
        3, ge=1, description="Seeds tried for one volume until it passes quality control"
    )
    maisi_voxel_type: Literal["int16", "float32"] = Field(
        "int16", description="Of NIfTI and NRRD images; with float32, the original's, labels are float32 too"
    )
    maisi_dcm_layout: Literal["series", "single"] = Field(
        "series", description="A .dcm image is a folder of CT slices, or one multi-frame file"
    )
    maisi_public_uploads: bool = Field(
        False, description="Let pre_signed_url name any https:// host outside, beside the peers"
    )
    maisi_result_hours: float = Field(24.0, gt=0, description="How long a result waits to be downloaded")
    body_budget_bytes: int = Field(
        2**30, ge=140 * 2**20, description="Bytes of large request bodies that are held at a time"
    )
    report_workers: int = Field(
        default_factory=_default_workers, ge=1, description="Processes that build PDFs"
    )
    site: str = Field("", max_length=200, description="Site name on reports")
    shutdown_timeout_seconds: float = Field(
        20.0, ge=0, description="How long running requests may take to end"
    )
    log_level: str = Field("INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$", description="Least level logged")

    @field_validator("triton_url")
    @classmethod
    def _addresses(cls, url: str) -> str:
        if not _TRITON_URL.fullmatch(url):
            raise ValueError("must be host:port, several of them with commas between, or dns:///host:port")
        return url

    @field_validator("input_roots", "output_roots", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return tuple(filter(None, value.split(os.pathsep))) if isinstance(value, str) else value

    @field_validator("input_roots", "output_roots")
    @classmethod
    def _absolute(cls, roots: tuple[Path, ...]) -> tuple[Path, ...]:
        for root in roots:
            if not root.is_absolute() or not root.is_dir():
                raise ValueError(f"{root} must be the absolute path of a folder that exists")
        return roots

    @model_validator(mode="before")
    @classmethod
    def _read_database_url(cls, values: Any) -> Any:
        """Take the database's URL from its file, as container engines hand secrets over."""
        path = values.get("database_url_file")
        if not path or values.get("database_url"):
            return values
        try:
            return {**values, "database_url": Path(path).read_text().strip()}
        except (OSError, UnicodeDecodeError) as error:
            raise ValueError(f"RADGATE_DATABASE_URL_FILE: {path} cannot be read") from error

    @model_validator(mode="after")
    def _roles_meet_in_a_database(self) -> "Settings":
        if self.role != "all" and not self.database_url.get_secret_value():
            raise ValueError(
                f"role {self.role} needs a PostgreSQL that gateways and workers share: "
                "set RADGATE_DATABASE_URL or RADGATE_DATABASE_URL_FILE"
            )
        return self

    @model_validator(mode="after")
    def _safe_beyond_loopback(self) -> "Settings":
        """Refuse to serve server-side paths to a network without saying which."""
        if not is_loopback(self.host) and not (self.input_roots and self.output_roots):
            raise ValueError(
                f"host {self.host} is reachable from other machines: "
                "set RADGATE_INPUT_ROOTS and RADGATE_OUTPUT_ROOTS to the folders that callers may name"
            )
        if not is_loopback(self.host) and not self.acr_auth:
            raise ValueError(
                f"host {self.host} is reachable from other machines: set RADGATE_ACR_AUTH to jwt or key, "
                "or to open if anyone may send inference requests"
            )
        if self.maisi and not is_loopback(self.host) and not self.maisi_auth:
            raise ValueError(
                f"host {self.host} is reachable from other machines: set RADGATE_MAISI_AUTH to jwt or key, "
                "or to open if anyone may have volumes generated"
            )
        return self

    @property
    def database(self) -> str:
        """URL of the database, which may hold a password."""
        return self.database_url.get_secret_value() or f"sqlite:///{self.data_dir.resolve() / 'app.db'}"

    @property
    def executor(self) -> str:
        """Name of this process among those that run jobs; in a Kubernetes StatefulSet the pod's."""
        return self.executor_id or (socket.gethostname() if self.database_url.get_secret_value() else "local")

    @property
    def secret_file(self) -> Path:
        """Where the token secret lies when it is not given by value."""
        return self.jwt_secret_file or self.data_dir / "secrets" / "jwt_secret"

    @property
    def acr_key_file(self) -> Path:
        """Where the secret lies that encrypts peers' credentials, when it is not given by value."""
        return self.acr_secret_file or self.data_dir / "secrets" / "acr_secret"

    @property
    def maisi_folder(self) -> Path:
        """Where MAISI's jobs work, and their results lie."""
        return self.maisi_dir or self.data_dir / "maisi"


def faults(error: ValidationError) -> list[str]:
    """Say what is wrong with the settings, a sentence each, by the names of their variables."""
    return [
        f"{_variable(fault['loc'])}{fault['msg'].removeprefix('Value error, ')}"
        for fault in error.errors(include_input=False, include_url=False)
    ]


def _variable(location: tuple[int | str, ...]) -> str:
    return f"RADGATE_{str(location[0]).upper()}: " if location else ""


def is_loopback(host: str) -> bool:
    """Whether an address can be reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
