"""Which HTTP status each error code has, and what it means to a caller.

The domain's errors carry a code and know no status; this is the one place that maps them. `docs/errors.md` shows the
same table, and a test holds the two together.
"""

from dataclasses import dataclass

from inference.engine.errors import ForetellError
from inference.http.errors import UploadStorageFull


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a code says over HTTP: its status, and the short title every problem of that code has."""

    status: int
    title: str


REGISTER: dict[str, Meaning] = {
    # The request as a whole
    "empty_body": Meaning(400, "The body is empty"),
    "malformed_json": Meaning(400, "The body is not JSON"),
    "invalid_encoding": Meaning(400, "Not UTF-8"),
    "too_deep": Meaning(400, "The body nests too deeply"),
    "too_many_fields": Meaning(400, "The body has too many fields"),
    "duplicate_key": Meaning(400, "A key came twice"),
    "number_too_long": Meaning(400, "A number has too many digits"),
    "token_in_url": Meaning(400, "A credential stands in the address"),
    "unknown_filter": Meaning(400, "The query has a parameter this address does not know"),
    "incomplete_upload": Meaning(400, "The body did not arrive completely"),
    "bad_pagination": Meaning(400, "That page can't be asked for"),
    "bad_idempotency_key": Meaning(400, "The Idempotency-Key can't name a request"),
    "bad_host": Meaning(400, "This server does not answer to that host name"),
    "headers_too_large": Meaning(431, "The headers are too large"),
    # The handshake of a stream
    "bad_epoch": Meaning(400, "The epoch can't name a numbering"),
    "bad_subprotocol": Meaning(400, "No offered subprotocol is spoken here"),
    "origin_not_allowed": Meaning(403, "Pages of that origin may not connect"),
    # Who asks
    "missing_token": Meaning(401, "No credential"),
    "invalid_token": Meaning(401, "The credential is not valid"),
    "token_expired": Meaning(401, "The credential has expired"),
    "token_revoked": Meaning(401, "The credential was revoked"),
    "insufficient_scope": Meaning(403, "The credential lacks a scope"),
    "device_disabled": Meaning(403, "The device is disabled"),
    # What is asked
    "not_found": Meaning(404, "Not found"),
    "unknown_endpoint": Meaning(404, "Unknown endpoint or version"),
    "method_not_allowed": Meaning(405, "Method not allowed"),
    "not_acceptable": Meaning(406, "Not acceptable"),
    "body_too_large": Meaning(413, "The body is too large"),
    "too_many_rows": Meaning(413, "Too many instances"),
    "file_too_large": Meaning(413, "The file is too large"),
    "unsupported_media_type": Meaning(415, "Unsupported media type"),
    "unsupported_encoding": Meaning(415, "Unsupported content encoding"),
    # The instances
    "not_an_object": Meaning(422, "The body is not an object"),
    "unknown_field": Meaning(422, "Unknown field"),
    "missing_feature": Meaning(422, "A feature is missing"),
    "unknown_feature": Meaning(422, "Unknown feature"),
    "wrong_shape": Meaning(422, "Wrong shape"),
    "no_rows": Meaning(422, "No rows"),
    "wrong_type": Meaning(422, "Wrong type"),
    "null_not_allowed": Meaning(422, "Null is not allowed"),
    "not_finite": Meaning(422, "A number is not finite"),
    "out_of_range": Meaning(422, "Out of range"),
    "unknown_category": Meaning(422, "Unknown category"),
    "string_too_long": Meaning(422, "A text is too long"),
    "invalid_character": Meaning(422, "A text holds a character that can't be stored"),
    "bad_label": Meaning(422, "Not a possible answer"),
    "bad_timestamp": Meaning(422, "Not a time with a zone"),
    # Files of batch jobs
    "bad_file": Meaning(422, "The file can't be read as its format"),
    "bad_header": Meaning(422, "The file has not the columns it must have"),
    # Jobs
    "job_state": Meaning(409, "Not in this state"),
    "run_in_progress": Meaning(409, "A training is under way"),
    "already_exists": Meaning(409, "There is one of that name"),
    "endpoint_retired": Meaning(409, "The endpoint answers no more"),
    "signature_mismatch": Meaning(409, "Other inputs or outputs than the endpoint's"),
    "gate_failed": Meaning(409, "The gate refused the version"),
    "bad_schedule": Meaning(422, "Not a schedule"),
    "idempotency_mismatch": Meaning(422, "The Idempotency-Key named another request"),
    # The server
    "rate_limited": Meaning(429, "Too many requests"),
    "model_error": Meaning(500, "The model failed"),
    "internal": Meaning(500, "Internal error"),
    "overloaded": Meaning(503, "Busy"),
    "model_unavailable": Meaning(503, "The model is not available"),
    "audit_unavailable": Meaning(503, "Predictions can't be stored"),
    "storage_full": Meaning(503, "The storage is full"),
    "storage_unavailable": Meaning(503, "The storage is not available"),
    "predict_timeout": Meaning(504, "The model did not answer in time"),
}

_OTHERWISE: dict[type[ForetellError], Meaning] = {UploadStorageFull: Meaning(507, "The storage is full")}
"""Errors whose status is not their code's: a full disk on the way in is a file's own trouble, not the server's."""


def meaning_of(error: ForetellError) -> Meaning:
    """What an error says over HTTP.

    Raises:
        KeyError: nobody has given its code a status.
    """
    return _OTHERWISE.get(type(error)) or REGISTER[error.code]
