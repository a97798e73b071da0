"""Starlette and FastAPI integration: lifespan, units of work, images, uploads, error handlers, a guard and a login.

It needs the extra ``starlette``; :mod:`zorivest_async.integrations.web.fastapi` needs ``fastapi``.

Example:
    >>> import os
    >>> from starlette.applications import Starlette
    >>> from starlette.routing import Route
    >>> from zorivest_async import Vault
    >>> async def show(request):
    ...     return await image_response(request, request.path_params["image_id"])
    >>> app = Starlette(
    ...     routes=[Route("/images/{image_id:int}", show)],
    ...     lifespan=vault_lifespan(lambda: Vault.open("journal.vault", passphrase=os.environ["JOURNAL"])),
    ...     exception_handlers=error_handlers(),
    ... )
    >>> app.add_middleware(GuardMiddleware, login=Login())
"""

from importlib import import_module

from zorivest_async.errors import MissingDependencyError

try:
    import_module("starlette")
except ImportError as error:
    raise MissingDependencyError(
        'zorivest_async.integrations.web needs an extra: pip install "zorivest-async[starlette]"'
    ) from error

from zorivest_async.integrations.web.failures import error_handlers
from zorivest_async.integrations.web.guard import GuardMiddleware
from zorivest_async.integrations.web.images import image_response, thumbnail_response
from zorivest_async.integrations.web.lifespan import unit_of_work, vault_lifespan, vault_of
from zorivest_async.integrations.web.login import Login
from zorivest_async.integrations.web.uploads import read_image

__all__ = [
    "GuardMiddleware",
    "Login",
    "error_handlers",
    "image_response",
    "read_image",
    "thumbnail_response",
    "unit_of_work",
    "vault_lifespan",
    "vault_of",
]
