"""The gateway's errors; each API renders them in the body that its own contract asks for.

GatewayError                        500 internal_error        never with the cause's text
├─ InvalidRequest                   400 invalid_request       the field and what is wrong with it
│   ├─ InvalidImage                 422 invalid_image         not decodable, wrong modality or view
│   ├─ PayloadTooLarge              413 payload_too_large
│   ├─ UnprocessableRequest         422 unprocessable         an idempotency key used for another body
│   └─ UnsupportedMediaType         415 unsupported_media_type
├─ Unauthenticated                  401 unauthenticated
├─ Forbidden                        403 forbidden             an API key is missing or does not hold
├─ NotFound                         404 not_found
├─ Conflict                         409 conflict              the name is taken by another request
├─ RateLimited                      429 rate_limited          one caller, too much at a time
├─ OutputFailed                     500 output_failed         the results could not be written
├─ InferenceFailed                  502 inference_failed      Triton answered, badly
├─ Busy                             503 busy                  all callers together, too much at a time
├─ DatabaseUnavailable              503 database_unavailable  what is asked for stands in it, and it is away
├─ ModelUnavailable                 503 model_unavailable
├─ InferenceTimeout                 504 inference_timeout
├─ OutOfMemory                      507 out_of_memory         the model needs more than the machine has
└─ OutboundError                    502 outbound_failed         a peer (DICOMweb, FHIR); never an address
    ├─ PeerRefused                  422 peer_refused            no rule allows it; nothing was sent
    ├─ PeerUnavailable              503 peer_unavailable        may go well later
    └─ PeerFailed                   502 peer_failed             would go wrong again
"""

from typing import ClassVar


class GatewayError(Exception):
    """Something that the gateway can say in one sentence."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal_error"

    def __init__(
        self, message: str, *, field: str | None = None, retry_after_seconds: int | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.retry_after_seconds = retry_after_seconds


class InvalidRequest(GatewayError):
    """The request is wrong; `field` names where."""

    status = 400
    code = "invalid_request"


class InvalidImage(InvalidRequest):
    """The image cannot be assessed; the message is the imaging code's own sentence."""

    status = 422
    code = "invalid_image"


class PayloadTooLarge(InvalidRequest):
    """The body exceeds what this route accepts."""

    status = 413
    code = "payload_too_large"


class UnprocessableRequest(InvalidRequest):
    """The request is well formed, and contradicts what was said before."""

    status = 422
    code = "unprocessable"


class UnsupportedMediaType(InvalidRequest):
    """The body is not of the media type that this route accepts."""

    status = 415
    code = "unsupported_media_type"


class Unauthenticated(GatewayError):
    """No credentials, or none that hold."""

    status = 401
    code = "unauthenticated"


class Forbidden(GatewayError):
    """Whoever asks may not, whatever they ask for."""

    status = 403
    code = "forbidden"


class NotFound(GatewayError):
    """No such object, or it is another account's."""

    status = 404
    code = "not_found"


class Conflict(GatewayError):
    """The request cannot stand beside what is there already, or not yet: `retry_after_seconds` says when."""

    status = 409
    code = "conflict"


class RateLimited(GatewayError):
    """The caller asks for more at a time than it may."""

    status = 429
    code = "rate_limited"


class OutputFailed(GatewayError):
    """The results could not be written where the caller wanted them; `errno` is the system's reason."""

    code = "output_failed"

    def __init__(self, message: str, *, errno: int | None = None) -> None:
        super().__init__(message)
        self.errno = errno


class InferenceFailed(GatewayError):
    """Triton answered with an error of its own."""

    status = 502
    code = "inference_failed"


class Busy(GatewayError):
    """The instance holds as much as it can."""

    status = 503
    code = "busy"


class DatabaseUnavailable(GatewayError):
    """The database did not answer, and nothing can be said without it."""

    status = 503
    code = "database_unavailable"


class ModelUnavailable(GatewayError):
    """The model, or Triton, is not there at the moment."""

    status = 503
    code = "model_unavailable"


class InferenceTimeout(GatewayError):
    """The answer did not come before the deadline."""

    status = 504
    code = "inference_timeout"


class OutOfMemory(GatewayError):
    """The model needs more memory for this request than there is."""

    status = 507
    code = "out_of_memory"


class OutboundError(GatewayError):
    """Another system could not be asked, or did not answer as it should.

    Messages name the rule of the allow-list that holds for the peer: no address, no URI, no credential
    and nothing of a patient. `answered` is the HTTP status that the peer answered with, if it did.
    """

    status = 502
    code = "outbound_failed"

    def __init__(self, message: str, *, answered: int | None = None) -> None:
        super().__init__(message)
        self.answered = answered


class PeerRefused(OutboundError):
    """The allow-list of peers does not let this go out."""

    status = 422
    code = "peer_refused"


class PeerUnavailable(OutboundError):
    """The peer was not reached, broke off or is overloaded; `pause_seconds` is what it asked for."""

    status = 503
    code = "peer_unavailable"

    def __init__(self, message: str, *, answered: int | None = None, pause_seconds: float = 0.0) -> None:
        super().__init__(message, answered=answered)
        self.pause_seconds = pause_seconds


class PeerFailed(OutboundError):
    """The peer answered, and not with what was asked for."""

    code = "peer_failed"
