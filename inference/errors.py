"""What the rooms above the engine refuse. The root and the input errors are the engine's.

ForetellError
├── MissingToken, InvalidToken, TokenExpired, TokenRevoked, TokenInUrl
├── DeviceDisabled, InsufficientScope
├── UnknownEndpoint, UnknownVersion, NotFound
├── AuditUnavailable, StorageFull, Overloaded
├── ArtifactUnreachable
├── ReleaseInvalid, VersionConflict, SignatureMismatch, EndpointRetired, AlreadyExists
└── Internal
"""

from inference.engine.errors import ArtifactError, ForetellError


class MissingToken(ForetellError):
    """A request without a credential."""

    code = "missing_token"

    def __init__(self) -> None:
        super().__init__("No credential came. Send `Authorization: Bearer ft_…`.")


class InvalidToken(ForetellError):
    """A credential that is malformed, unknown or revoked: the three look alike from outside."""

    code = "invalid_token"

    def __init__(self) -> None:
        super().__init__("This credential is not valid. Check it, or create a new one.")


class TokenExpired(ForetellError):
    """A credential past its end."""

    code = "token_expired"

    def __init__(self) -> None:
        super().__init__("This credential has expired. Create or rotate one.")


class TokenRevoked(ForetellError):
    """A credential revoked while its socket was open."""

    code = "token_revoked"

    def __init__(self) -> None:
        super().__init__("This credential was revoked. Connect with a new one.")


class TokenInUrl(ForetellError):
    """A credential in the query string, where logs and proxies keep it."""

    code = "token_in_url"

    def __init__(self) -> None:
        super().__init__("A credential in the address ends up in logs. Send it as `Authorization: Bearer …`.")


class DeviceDisabled(ForetellError):
    """The credential's device may not be used."""

    code = "device_disabled"

    def __init__(self, device: str) -> None:
        self.device = device
        super().__init__(f"Device {device!r} is disabled. Ask its owner to enable it.")


class InsufficientScope(ForetellError):
    """The credential lacks the scope this action needs."""

    code = "insufficient_scope"

    def __init__(self, needed: str) -> None:
        self.needed = needed
        super().__init__(f"This needs a credential with the scope `{needed}`.")


class UnknownEndpoint(ForetellError):
    """No endpoint of that name, or none that the credential may use: the two look alike."""

    code = "unknown_endpoint"

    def __init__(self, slug: str) -> None:
        self.slug = slug
        super().__init__(f"There is no endpoint {slug[:64]!r} that this credential may use.")


class UnknownVersion(ForetellError):
    """The endpoint has no version of that tag."""

    code = "unknown_endpoint"

    def __init__(self, slug: str, tag: str) -> None:
        self.slug = slug
        self.tag = tag
        super().__init__(f"Endpoint {slug!r} has no version {tag[:96]!r}.")


class NotFound(ForetellError):
    """Nothing here, or nothing that the caller may see."""

    code = "not_found"

    def __init__(self, what: str) -> None:
        self.what = what
        super().__init__(f"{what} was not found.")


class AuditUnavailable(ForetellError):
    """Predictions can't be stored now, and this endpoint answers only what is stored."""

    code = "audit_unavailable"
    retryable = True

    def __init__(self) -> None:
        super().__init__("Predictions can't be stored now, so none is given. Ask again in a moment.")


class StorageFull(ForetellError):
    """The database has no room left."""

    code = "storage_full"

    def __init__(self) -> None:
        super().__init__("The server's storage is full, so predictions can't be stored.")


class Overloaded(ForetellError):
    """More work is waiting than can be answered in time."""

    code = "overloaded"
    retryable = True

    def __init__(self, retry_after_ms: int) -> None:
        self.retry_after_ms = retry_after_ms
        super().__init__(f"The server is busy. Ask again in {retry_after_ms} ms.")


class ArtifactUnreachable(ArtifactError):
    """The bucket that holds published versions can't be reached, or refuses us."""

    code = "artifact_unreachable"
    retryable = True


class ReleaseInvalid(ForetellError):
    """A folder under artifacts/ that can't be deployed as it stands."""

    code = "release_invalid"

    def __init__(self, place: str, detail: str) -> None:
        self.place = place
        super().__init__(f"{place}: {detail}")


class VersionConflict(ForetellError):
    """A tag that is known already, with other contents."""

    code = "version_conflict"

    def __init__(self, slug: str, tag: str, known: str, came: str) -> None:
        self.slug = slug
        self.tag = tag
        super().__init__(
            f"{slug}/{tag} is deployed with digest {known[:19]}… and came with {came[:19]}…. A version never changes:"
            " restore its files, or give the new ones another number."
        )


class SignatureMismatch(ForetellError):
    """A version whose inputs or outputs are not the endpoint's."""

    code = "signature_mismatch"

    def __init__(self, slug: str, tag: str) -> None:
        self.slug = slug
        self.tag = tag
        super().__init__(
            f"{tag} has other inputs or outputs than {slug!r} has now, so its callers would break."
            " Say --major to deploy it all the same."
        )


class EndpointRetired(ForetellError):
    """An endpoint that answers no more."""

    code = "endpoint_retired"

    def __init__(self, slug: str) -> None:
        self.slug = slug
        super().__init__(f"Endpoint {slug!r} is retired, so nothing can go live on it. Take it back first.")


class AlreadyExists(ForetellError):
    """Something of that name is there already."""

    code = "already_exists"

    def __init__(self, what: str, advice: str) -> None:
        self.what = what
        super().__init__(f"{what} exists already. {advice}")


class TakenOver(ForetellError):
    """A newer socket of the same stream holds its position now."""

    code = "taken_over"

    def __init__(self) -> None:
        super().__init__("A newer connection of this stream has taken over. Use one connection a stream.")


class Internal(ForetellError):
    """A fault of ours; the log holds it under the request id."""

    code = "internal"

    def __init__(self, request_id: str) -> None:
        self.request_id = request_id
        super().__init__(f"Something went wrong on our side. Report request {request_id}.")
