"""Refuse requests whose body is too large, before it is stored."""

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class BodyTooLarge(Exception):
    """More bytes came than are allowed."""


class BodyLimit:
    """ASGI middleware.

    Args:
        app (`ASGIApp`): What it protects.
        max_bytes (`int`): Largest body.
    """

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self.app, self.max_bytes = app, max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 413, or pass the request on."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        stated = dict(scope["headers"]).get(b"content-length", b"")
        refusal = JSONResponse({"detail": f"A request may have {self.max_bytes >> 20} MB at most."}, 413)
        if stated.isdigit() and int(stated) > self.max_bytes:
            return await refusal(scope, receive, send)
        received = 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self.max_bytes:
                raise BodyTooLarge
            return message

        async def answer(message: Message) -> None:
            # The application takes the error for a body that it cannot read, and would say so.
            if received <= self.max_bytes:
                await send(message)

        try:
            await self.app(scope, counted, answer)
        except BodyTooLarge:
            pass
        if received > self.max_bytes:
            await refusal(scope, receive, send)
