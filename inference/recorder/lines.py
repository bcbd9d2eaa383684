"""Predictions as lines of COPY text: building one is most of what storing a row costs this process.

A line is made of three pieces: the id, a head that is constant for a socket and a version, and the values. Columns
stand in the order of `COLUMNS`.
"""

import datetime

COLUMNS = (
    "id, endpoint_id, version_id, device_id, credential_id, source, request_id, stream_id,"
    " features, output, error, warnings, seq, client_id, subject, device_time"
)
COPY = f"COPY inference_prediction ({COLUMNS}) FROM STDIN"

_NULL = r"\N"
_PLAIN_TAIL = "\t" + "\t".join([_NULL] * 6) + "\n"


def line_head(
    *,
    endpoint_id: int,
    version_id: int,
    device_id: int | None,
    credential_id: int | None,
    source: int,
    request_id: str,
    stream_id: int | None = None,
) -> str:
    """The columns that are the same for every line of one request, or of one socket and version.

    Args:
        source: a value of `inference.models.Source`.
        request_id: the request's or the session's UUID, as text.
    """
    values = (endpoint_id, version_id, device_id, credential_id, source, request_id, stream_id)
    return "\t" + "\t".join(_NULL if value is None else str(value) for value in values) + "\t"


def line_of(
    head: str,
    id: str,
    features_json: str,
    output_json: str | None,
    *,
    error: str | None = None,
    warnings_json: str | None = None,
    seq: int | None = None,
    client_id: str | None = None,
    subject: str | None = None,
    device_time: datetime.datetime | None = None,
) -> str:
    """One line that goes on from a head.

    Args:
        head: what `line_head` gave.
        id: the prediction's UUID, as text.
        features_json: the values in the order of the signature, a JSON array as text.
        output_json: the output as JSON text, or nothing when there is an error.
        error: the error's code.
        warnings_json: a JSON array of warning codes, as text.
    """
    features = _text(features_json)
    output = _NULL if output_json is None else _text(output_json)
    if (
        error is None
        and warnings_json is None
        and seq is None
        and client_id is None
        and subject is None
        and device_time is None
    ):
        return f"{id}{head}{features}\t{output}{_PLAIN_TAIL}"
    tail = "\t".join(
        (
            _NULL if error is None else _text(error),
            _NULL if warnings_json is None else _text(warnings_json),
            _NULL if seq is None else str(seq),
            _NULL if client_id is None else _text(client_id),
            _NULL if subject is None else _text(subject),
            _NULL if device_time is None else device_time.isoformat(),
        )
    )
    return f"{id}{head}{features}\t{output}\t{tail}\n"


def line(
    *,
    id: str,
    endpoint_id: int,
    version_id: int,
    device_id: int | None,
    credential_id: int | None,
    source: int,
    request_id: str,
    stream_id: int | None = None,
    features_json: str,
    output_json: str | None,
    error: str | None = None,
    warnings_json: str | None = None,
    seq: int | None = None,
    client_id: str | None = None,
    subject: str | None = None,
    device_time: datetime.datetime | None = None,
) -> str:
    """One line on its own; see `line_head` and `line_of` for the arguments."""
    head = line_head(
        endpoint_id=endpoint_id,
        version_id=version_id,
        device_id=device_id,
        credential_id=credential_id,
        source=source,
        request_id=request_id,
        stream_id=stream_id,
    )
    return line_of(
        head,
        id,
        features_json,
        output_json,
        error=error,
        warnings_json=warnings_json,
        seq=seq,
        client_id=client_id,
        subject=subject,
        device_time=device_time,
    )


def _text(value: str) -> str:
    """A text as COPY reads it: what separates columns and lines is escaped."""
    # Four searches cost less than one regular expression, and nearly always find nothing.
    if "\\" in value:
        value = value.replace("\\", "\\\\")
    if "\t" in value:
        value = value.replace("\t", "\\t")
    if "\n" in value:
        value = value.replace("\n", "\\n")
    if "\r" in value:
        value = value.replace("\r", "\\r")
    return value
