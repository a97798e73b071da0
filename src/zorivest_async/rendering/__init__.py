"""Entities as HTML and pictures, for notebooks. Everything that comes out of a vault is escaped."""

from zorivest_async.rendering.pictures import picture_bundle
from zorivest_async.rendering.tables import entity_html, list_html

__all__ = ["entity_html", "list_html", "picture_bundle"]
