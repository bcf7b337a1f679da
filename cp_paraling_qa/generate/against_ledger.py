"""Filters that hold a question and its answer against what the ledger knows: feelings, gender, number of speakers, affect; and against giving away what is asked.

Each takes a `Candidate` and returns None, or the reason for the drop.
"""

from __future__ import annotations

import re

from cp_paraling_qa.feeling_words import WORDS
from cp_paraling_qa.generate.candidate import Candidate
from cp_paraling_qa.generate.feeling_clauses import unquoted
from cp_paraling_qa.generate.feelings import agree, feelings, fits, heard, polarities, same, words_of

MIXED_FROM = 0.25
"""Share of the votes from which a label is a right answer where raters disagree."""
HIGH, LOW = 0.8, 0.2
"""Affect beyond which plain words for the other end contradict it: only there, as scores of one clip differ by more between two models than a fifth of the scale."""

_SUBJECT = r"(?:(?:the |this |that )(?:\w+ )?)?(?:speaker|person|woman|man|voice|narrator|caller|he|she|they|someone|somebody|tone|it)"
_FEEL = r"(?:feel\w*|sound\w*|seem\w*|come across|react\w*|take|takes|appear\w*)"
_ASKS_FEELING = (
    re.compile(
        r"\b(?:what|which)\b(?: (?!makes?\b|made\b|causes?\b|could\b|might\b)[\w']+){0,4} (?:emotions?|emotional|feelings?|moods?|tone|sentiments?|state of mind|attitude)\b",
        re.IGNORECASE,
    ),
    re.compile(rf"\bhow (?:does|do|did|is|was|might|would|may|could|can) {_SUBJECT}(?:'s voice)?(?: [\w']+){{0,4}}? {_FEEL}\b", re.IGNORECASE),
    re.compile(r"\bhow would (?:you|one|a listener) (?:describe|characteri[sz]e|name|call|sum up)\b", re.IGNORECASE),
    re.compile(
        r"\bhow is the speaker\b|\bin what mood\b|\bwhat (?:does|do|can|could|might) [^?]{0,30}\b(?:voice|tone|delivery)\b[^?]{0,20}\b(?:tell|reveal|suggest|convey|express|say)",
        re.IGNORECASE,
    ),
    re.compile(r"\bwhat (?:does|do|did|is) the speaker (?:feel|feeling)\b|\bto what (?:extent|degree) (?:is|does|do)\b", re.IGNORECASE),
)
_HOW_FEELING = re.compile(rf"\bhow (?:very |truly |deeply )?(?P<word>\w+) (?:does|do|did|is|was|are|might|must|may) {_SUBJECT}\b", re.IGNORECASE)
_YES_NO = re.compile(r"^(?:[^?]*[,:]\s*)?(?:is|are|was|does|do|did|can|could|would|has|might|isn't|doesn't)\b", re.IGNORECASE)
_YES_NO_FEELING = re.compile(
    rf"\b(?:is|are|was|does|do|did|can|could|would|has|might|may) (?:you (?:say|hear|tell|think|call|describe|notice|detect|sense|find)\b|there |{_SUBJECT}\b)",
    re.IGNORECASE,
)
_FEIGNED = re.compile(
    r"\b(?:real|genuine|sincere|honest|forced|feigned|faked|put on|pretended|directed|aimed|meant)\b|\bmore \w+ (?:with|at|about|by|of|for) .* or\b",
    re.IGNORECASE,
)
_LISTED = re.compile(r"[:,] (?:[\w'-]+, )*[\w'-]+,? or [\w'-]+\?$")
_HOW_MUCH = re.compile(r"\bhow (?:much|little) (?:of )?(?P<word>\w+)\b", re.IGNORECASE)
_ASKS_REASON = re.compile(
    r"\bwhy\b|\breasons?\b|\b(?:what|which)\b[^?]*\b(?:makes?|made|caus\w+|explains?|behind|leads?|prompts?|triggers?)\b|\bhow come\b", re.IGNORECASE
)

