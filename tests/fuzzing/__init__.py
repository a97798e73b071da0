"""Hostile input, made by Hypothesis: one target for each way by which bytes from outside come into a vault.

A target has a strategy for its inputs and a check that raises where the library breaks a promise. ``workers.fuzz`` runs
one of them in a process of its own, by chance or led by coverage; ``security/test_fuzz_input.py`` starts it.
"""
