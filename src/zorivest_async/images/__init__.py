"""Images: validation, thumbnails, and the bounded thread pool that computes them."""

from zorivest_async.images.layout import ImageNote
from zorivest_async.images.offload import ImageOffload
from zorivest_async.images.policy import ImagePolicy, require_policy
from zorivest_async.images.processing import (
    Preview,
    ProcessedImage,
    make_preview,
    make_thumbnail,
    notes_of,
    preview_serves,
    process_image,
    read_image_file,
    thumbnail_fits,
    webp_longest_side,
)

__all__ = [
    "ImageNote",
    "ImageOffload",
    "ImagePolicy",
    "Preview",
    "ProcessedImage",
    "make_preview",
    "make_thumbnail",
    "notes_of",
    "preview_serves",
    "process_image",
    "read_image_file",
    "require_policy",
    "thumbnail_fits",
    "webp_longest_side",
]