_GENDER = {
    sex: frozenset(form for word in WORDS[sex,].split() if not word.endswith("?") and word != "fellow" for form in (word, f"{word}'s"))
    for sex in ("female", "male")
}
_THE_ONE = re.compile(r"\b(?:is|does|has|was|did) (?:the|this|that) (?P<noun>man|woman|boy|girl|lady|gentleman|guy)\b(?! or\b)(?=.* or )", re.IGNORECASE)
"""Of two genders to choose from, one is given away: "Is the man who speaks a man or a woman?"."""
_PRONOUN = {sex: frozenset(form for word in WORDS[sex,].split() if word.endswith("?") for form in (word[:-1], f"{word[:-1]}'s")) for sex in ("female", "male")}
_OF_SOMEBODY_ELSE = re.compile(
    r"\b(?:to|with|about|of|for|at|from|by|like|than|against|another|towards?|meet|meets|met|blames?|calls?|thanks?|asks?) (?:(?:a|an|the|his|her|their|another|some|this|that|other|one|old|young)\s+){0,3}"
    r"(?:women|woman|female|girl|girls|lady|ladies|man|men|male|boy|boys|gentleman|guy|guys)(?:'s)?\b(?! (?:voice|speaker))",
    re.IGNORECASE,
)
_NOT_GENDER = re.compile(
    r"\b(?:not|rather than|instead of|no|isn't|nor) (?:a |an |the )?(?:\w+ )?(?:women|woman|female|girl|lady|man|men|male|boy)\b", re.IGNORECASE
)
_SPEAKS = r"(?:sounds?|seems?|feels?|speaks?|is speaking|is heard|talks?|says|is talking|appears?|whispers?|shouts?|raises|lowers|uses)"
_AS_GENDER = re.compile(
    rf"\b(?:the|this|a) (?:\w+ )?(?P<noun>woman|man|girl|boy|lady|guy|gentleman) (?:who (?:is )?speak\w* )?{_SPEAKS}\b|\b(?P<adjective>female|male)(?:'s)? (?:speaker|voice)\b"
    r"|\bspeaker is (?:clearly |probably )?(?:a )?(?P<is>woman|man|female|male)\b",
    re.IGNORECASE,
)
_AS_PRONOUN = re.compile(
    rf"^(?P<first>he|she) (?:also |clearly |still )?{_SPEAKS}\b|\bspeaker\b[^.?!]{{0,60}}?\b(?P<own>his|her) (?:own )?(?:voice|tone|pitch|delivery)\b",
    re.IGNORECASE,
)

_NUMBERS = {word: value for value, word in enumerate(words_of("zero one two three four five six seven eight nine ten"))} | {"single": 1, "both": 2}
_COUNT = r"(?P<n>\d{1,2}|" + "|".join(_NUMBERS) + r")"
_SPEAKERS = re.compile(
    rf"\b(?P<more>more than |at least |fewer than |less than )?{_COUNT} (?:of the )?(?:\w+ )?(?:speakers?|voices?|(?:people|persons?|men|women|man|woman)(?= (?:is |are |was |were |can be |take |who )?(?:speak|talk|heard|"
    r"taking part|part\b|in (?:the|this) (?:recording|conversation|clip|talk))))",
    re.IGNORECASE,
)
_BETWEEN = re.compile(r"\b(?:conversation|dialogue|exchange|talk|discussion) between (?P<n>two|three|four|five|\d)\b", re.IGNORECASE)
_TOGETHER = re.compile(
    r"\b(?P<n>two|three|four|five|\d)[- ](?:person|party|way|voice|speaker) (?:conversation|dialogue|exchange|talk|discussion|call)\b", re.IGNORECASE
)
_ALONE = re.compile(
    r"\b(?:speaks? alone|only one (?:person|speaker|voice)|no ?(?:body|one) else (?:speaks|is heard|talks)|a monologue|by (?:him|her|them)sel(?:f|ves) on the recording)\b",
    re.IGNORECASE,
)
_ASKS_NUMBER = re.compile(r"\bhow many\b|\bnumber of\b|^(?:is|are|do|does)\b", re.IGNORECASE)
_BARE = re.compile(rf"^(?:there (?:is|are) |only |just |exactly )*{_COUNT}\b(?! (?:of|thing|reason|time))", re.IGNORECASE)

_ENDS = {
    ("arousal", "high"): "quiet quietly subdued hushed lifeless listless sluggish monotone lethargic languid sleepy drowsy low-energy calm calmly relaxed",
    (
        "arousal",
        "low",
    ): "loud loudly shouting shouts yelling yells screaming screams agitated energetic energetically lively animated frantic frenzied excited excitedly high-energy",
    ("valence", "high"): "miserable gloomy bitter bitterly hostile mournful unhappy negative displeased despairing",
    ("valence", "low"): "cheerful cheerfully joyful joyfully delighted sunny warm warmly positive upbeat happy happily",
    ("dominance", "high"): "timid timidly meek meekly hesitant hesitantly unsure submissive helpless intimidated",
    ("dominance", "low"): "commanding domineering forceful forcefully assertive assertively authoritative self-assured confident confidently",
}
_VOICE_IS = r"(?:\b(?:sounds?|voice is|tone is|voice (?:stays|remains)|speaks?|talks?|delivery is|speaking|in an?) (?:(?:very|quite|so|rather|extremely|really|surprisingly|remarkably|and|,) )*)"
_AFFECT = {
    key: re.compile(rf"{_VOICE_IS}(?:{words.replace(' ', '|')})\b|\b(?:{words.replace(' ', '|')}) (?:voice|tone|delivery)\b", re.IGNORECASE)
    for key, words in _ENDS.items()
}
_CHANGES = re.compile(
    r"\b(?:then|at first|begin\w*|start\w*|grow\w*|become\w*|turn\w*|until|towards? the end|later|end(?:s|ing)? |chang\w+|shift\w*|rise\w*|rising|not|never|without|n't|but|although|despite|rather than|less|while|almost)\b|n't\b",
    re.IGNORECASE,
)


