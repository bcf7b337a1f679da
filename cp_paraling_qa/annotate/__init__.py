"""Annotators: what can be heard in a clip, stated as opinions. A new annotator is a new file and one line here."""

from __future__ import annotations

from collections.abc import Callable

from cp_paraling_qa.annotate.asr import Asr
from cp_paraling_qa.annotate.base import Annotator
from cp_paraling_qa.annotate.prosody import Prosody

__all__ = ["ANNOTATORS", "Annotator", "Asr", "Prosody"]

ANNOTATORS: dict[str, Callable[[], Annotator]] = {"asr": Asr, "prosody": Prosody}
