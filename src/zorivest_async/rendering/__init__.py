"""Rendering of entities as HTML and images, for notebooks. All values from a vault are escaped."""

from zorivest_async.rendering.pictures import picture_bundle
from zorivest_async.rendering.tables import entity_html, list_html

__all__ = ["entity_html", "list_html", "picture_bundle"]
