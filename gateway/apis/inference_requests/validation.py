"""What a request must say, checked in the Clara DICOM Adapter's order and told in its words."""

from collections.abc import Iterator

from gateway.apis.inference_requests import words
from gateway.apis.inference_requests.schema import (
    ConnectionDetails,
    Details,
    InferenceRequest,
    Resource,
    Study,
)
from gateway.apis.inference_requests.uris import is_well_formed

NO_ALGORITHM = (
    "No algorithm defined or more than one algorithms defined in 'inputResources'.  'inputResources' must "
    "include one algorithm/pipeline for the inference request."
)
MAX_TRANSACTION_CHARACTERS = 160
BAD_TRANSACTION = (
    f"'transactionId' must not exceed {MAX_TRANSACTION_CHARACTERS} characters, all of them printable."
)


def faults_of(request: InferenceRequest) -> list[str]:
    """Give what is wrong, a sentence each; nothing where all is well."""
    return [
        *_transaction(request.transaction_id),
        *_input_resources(request),
        *_inputs(request.inputs),
        *_connections(request.input_resources or (), "inputResources"),
        *_outputs(request),
    ]


def _transaction(transaction_id: str | None) -> Iterator[str]:
    if _is_blank(transaction_id):
        yield "'transactionId' is required."
    elif len(transaction_id or "") > MAX_TRANSACTION_CHARACTERS or not (transaction_id or "").isprintable():
        yield BAD_TRANSACTION


def _input_resources(request: InferenceRequest) -> Iterator[str]:
    if all(each is None or each.interface == words.ALGORITHM for each in request.input_resources or ()):
        yield "No 'inputResources' specified."
    if request.algorithm is None:
        yield NO_ALGORITHM


def _inputs(inputs: tuple[Details, ...]) -> Iterator[str]:
    if not inputs:
        yield ("Request has no `inputMetadata` defined. At least one `inputs` or `inputMetadata` required.")
    for details in inputs:
        yield from _CHECKS[details.type](details)


def _dicom_uid(details: Details) -> Iterator[str]:
    if not details.studies:
        yield "Request type is set to `DICOM_UID` but no `studies` defined."
    for study in details.studies:
        yield from _study(study)


def _study(study: Study) -> Iterator[str]:
    if _is_blank(study.uid):
        yield "`StudyInstanceUID` cannot be empty."
    for series in study.series:
        if _is_blank(series.uid):
            yield "`SeriesInstanceUID` cannot be empty."
        for uids in series.instances:
            if not uids or any(_is_blank(uid) for uid in uids):
                yield "`SOPInstanceUID` cannot be empty."


def _patient_id(details: Details) -> Iterator[str]:
    if _is_blank(details.patient_id):
        yield "Request type is set to `DICOM_PATIENT_ID` but `PatientID` is not defined."


def _accession_number(details: Details) -> Iterator[str]:
    if not details.accession_numbers:
        yield "Request type is set to `ACCESSION_NUMBER` but no `accessionNumber` defined."


def _fhir_resource(details: Details) -> Iterator[str]:
    if not details.resources:
        yield "Request type is set to `FHIR_RESOURCE` but no FHIR `resources` defined."
    for resource in details.resources:
        if _is_blank(resource.type):
            yield "A FHIR resource type cannot be empty."


def _unknown(details: Details) -> Iterator[str]:
    yield "'inputMetadata' does not yet support type 'Unknown'."


_CHECKS = {
    words.UNKNOWN: _unknown,
    words.DICOM_UID: _dicom_uid,
    words.PATIENT_ID: _patient_id,
    words.ACCESSION_NUMBER: _accession_number,
    words.FHIR_RESOURCE: _fhir_resource,
}


def _outputs(request: InferenceRequest) -> Iterator[str]:
    if request.output_resources is None:  # the original breaks down at this
        yield "No 'outputResources' specified."
    yield from _connections(request.output_resources or (), "outputResources")


def _connections(resources: tuple[Resource | None, ...], where: str) -> Iterator[str]:
    for resource in resources:
        if resource is None:  # at these, too
            yield f"One of the '{where}' is not defined."
        elif resource.interface == words.DICOM_WEB:
            yield from _dicom_web(resource.connection or ConnectionDetails(), where)
        elif resource.interface == words.FHIR:
            uri = resource.connection.uri if resource.connection else None
            if not is_well_formed(uri):
                yield f"The provided URI '{uri or ''}' in `{where}` is not well formed."


def _dicom_web(connection: ConnectionDetails, where: str) -> Iterator[str]:
    if connection.auth_type != "None" and _is_blank(connection.auth_id):
        yield (
            f"One of the '{where}' has authType of '{connection.auth_type}' but does not include a valid "
            "value for 'authId'"
        )
    if not is_well_formed(connection.uri):
        yield f"The provided URI '{connection.uri or ''}' is not well formed."


def _is_blank(text: str | None) -> bool:
    return text is None or not text.strip()
