"""Doors to other programs and libraries, each behind its extra; nothing below imports them."""
