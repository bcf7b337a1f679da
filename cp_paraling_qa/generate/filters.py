"""Filters for LLM-written questions: each keeps, or names the reason for the drop. A dropped row stays in the questions beside the kept ones.

A filter is a function from a `Candidate` to None (keep) or a reason; the reasons are few, fixed phrases, so that they can be counted. The first filter that objects decides.
After the post-filter of arXiv 2505.13338 (paraphrases, mentions of a transcript or metadata) and what models were seen to do wrong. Most know English words; where
another language is asked for, only those in `ANY_LANGUAGE` apply.
"""

from __future__ import annotations

from collections.abc import Collection

from cp_paraling_qa.generate.against_ledger import contradicts, gives_away, no_feeling, no_gender
from cp_paraling_qa.generate.candidate import Candidate, Filter, content_words
from cp_paraling_qa.generate.echoes import copied, echoes_question, example, general, invented, off_topic, paraphrase, parrots, repeated
from cp_paraling_qa.generate.figures import figures
from cp_paraling_qa.generate.wording import (
    babbles,
    broken_off,
    clause,
    is_english,
    language,
    length,
    metadata,
    not_a_question,
    perspective,
    placeholder,
    prompt_talk,
    prompt_voice,
)

__all__ = ["ANY_LANGUAGE", "FILTERS", "SMALL_MODEL_FILTERS", "Candidate", "Filter", "content_words", "judge"]

FILTERS: dict[str, Filter] = {
    f.__name__: f
    for f in (
        language,
        not_a_question,
        clause,
        length,
        broken_off,
        placeholder,
        prompt_talk,
        figures,
        metadata,
        prompt_voice,
        perspective,
        gives_away,
        contradicts,
        no_feeling,
        no_gender,
        copied,
        general,
        example,
        off_topic,
        invented,
        parrots,
        babbles,
        echoes_question,
        repeated,
        paraphrase,
    )
}
"""In the order in which they are asked."""

SMALL_MODEL_FILTERS = ("clause", "prompt_talk", "prompt_voice", "no_feeling", "no_gender", "off_topic", "invented", "parrots", "babbles")
"""What only small models were seen to do wrong. A larger one may put a matter in words of its own, and answer without a word from our lists."""

ANY_LANGUAGE = ("not_a_question", "language", "length", "broken_off", "placeholder", "figures", "repeated")
"""Filters that do not rest on English words."""


def judge(candidate: Candidate, *, skip: Collection[str] = ()) -> str | None:
    """The first filter's reason to drop a candidate, or None: keep.

    Args:
        candidate: a question and its answer.
        skip: names of filters that are switched off.
    """
    english = is_english(candidate.language)
    for name, check in FILTERS.items():
        if name not in skip and (english or name in ANY_LANGUAGE) and (reason := check(candidate)):
            return reason
    return None
