"""The pytest plugin of zorivest-async: fixtures for a fresh encrypted vault, entities and chart images."""
