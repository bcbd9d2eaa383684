"""The data plane over REST: which endpoints there are, predictions asked for, and predictions looked up."""

from typing import Any
from uuid import UUID

import msgspec

from inference.api import records, schema
from inference.api.instances import reader
from inference.catalog import Catalog, LiveEndpoint, LiveVersion
from inference.engine.errors import InvalidInput, ModelUnavailable
from inference.errors import NotFound, UnknownEndpoint
from inference.http.requests import Request
from inference.http.views import ExpressView
from inference.models import Source
from inference.predictor import Answer


class EndpointsView(ExpressView):
    """The endpoints that the credential may use."""

    scopes = ("predict", "read")

    @schema.endpoint_list
    async def get(self, request: Request) -> bytes:
        """List them by slug."""
        endpoints = request.predictor.catalog.endpoints.values()
        mine = [_summary(endpoint) for endpoint in endpoints if request.auth.may_use(endpoint.slug)]
        return msgspec.json.encode({"endpoints": mine})


class EndpointView(ExpressView):
    """One endpoint: what it asks, what it answers, and which versions it has."""

    scopes = ("predict", "read")

    @schema.endpoint_detail
    async def get(self, request: Request, endpoint: str) -> bytes:
        """Describe it."""
        live = _endpoint(request, endpoint)
        database = request.predictor.database
        champion = live.champion
        if champion is None:
            signature = await records.endpoint_signature(database, endpoint_id=live.id)
        else:
            signature = champion.signature
        said = {
            "signature": signature.to_dict() | {"digest": signature.digest},
            "features_schema": signature.json_schema(),
            "versions": await records.endpoint_versions(database, endpoint_id=live.id),
        }
        return msgspec.json.encode(_summary(live) | said)


class PredictView(ExpressView):
    """Predictions of an endpoint for one or more instances."""

    scopes = ("predict",)
    parameters = ("version",)

    @schema.predict
    async def post(self, request: Request, endpoint: str) -> bytes:
        """Predict, store as the endpoint's audit policy says, and answer."""
        predictor = request.predictor
        live = _endpoint(request, endpoint)
        version = await _version(predictor.catalog, live, request.query(*self.parameters).get("version"))
        raw = await request.body()
        try:
            instances = reader(version.signature).read(raw)
        except InvalidInput as refusal:
            predictor.reject(endpoint_id=live.id, device_id=request.auth.device_id, code=refusal.code)
            raise
        answers = await predictor.predict(
            endpoint=live,
            version=version,
            instances=instances,
            caller=request.auth,
            source=Source.REST,
            request_id=request.id,
            whole=True,
        )
        return f'{{"predictions":[{",".join(map(_shown, answers))}],"request_id":"{request.id}"}}'.encode()


class PredictionView(ExpressView):
    """A stored prediction."""

    scopes = ("read",)

    @schema.prediction_detail
    async def get(self, request: Request, id: str) -> bytes:
        """Look it up; one of an endpoint that is not the credential's is not there."""
        try:
            prediction_id = UUID(id)
        except ValueError:
            raise NotFound("This prediction") from None
        record = await records.prediction(request.predictor.database, prediction_id=prediction_id)
        if record is None or not request.auth.may_use(record.endpoint):
            raise NotFound("This prediction")
        return msgspec.json.encode(record)


def _endpoint(request: Request, slug: str) -> LiveEndpoint:
    """The endpoint of a path.

    Raises:
        UnknownEndpoint: there is none, or it is not one of the credential's.
        ModelUnavailable: this process has not been able to see what is live for a while.
    """
    if not request.auth.may_use(slug):
        raise UnknownEndpoint(slug)
    catalog = request.predictor.catalog
    if catalog.stale:
        raise ModelUnavailable("This server", "it can't see which versions are live")
    return catalog.endpoint(slug)


async def _version(catalog: Catalog, endpoint: LiveEndpoint, tag: str | None) -> LiveVersion:
    """The version that was asked for, or the champion.

    Raises:
        UnknownVersion: the endpoint has none of that tag.
        ModelUnavailable: there is no champion, or the version can't be loaded.
    """
    if tag is not None:
        return await catalog.version(endpoint, tag)
    if endpoint.champion is None:
        raise ModelUnavailable(f"Endpoint {endpoint.slug!r}", endpoint.reason or "no version is live")
    return endpoint.champion


def _summary(endpoint: LiveEndpoint) -> dict[str, Any]:
    return {
        "endpoint": endpoint.slug,
        "name": endpoint.name,
        "description": endpoint.description,
        "audit": endpoint.audit,
        "champion": None if endpoint.champion is None else endpoint.champion.tag,
        "reason": endpoint.reason,
    }


def _shown(answer: Answer) -> str:
    """One answer as JSON text.

    Raises:
        ForetellError: the instance has no output; the request is then answered by that error as a whole.
    """
    if answer.error is not None:
        raise answer.error
    warnings = f',"warnings":{msgspec.json.encode(answer.warnings).decode()}' if answer.warnings else ""
    told = f'"version":"{answer.version}","stored":{"true" if answer.stored else "false"}{warnings}'
    return f'{{"id":"{answer.id}","output":{answer.output_json},{told}}}'
