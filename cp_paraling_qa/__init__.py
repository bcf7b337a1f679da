"""Teach speech LLMs how something is said, not only what: contextual paralinguistic QA data, training and judging."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["Recipe", "__version__", "attach_audio", "build", "decode_audio", "to_lhotse"]

if TYPE_CHECKING:
    from cp_paraling_qa.audio import decode_audio
    from cp_paraling_qa.building import build
    from cp_paraling_qa.corpora.lhotse_export import to_lhotse
    from cp_paraling_qa.dataset.reference import attach_audio
    from cp_paraling_qa.recipe import Recipe

_HOMES = {
    "Recipe": "recipe",
    "attach_audio": "dataset.reference",
    "build": "building",
    "decode_audio": "audio",
    "to_lhotse": "corpora.lhotse_export",
}


def __getattr__(name: str) -> Any:
    """Public names load on first use, so that importing the package stays light."""
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(f"cp_paraling_qa.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
