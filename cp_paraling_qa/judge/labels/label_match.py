"""What an answer maps to, and the reasons why it maps to nothing."""

from __future__ import annotations

from dataclasses import dataclass

EXACT, LEXICON, EMBEDDING, LLM, ABSTAIN = "exact", "lexicon", "embedding", "llm", "abstain"

EMPTY = "empty answer"
REFUSED = "refusal"
SEVERAL = "several labels claimed alike"
OUTSIDE = "claims a label outside the label space"
NO_WORD = "no known word"
NEGATED = "negation without a known word"
NOT_INSTALLED = "no known word, and the embedding model is not installed"
BELOW = "no label is near enough in meaning"
QUOTED = "quoted speech without a known word"
CLOSE = "two labels are about as near in meaning"
LLM_NONE = "the LLM finds no label claimed"
LLM_NO_REPLY = "no reply from the LLM"
LLM_CUT = "the LLM's reply did not end by itself"
LLM_OFF = "the LLM's reply is off the contract"


@dataclass(frozen=True, slots=True)
class LabelMatch:
    """What an answer maps to.

    Attributes:
        label: a label of the space in its own spelling, or None: abstained.
        stage: exact, lexicon, embedding, llm or abstain.
        reason: for a label, the word and its role; for None, a short phrase to be counted.
        score: 0–1: how strong the claim is (1 the answer's own final word, 0.67 a plain claim, less where hedged), or the cosine; 1 for an
            LLM, which gives no strength; 0 where nothing was found.
    """

    label: str | None
    stage: str
    reason: str
    score: float
