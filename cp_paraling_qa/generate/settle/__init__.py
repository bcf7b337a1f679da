"""Settling: the rules over all questions of a run, and their marks. RUN/written → RUN/questions.

options.py    what can be chosen
likeness.py   what a question asks, in words
repeats.py    repeats in a clip and of a speaker, and the share of why-questions
contrast.py   contrast sets
sentiment.py  what the words say against what the voice says
wordings.py   the wordings of what is added here
shortcut.py   what was answered from the words alone
facts.py      a run's clips and questions in arrays
memo.py       what was found among a speaker's questions
survey.py     all questions under the rules, nothing written
stage.py      RUN/written → RUN/questions
"""

from __future__ import annotations

from cp_paraling_qa.generate.settle.options import SettleOptions
from cp_paraling_qa.generate.settle.shortcut import Shortcut
from cp_paraling_qa.generate.settle.stage import settle

__all__ = ["SettleOptions", "Shortcut", "settle"]
