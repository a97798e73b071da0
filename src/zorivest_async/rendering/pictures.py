"""Rendering of image entities for notebooks."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING, Any, Final

from zorivest_async.errors import ImageError
from zorivest_async.images import ImagePolicy, make_preview
from zorivest_async.rendering.tables import data_uri, entity_html
from zorivest_async.rendering.text import attribute_text, text_html

if TYPE_CHECKING:
    from zorivest_async.domain.entity import PictureEntity
    from zorivest_async.images import Preview

__all__ = ["LONGEST_SIDE_PX", "picture_bundle"]

LONGEST_SIDE_PX: Final = 800
"""About as wide as the output of a notebook's cell."""


def picture_bundle(image: PictureEntity) -> dict[str, str]:
    """Return an image by media type: ``text/html``, and ``image/png`` or ``image/jpeg`` if it can be decoded.

    The preview is smaller, upright and without metadata: notebooks are passed on, and an original may contain the place
    where it was taken. Decoding takes tens of milliseconds. An image that cannot be decoded, or that is larger than the
    default :class:`~zorivest_async.ImagePolicy` allows, is described in words instead.

    Args:
        image: The entity; its original is shown, or its thumbnail if it has no original.
    """
    preview, problem = _preview_of(image)
    if preview is None:
        explanation = f"<div>cannot be shown: {text_html(problem)}</div>" if problem else ""
        return {"text/html": entity_html(image, explanation)}
    alt = attribute_text(getattr(image, "caption", None) or "image")
    tag = (
        f'<img src="{data_uri(preview)}" alt="{alt}" style="display:block;max-width:100%;height:auto;margin:0 0 .5em">'
    )
    return {"text/html": entity_html(image, tag), preview.mime_type: b64encode(preview.data).decode("ascii")}


def _preview_of(image: Any) -> tuple[Preview | None, str]:
    original: Any = getattr(image, "data", None)
    problem = ""
    for data in (original, image.thumbnail):
        if isinstance(data, bytes):  # another program may have stored text
            try:
                return make_preview(data, LONGEST_SIDE_PX, ImagePolicy()), ""
            except ImageError as error:
                problem = problem or str(error)
    return None, problem