def gives_away(c: Candidate) -> str | None:
    """A question that asks for the feeling, the gender or the number does not name it; several to choose from ("sad or angry") are fine."""
    if c.type in ("DE", "CE", "C") and _names_feeling(c):
        return "names the emotion it asks for"
    if c.type in ("DG", "CG") and _names_gender(c):
        return "names the gender it asks for"
    if c.type in ("DS", "CS") and _ASKS_NUMBER.search(c.question) and len(_counts(c.question)) == 1:
        return "names the number of speakers it asks for"
    return None


def _names_feeling(c: Candidate) -> bool:
    plain = unquoted(c.question)
    found = feelings(plain)
    how, much = _HOW_FEELING.search(plain), _HOW_MUCH.search(plain)
    if much and feelings(f"full of {much['word']}"):
        return True
    if how and (feelings(f"sounds {how['word']}") or polarities(f"sounds {how['word']}")):
        return True
    if not found or _choice(plain, found):
        return False
    if (
        {f for f in found if not any(agree(f, e) for e in c.emotions)} == found
        and set(words_of(plain)) & set(words_of(c.transcript))
        and _only_spoken(c, plain)
    ):
        return False
    if any(pattern.search(plain) for pattern in _ASKS_FEELING):
        # "What emotion makes her voice shake with fear" asks; "why does she feel so afraid" asks for the reason
        return not _ASKS_REASON.search(plain) or bool(re.search(r"\b(?:what|which) (?:\w+ )?(?:emotion|feeling|mood)\b", plain, re.IGNORECASE))
    return bool(c.type != "C" and _YES_NO.search(plain) and _YES_NO_FEELING.search(plain) and not _ASKS_REASON.search(plain) and not _FEIGNED.search(plain))


def _only_spoken(c: Candidate, question: str) -> bool:
    """Whether the question names feelings only in words of the talk."""
    said = set(words_of(c.transcript))
    return not feelings(" ".join(word for word in question.split() if not set(words_of(word)) & said))


def _choice(question: str, found: set[str]) -> bool:
    several = len(found) > 1 and any(not agree(a, b) for a in found for b in found)
    return (several and " or " in question) or bool(_LISTED.search(question))


def _names_gender(c: Candidate) -> bool:
    words = set(words_of(unquoted(c.question)))
    nouns = {sex for sex, known in _GENDER.items() if known & words}
    said = set(words_of(c.transcript))
    if len(nouns) == 1 or any(set(words_of(match["noun"])) - said for match in _THE_ONE.finditer(unquoted(c.question))):
        return True
    pronouns = {sex for sex, known in _PRONOUN.items() if known & words and not known & said}
    return len(pronouns) == 1


def contradicts(c: Candidate) -> str | None:
    """Neither question nor answer names a feeling, a gender, a number of speakers or a manner that the clip does not have."""
    wrong = _wrong_feeling(c) or _wrong_gender(c) or _wrong_number(c) or _wrong_affect(c)
    return "contradicts the ledger" if wrong else None


def right_feelings(c: Candidate) -> list[str]:
    """The clip's labels: its consensus and track, and those with at least `MIXED_FROM` of the votes."""
    return list(dict.fromkeys([*c.emotions, *(label for label, share in (c.shares or {}).items() if share >= MIXED_FROM)]))


def _wrong_feeling(c: Candidate) -> bool:
    mixed = sum(share >= MIXED_FROM for share in (c.shares or {}).values()) > 1
    labels = right_feelings(c)
    if c.type in ("DE", "CE"):
        asked = unquoted(c.question)
        denied = bool(_YES_NO.search(asked) and re.match(r"no\b|not\b|hardly\b|barely\b", c.answer, re.IGNORECASE))
        return not (fits(c.answer, labels, mixed=mixed) and (denied or fits(asked, labels, mixed=mixed) or _choice(asked, feelings(asked))))
    # what is said may be of other feelings; what the voice is said to sound like may not. With several speakers, who sounds how is not known.
    return c.type == "C" and (c.speakers or 1) == 1 and bool(heard(c.answer)) and not fits(c.answer, labels, mixed=mixed, heard_only=True)


