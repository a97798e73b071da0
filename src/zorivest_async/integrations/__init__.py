"""Integrations with other programs and libraries, each behind its extra; lower layers do not import them."""
