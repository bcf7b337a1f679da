"""The words by which the filters know a feeling: those of `feeling_words` that name one outright, less those that mean other things in free text, and some more.

A word that means a feeling only of somebody who is, sounds or feels so ("cross", "content", "low", "blue") stands in `PREDICATIVE` and counts nowhere else.
"""

from __future__ import annotations

from cp_paraling_qa.feeling_words import WORDS
from cp_paraling_qa.labels import SENTIMENT

# What things are, not persons; words of many meanings; remarks on the sentence; and forms that `PREDICATIVE` has.
_NOT_OUTRIGHT = """
    annoying annoy infuriating irritating frustrating frustratingly disgusting disgustingly repulsive revolting yuck exciting thrilling amusing disappointing disappointingly
    depressing frightening frightful terrifying horrifying scary shocking startling devastating soothing soothingly worrying exhilarating delightful contemptible distasteful
    surprising repugnant ironic irony ironically
    collected chilled pumped psyched hyped fumes raging cheer horror entertained peace relaxation mellow bubbly ticked incensed ire let_down stress blown_away
    feeling_low feels_low low_mood feeling_down feels_down sounds_down feeling_blue feels_blue blue_mood sounds_content seems_content feels_content is_content feeling_content
    content_and"""

_MORE = {
    "happy": "thrilled thrill overjoyed chuffed full_of_joy",
    "sad": "sorry_for_herself sorry_for_himself sorry_for_themselves heavy_hearted close_to_tears",
    "neutral": "indifferent matter_of_factly without_feeling without_emotion",
    "fearful": "alarmed feared dreaded",
    "anxious": "worrier fretful fretting frets stressed stressed_out worried_sick",
    "amused": "mirth mirthful mirthfully hilarity tickled",
    "concerned": "concernedly full_of_concern with_concern voicing_concern expresses_concern express_concern sounds_of_concern tone_of_concern note_of_concern",
    "encouraging": "encouragingly supportively heartening rallyingly reassuringly",
    "apologetic": "apologetic apologetically apologising apologizing remorse remorseful remorsefully contrite contritely contrition repentant rueful ruefully penitent",
    "assertive": "assertive assertively assertiveness self_assured emphatic emphatically authoritative authoritatively",
    "sarcastic": "sardonic sardonically snide snidely snarky tongue_in_cheek wry wryly facetious facetiously",
    "pain": "in_pain in_agony agonised agonized agony suffering_pain pain_filled in_great_pain in_severe_pain full_of_pain pained_cry aching_all_over",
    "sleepy": "sleepy sleepily sleepiness drowsy drowsily drowsiness half_asleep groggy groggily dozy yawny slumberous",
    "poker": "poker_faced",
    "bored": "boredly unenthused uninterestedly tedium ennui",
    "contempt": "disparaging disparagingly sneeringly contemptuousness disdainfulness",
    "disappointed": "disappointedly disillusioned disillusionment dashed_hopes",
    "calm": "even_tempered at_peace sedate sedately unperturbed unfazed untroubled",
}
"""Everyday words for feelings that the judge's list has not, or reads otherwise."""

_PREDICATIVE = {
    "angry": "cross heated hot_under_the_collar bitter_at",
    "sad": "hurt low down blue",
    "happy": "content sunny",
    "anxious": "tense uneasy",
    "concerned": "concerned",
    "encouraging": "encouraging supportive reassuring motivating motivational uplifting rallying",
    "assertive": "commanding forceful firm insistent",
    "pain": "pained hurting wincing",
    "sleepy": "yawning",
    "excited": "pumped psyched hyped",
    "amused": "entertained",
    "disappointed": "let_down",
    "calm": "collected mellow chilled",
    "positive": "proud relieved grateful thankful hopeful optimistic moved touched",
    "negative": "upset distressed lonely ashamed guilty embarrassed humiliated bitter jealous envious betrayed regretful lost troubled offended insulted",
}
"""Counted only behind "sounds", "is", "feels" and the like, or before "voice" and the like. The last two name a side, and no feeling of `labels`."""


def _phrases() -> tuple[dict[tuple[str, ...], str], dict[tuple[str, ...], str]]:
    outright: dict[tuple[str, ...], str] = {}
    excluded = frozenset(_NOT_OUTRIGHT.split())
    for chain, words in WORDS.items():
        label = next((name for name in chain if name in SENTIMENT), None)
        for word in words.split() if label else ():
            if not word.endswith("?") and word not in excluded:
                outright[tuple(word.split("_"))] = label or ""
    for label, words in _MORE.items():
        outright |= {tuple(word.split("_")): label for word in words.split()}
    predicative = {tuple(word.split("_")): label for label, words in _PREDICATIVE.items() for word in words.split()}
    return outright, {phrase: label for phrase, label in predicative.items() if phrase not in outright}


OUTRIGHT, PREDICATIVE = _phrases()
"""Words and phrases, as tuples of words → canonical label (positive or negative for some of `PREDICATIVE`)."""

BY_FIRST: dict[str, tuple[tuple[str, ...], ...]] = {}
for _phrase in sorted(OUTRIGHT.keys() | PREDICATIVE.keys(), key=lambda phrase: (-len(phrase), phrase)):
    BY_FIRST[_phrase[0]] = (*BY_FIRST.get(_phrase[0], ()), _phrase)
