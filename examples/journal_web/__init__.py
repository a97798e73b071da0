"""A small trading journal in a browser: FastAPI over a vault, pages rendered by the server, no build step."""
