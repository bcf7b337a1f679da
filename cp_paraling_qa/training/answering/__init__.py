"""Answers of a speech LLM to the rows of a dataset, and of a text LLM to their words."""
