"""Comparing systems: the paper's arms and their controls, run and set side by side."""