def _wrong_gender(c: Candidate) -> bool:
    if not c.gender:
        return False
    if c.type in ("DG", "CG"):
        return _first_gender(c.answer) not in (None, c.gender)
    if (c.speakers or 1) > 1:
        return False
    claimed = {_sex(match) for text in (c.question, c.answer) for match in _AS_GENDER.finditer(unquoted(text)) if not _spoken(match, c)}
    said = set(words_of(c.transcript))
    for text in (c.question, c.answer):
        for match in _AS_PRONOUN.finditer(unquoted(text)):
            pronoun = (match["first"] or match["own"]).lower()
            sex = "male" if pronoun in ("he", "his") else "female"
            # somebody else may be meant where the talk is about a person of that gender
            if not (_PRONOUN[sex] | _GENDER[sex]) & said and not _kin(sex) & said:
                claimed.add(sex)
    return bool(claimed - {c.gender})


def _kin(sex: str) -> frozenset[str]:
    return frozenset(
        words_of(
            "mother mom mum sister daughter wife aunt girlfriend grandmother grandma queen mrs miss ms madam"
            if sex == "female"
            else "father dad brother son husband uncle boyfriend grandfather grandpa king mr sir boss"
        )
    )


def _sex(match: re.Match[str]) -> str:
    word = next(group for group in match.groups() if group is not None).lower()
    return "male" if word in ("man", "boy", "guy", "gentleman", "male") else "female"


def _spoken(match: re.Match[str], c: Candidate) -> bool:
    word = next(group for group in match.groups() if group is not None).lower()
    return word in words_of(c.transcript)


def _first_gender(text: str) -> str | None:
    """The gender that a text gives to the speaker: the first that it names, not one that it denies or that somebody else has."""
    words = words_of(_NOT_GENDER.sub(" ", _OF_SOMEBODY_ELSE.sub(" ", unquoted(text))))
    return next((sex for word in words for sex, known in _GENDER.items() if word in known), None)


def _wrong_number(c: Candidate) -> bool:
    if c.speakers is None:
        return False
    texts = (c.question, c.answer) if c.type not in ("DS", "CS") else (c.answer,)
    claimed = set().union(*(_counts(unquoted(text)) for text in texts))
    if c.type == "DS" and not claimed and (bare := _BARE.search(c.answer)):
        claimed = {_number(bare["n"])}
    # of several speakers, one or two may be spoken of: only more than there are is wrong, and in answer to how many everything else
    if c.type == "DS" or (c.type == "CS" and re.search(r"\bhow many (?:people|speakers|persons|voices|different)\b", c.question, re.IGNORECASE)):
        return bool(claimed - {c.speakers})
    return any(number > c.speakers for number in claimed) or (c.speakers > 1 and bool(_ALONE.search(c.answer)))


def _counts(text: str) -> set[int]:
    found = [match for match in _SPEAKERS.finditer(text) if not match["more"] and not re.search(r"\b(?:not|n't|first|other)\s$", text[: match.start()])]
    return {_number(match["n"]) for match in (*found, *_BETWEEN.finditer(text), *_TOGETHER.finditer(text))}


def _number(word: str) -> int:
    return int(word) if word.isdecimal() else _NUMBERS[word.lower()]


def _wrong_affect(c: Candidate) -> bool:
    """Plain words for one end of an axis, said of the voice, where the score lies at the other end; not where the voice is said to change."""
    plain = unquoted(c.answer)
    if not c.affect or c.type not in ("DE", "CE") or (c.speakers or 1) > 1 or _CHANGES.search(plain):
        return False
    for (axis, end), pattern in _AFFECT.items():
        score = c.affect.get(axis)
        if score is not None and (score >= HIGH if end == "high" else score <= LOW) and pattern.search(plain):
            return True
    return False


def no_gender(c: Candidate) -> str | None:
    """Where the gender is asked for, the answer names it."""
    words = set(words_of(c.answer))
    return "answer names no gender" if c.type in ("DG", "CG") and c.gender and not any(known & words for known in _GENDER.values()) else None


def no_feeling(c: Candidate) -> str | None:
    """Where the feeling is asked for, the answer names one that is the clip's, and not a side of it only."""
    if not c.names_feeling:
        return None
    return None if any(same(named, label) for named in feelings(c.answer) for label in right_feelings(c)) else "answer names no feeling"
