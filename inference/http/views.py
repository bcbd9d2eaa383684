"""The base of every view in the express lane: async, DRF, and straight from ASGI.

What Django's handler and middleware would have done is done here, in this order: limits of headers, host, credential
in the query, method, who asks, DRF's permissions, Accept, Content-Type; the view then reads the body if it has one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from django.http import HttpRequest, HttpResponse
from rest_framework.parsers import JSONParser
from rest_framework.renderers import JSONRenderer
from rest_framework.views import APIView

from inference.errors import InsufficientScope
from inference.http import problems
from inference.http.errors import MethodNotAllowed
from inference.http.media import ACCEPTED, JsonOnly
from inference.http.permissions import BearerAuthentication, HasScope
from inference.http.replies import JSON, Reply, StreamedReply, collected, deliver, headers, stream
from inference.http.requests import ClientGoneError, Request

_METHODS_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})


class ExpressView(APIView):
    """An async DRF view served without Django's handler, middleware, sessions or cookies.

    Its handlers (`async def post(self, request, …)`) take a `Request` and the path's parts, and return JSON bytes for
    a 200, a `Reply` or a `StreamedReply`. They raise `ForetellError`s; nothing else of theirs reaches a client but a
    request id.
    """

    authentication_classes: Sequence[type] = [BearerAuthentication]
    permission_classes: Sequence[type] = [HasScope]
    content_negotiation_class = JsonOnly
    parser_classes: Sequence[type] = [JSONParser]
    renderer_classes: Sequence[type] = [JSONRenderer]
    throttle_classes: Sequence[type] = []
    versioning_class = None

    scopes: ClassVar[tuple[str, ...]] = ()
    """A caller needs one of these."""
    parameters: ClassVar[tuple[str, ...]] = ()
    """The query parameters its address knows."""
    accepted: ClassVar[tuple[str, ...]] = (ACCEPTED,)
    """The media types of bodies that it takes."""
    offered: ClassVar[tuple[str, ...]] = (ACCEPTED,)
    """The media types of its answers."""
    needs_body: ClassVar[bool] = True
    """Whether a method that may have a body must have one."""
    is_probe: ClassVar[bool] = False
    """Whether it answers whatever the Host header and the query say: probes ask as they like."""

    _authenticators: ClassVar[tuple[Any, ...]]
    _permissions: ClassVar[tuple[Any, ...]]
    _handlers: ClassVar[Mapping[str, str]]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        # DRF makes these anew for every request; they hold no state, and it costs more than all they do.
        cls._authenticators = tuple(one() for one in cls.authentication_classes)
        cls._permissions = tuple(one() for one in cls.permission_classes)
        cls._handlers = {
            name.upper(): name for name in cls.http_method_names if name != "options" and hasattr(cls, name)
        }
        if "GET" in cls._handlers:
            cls._handlers = {**cls._handlers, "HEAD": "get"}

    # ---- Straight from ASGI -----------------------------------------------------------------------------------------

    @classmethod
    async def serve(cls, scope: dict[str, Any], receive: Any, send: Any, arguments: Mapping[str, str]) -> None:
        """Answer one request of an ASGI server."""
        request = Request(scope, receive)
        try:
            answer = await cls().answer(request, arguments)
        except ClientGoneError:
            return
        if type(answer) is bytes and request.method == "POST":
            listed = headers(request.id, len(answer), JSON)
            await send({"type": "http.response.start", "status": 200, "headers": listed})
            await send({"type": "http.response.body", "body": answer})
            return
        if isinstance(answer, StreamedReply):
            await stream(answer, request, send)
            return
        reply = Reply(body=answer) if isinstance(answer, bytes) else answer
        if request.has_much_to_come:
            reply = replace(reply, closes=True)
        await deliver(reply, request.id, request.method, send, None if request.complete else receive)

    async def answer(self, request: Request, arguments: Mapping[str, str]) -> bytes | Reply | StreamedReply:
        """The answer to a request, also when it is refused or fails.

        Raises:
            ClientGoneError: nobody is left to answer.
        """
        self.request, self.args, self.kwargs = request, (), arguments
        if request.method == "OPTIONS":
            return Reply(body=b"", headers=((b"allow", ", ".join(self.allowed_methods).encode()),))
        try:
            handler = self.handler(request)
            for authenticator in self._authenticators:
                request.auth = authenticator.known_caller(request) or await authenticator.caller(request)
            self.check_permissions(request)
            request.check_accept(self.offered)
            if request.method in _METHODS_WITH_BODY and (self.needs_body or request.has_body):
                request.check_content(self.accepted)
            answer = await handler(request, **arguments)
            return await answer.begun() if isinstance(answer, StreamedReply) else answer
        except ClientGoneError:
            raise
        except Exception as error:  # noqa: BLE001 - the door: every exception becomes an answer, and is logged there
            return problems.reply(error, request.id)

    def handler(self, request: Request) -> Any:
        """The method that answers, after the checks that need nobody's name.

        Raises:
            HeadersTooLarge, BadHost, TokenInUrl, BadQuery, UnknownParameter, MethodNotAllowed: it is refused.
        """
        request.check_headers()
        if not self.is_probe:
            request.check_host()
            if request.scope["query_string"]:
                request.query(*self.parameters_of(request.method))
        name = self._handlers.get(request.method)
        if name is None:
            raise MethodNotAllowed(request.method, self.allowed_methods)
        return getattr(self, name)

    def parameters_of(self, method: str) -> tuple[str, ...]:
        """The query parameters that a method knows; where they differ, a view says so here."""
        return self.parameters

    # ---- What DRF asks for ------------------------------------------------------------------------------------------

    @property
    def allowed_methods(self) -> list[str]:
        """The methods of this address, as `Allow` lists them."""
        return [*self._handlers, "OPTIONS"]

    def get_authenticators(self) -> tuple[Any, ...]:
        """One instance of each authentication class, made once."""
        return self._authenticators

    def get_permissions(self) -> tuple[Any, ...]:
        """One instance of each permission class, made once."""
        return self._permissions

    def permission_denied(self, request: Any, message: str | None = None, code: str | None = None) -> None:
        """Refuse a caller that a permission class does not let in.

        Raises:
            InsufficientScope: always.
        """
        raise InsufficientScope(" or ".join(self.scopes))

    async def dispatch(self, request: HttpRequest, *args: Any, **kwargs: str) -> HttpResponse:
        """Answer a request that came through Django's handler: the same steps on a body it has already received."""

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": request.body, "more_body": False}

        express = Request(request.scope, receive)
        answer = await self.answer(express, kwargs)
        if isinstance(answer, StreamedReply):
            answer = await collected(answer)
        reply = Reply(body=answer) if isinstance(answer, bytes) else answer
        listed = [*headers(express.id, len(reply.body), reply.media_type), *reply.headers]
        return HttpResponse(reply.body, status=reply.status, headers={n.decode(): v.decode() for n, v in listed})
