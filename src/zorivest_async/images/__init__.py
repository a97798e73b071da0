"""Images: what a vault takes as one, its thumbnail, and the threads in which both are worked out."""

from zorivest_async.images.offload import ImageOffload
from zorivest_async.images.policy import ImagePolicy
from zorivest_async.images.processing import (
    Preview,
    ProcessedImage,
    make_preview,
    make_thumbnail,
    process_image,
    read_image_file,
    thumbnail_fits,
)

__all__ = [
    "ImageOffload",
    "ImagePolicy",
    "Preview",
    "ProcessedImage",
    "make_preview",
    "make_thumbnail",
    "process_image",
    "read_image_file",
    "thumbnail_fits",
]
