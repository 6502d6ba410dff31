"""The work of both routes: take a request for good, look one up."""

import re
import uuid
from typing import Literal

from gateway.accounts.vault import Vault
from gateway.apis.inference_requests import asked
from gateway.apis.inference_requests.algorithms import Algorithms
from gateway.apis.inference_requests.answers import (
    DUPLICATE,
    HIGHEST,
    KIND,
    REPEATED,
    InvalidInferenceRequest,
    UnknownRequest,
)
from gateway.apis.inference_requests.schema import IMMEDIATE, InferenceRequest
from gateway.apis.inference_requests.validation import faults_of
from gateway.errors import Conflict, NotFound
from gateway.jobs.engine import JobEngine, JobStatus, Submission, job_id_of

API = "inference_requests"
QUEUE, IMMEDIATE_QUEUE = "acr", "acr-immediate"
Duplicates = Literal["idempotent", "conflict", "allow"]
_JOB_ID = re.compile("[0-9a-f]{32}")


class InferenceRequests:
    """The API's work.

    Parameters
    ----------
    duplicates
        What a transaction ID that is known means: the same body the same job, and another a conflict;
        always a conflict; or always a job of its own.
    """

    def __init__(
        self,
        engine: JobEngine,
        algorithms: Algorithms,
        vault: Vault,
        *,
        duplicates: Duplicates = "idempotent",
    ) -> None:
        self._engine = engine
        self._algorithms = algorithms
        self._vault = vault
        self._duplicates = duplicates

    async def submit(self, request: InferenceRequest, account: str) -> JobStatus:
        """Take a request: it survives this process.

        Raises
        ------
        InvalidInferenceRequest
            All that is wrong with it.
        JobNotCreated
            Its algorithm is not there.
        Conflict
            Its transaction ID is another request's.
        """
        if faults := faults_of(request):
            raise InvalidInferenceRequest(" ".join(faults))
        submission = self._submission(request, account, request.transaction_id or "")
        is_known = await self._find(submission.job_id, account) is not None
        if is_known and self._duplicates == "conflict":
            raise Conflict(DUPLICATE)
        if is_known and self._duplicates == "allow":
            return await self._submit_another(request, account)
        if not is_known:
            await self._require_algorithm(request)
        try:
            accepted = await self._engine.submit(submission)
        except Conflict:
            if self._duplicates != "allow":
                raise Conflict(DUPLICATE) from None
            return await self._submit_another(request, account)
        if not accepted.is_new and not is_known and self._duplicates == "conflict":
            raise Conflict(DUPLICATE)  # another caller was faster by a moment
        return accepted.status

    async def status(self, id: str, account: str) -> JobStatus:
        """Look a request up by its transaction ID, else by its job's.

        Raises
        ------
        UnknownRequest
        """
        found = await self._find(job_id_of(API, account, id), account)
        if found is None and _JOB_ID.fullmatch(id):
            found = await self._find(str(uuid.UUID(id)), account)
        if found is None:
            raise UnknownRequest("no such request")
        return found

    async def _submit_another(self, request: InferenceRequest, account: str) -> JobStatus:
        await self._require_algorithm(request)
        external_id = f"{request.transaction_id}{REPEATED}{uuid.uuid4().hex}"
        return (await self._engine.submit(self._submission(request, account, external_id))).status

    async def _require_algorithm(self, request: InferenceRequest) -> None:
        algorithm = request.algorithm
        await self._algorithms.require(algorithm.id if algorithm else None)

    async def _find(self, job_id: str, account: str) -> JobStatus | None:
        try:
            status = await self._engine.status(job_id, account=account)
        except NotFound:
            return None
        return status if status.kind == KIND else None

    def _submission(self, request: InferenceRequest, account: str, external_id: str) -> Submission:
        job_id = job_id_of(API, account, external_id)
        return Submission(
            api=API,
            account=account,
            external_id=external_id,
            kind=KIND,
            request=asked.stored(request, self._vault),
            queue=IMMEDIATE_QUEUE if request.priority == IMMEDIATE else QUEUE,
            priority=HIGHEST - request.priority,
            secret=self._vault.seal(asked.connections(request), job_id=job_id),
        )
