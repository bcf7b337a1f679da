"""Reads which feelings a sentence gives to the speaker: word by word, with the clause around each word that names one.

Rules, not a parser: a feeling is left out where its clause negates it, quotes or reports it, wishes or pretends it, or gives it to somebody or something else. Tried on
sentences as language models write them (see the tests); English.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from cp_paraling_qa.generate.feeling_lexicon import BY_FIRST, OUTRIGHT, PREDICATIVE

VOICE, SIDE = "voice", "side"


class Named(NamedTuple):
    """A feeling that a text gives to the speaker.

    Args:
        label: canonical, or positive or negative where no feeling is named outright.
        role: `VOICE` for what the speaker sounds like or is, `SIDE` for a reason, a circumstance or a mere touch.
        heard: a verb or noun of hearing carries it ("sounds sad", "a sad voice").
    """

    label: str
    role: str
    heard: bool


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_STOPS = frozenset(",;:()")
_BREAKS = _STOPS | _set("but yet however though although whereas while then")
_SOUND = _set("sound sounds sounded sounding")
_LINK = _SOUND | _set(
    "feel feels felt feeling seem seems seemed seeming appear appears appeared is are was were be been being am become becomes became becoming get gets got getting grow "
    "grows grew growing turn turns turned turning look looks looked remain remains remained stay stays stayed across 's 're"
)
_FINITE = _set("sounds feels seems appears sounded seemed appeared")
_AUX = _set("has have had be been being will would might may could must can should does do did to also still clearly never not now")
_FILL = _set(
    "very so quite really rather a bit little more most too still also both and or nor either neither as deeply much even just all somewhat truly slightly clearly almost "
    "extremely mostly at once not that how less , like"
)
_VOICE_NOUNS = _set(
    "voice voices tone tones manner delivery pitch sound intonation note undertone undertones speech laugh sigh shout whisper outburst edge timbre inflection"
)
_SPEAKER_NOUNS = _VOICE_NOUNS | _set(
    "speaker speakers person woman man girl boy lady narrator caller mood way emotion emotions feeling feelings state expression response reaction reply remark attitude side one mix words or"
)
_OTHERS = _set(
    "boss manager friend friends mother mom mum father dad parents wife husband partner brother brothers sister sisters son sons daughter daughters child children kid kids baby colleague "
    "colleagues coworker coworkers customer customers client clients neighbour neighbours neighbor neighbors teacher student students class audience crowd listener listeners "
    "people others other everyone everybody someone somebody anyone nobody family aunt uncle cousin grandmother grandfather landlord tenant guests driver officer doctor nurse patient "
    "patients team dog dogs cat cats animal animals interviewer roommate girlfriend boyfriend fans voters staff employees bride groom"
)
_THINGS = _set("words message content story news wording text line lines film movie song book day situation weather ending subject topic letter lyrics it this")
_WORDS = _set("words message content wording text line lines lyrics")
_REPORT = _set(
    "say says said saying claim claims claimed claiming tell tells told telling mention mentions mentioned mentioning describe describes describing recall recalls recalling admit admits "
    "admitting insist insists insisting explain explains explaining state states stating declare declares declaring assure assures announce announces announcing wonder wonders write writes "
    "hear hears imagine imagines think thinks believe believes expect expects expected expecting anticipate anticipates anticipated"
)
_REPORT_ABOUT = _set("talk talks talked talking speak speaks spoke speaking complain complains complaining ask asks asking word words story question")
_PRETEND = _set("pretend pretends pretending pretended feign feigns feigning fake fakes faking faked")
_NEGATION = _set(
    "not no never without hardly barely neither nor cannot isn't doesn't don't didn't wasn't aren't weren't won't can't couldn't wouldn't hasn't haven't nothing than"
)
_HIDE = _set("hide hides hiding contain conceal suppress mask control disguise help only just merely simply doubt")
_MARKERS = _set("because since after if when whenever until unless before despite although though while whereas given due owing thanks as so")
_TOUCH = _set("hint hints touch trace traces tinge shade undertone undertones undercurrent flicker edge note mixed tinged laced")
_NAMES = _set("joy merry bliss mirth glee")
_FUNCTION = _set(
    "a an the and or nor but yet so as at by for from in into of off on onto out over to up with about after against before behind despite during since than that through "
    "toward towards under until upon when whenever where which while who whose why how if though although because rather more most even once again now today tonight then "
    "there here instead also too very just only enough throughout whether is are was were be been do does did has have had can could may might must shall should will would "
    "not he she they it his her their its this these those what i you we him them us me without within like all both either together inside underneath at-once later still "
    "somewhat though yesterday tomorrow first last overall anymore right way every each no any some or/and"
)
_NOUN_FOLLOWERS = _set(
    "party visit gift guest guests test exam film movie story stories button attack attacks management room ride value wave waves therapy announcement present trip inspection quiz "
    "win victory defeat reunion news stricken appeal factor doctor disorder"
)
_PITCHES = {("low",), ("down",), ("blue",)}
"""Of a voice they say how high it is, or nothing: only who feels so is sad."""
_ASKED = _set("the this speaker person woman man they she he narrator caller")
_BEGINS = _set("if though they she he it nobody somebody their her his there")
_LISTENER = _set("you we one i")
_GONE = _set("gone over lost lifted passed vanished faded missing absent past")
_NOUN = re.compile(r"ness$|ment$|tion$|ty$|ance$|ence$|dom$")
_NOUNS = _set(
    "anger fear joy grief sorrow rage fury panic terror horror surprise shock delight pleasure disgust contempt scorn disdain glee dread worry misery gloom despair awe calm "
    "frustration bliss agony remorse mirth woe fright alarm shame guilt"
)
_TOKEN = re.compile(r"[A-Za-z]+(?:'[a-z]+)?|'(?:s|re)\b|[,;:()]")
_QUOTED = re.compile(r"\"([^\"]{1,600})\"|(?<!\w)'((?:[^'\n]|(?<=\w)'(?=\w)){1,600})'(?!\w)")
_CURLY = str.maketrans({"’": "'", "‘": "'", "“": '"', "”": '"', "„": '"', "«": '"', "»": '"', "—": ",", "–": ",", "`": "'"})
_PERSON = re.compile(r"\b(?:i|i'm|i've|you|we|my|me|your|our|us)\b", re.IGNORECASE)
_SAYS = re.compile(r"\b(?:say|says|said|saying|words?|phrase|line|asks?|repeats?|shouts?|whispers?|exclaims?)\W*(?:\w+\W+){0,2}$", re.IGNORECASE)
_IDIOM = re.compile(
    r"\b(?:happy|glad|pleased|delighted) to (?:help|assist|oblige|confirm|answer)\b|\bcould(?:n't| not) be (?=\w+er\b)|\bfor fear of\b|\bto (?:no one|nobody)'s surprise\b"
    r"|\bas far as [^,.;]{1,60} (?:is|are) concerned\b|\b(?:mentions?|no|little) surprise\b|\b(?:scared|frightened) (?:off|away)\b|\bmood (?:ring|lighting)\b|\bfor (?:crying|pity's|heaven's)\b|\banger management\b"
    r"|\bcalm (?:(?:the|this) (?:speaker|person|woman|man|caller|driver|situation|voice)|him|her|them|things|somebody|someone)\b|\bcalm(?= \w+ down\b)",
    re.IGNORECASE,
)


def unquoted(text: str) -> str:
    """A text with straight quotation marks and without quoted speech; a word or two in quotation marks that nobody says ("sounds 'sad'") stay.

    Example:
        >>> unquoted("He says “I am happy” in a 'flat' voice.")
        'He says   in a  flat  voice.'
    """
    text = text.translate(_CURLY)

    def keep(match: re.Match[str]) -> str:
        inside: str = next(group for group in match.groups() if group is not None)
        short = len(inside.split()) <= 3 and not _PERSON.search(inside) and not _SAYS.search(match.string[max(0, match.start() - 40) : match.start()])
        return f" {inside} " if short else " "

    return _QUOTED.sub(keep, text) if '"' in text or "'" in text else text


def named(text: str) -> tuple[Named, ...]:
    """The feelings that a text gives to the speaker, in order."""
    plain = _IDIOM.sub(" ", unquoted(text))
    return tuple(found for sentence in re.split(r"[.!?]+(?=\s|$)|\n", plain) for found in _in_sentence(_TOKEN.findall(sentence)))


class _Sentence:
    """Tokens of a sentence, as written and in lower case, and where a feeling stands in it."""

    def __init__(self, tokens: list[str]) -> None:
        self.shown = tokens
        self.words = [token.lower() for token in tokens]
        self.spans: list[tuple[int, int, tuple[str, ...]]] = []
        at = 0
        while at < len(self.words):
            phrase = next((p for p in BY_FIRST.get(self.words[at], ()) if tuple(self.words[at : at + len(p)]) == p), None)
            if phrase:
                self.spans.append((at, at + len(phrase), phrase))
            at += len(phrase) if phrase else 1
        self.of_feeling = {place for start, end, _ in self.spans for place in range(start, end)}

    def link(self, at: int) -> int | None:
        """Where the verb stands that says the feeling at `at` of its subject: "sounds", "is"; None where there is none."""
        place = at - 1
        while place >= 0 and (self.words[place] in _FILL or place in self.of_feeling or self.words[place].endswith("ly")):
            place -= 1
        if place >= 0 and self.words[place] in _LINK:
            return place
        while place > 0 and self.words[place] in _ASKED:  # "why is the speaker upset"
            place -= 1
        return place if self.words[:1] and place >= 0 and self.words[place] in ("is", "are", "was", "were") else None

    def subject(self, verb: int) -> int | None:
        """Where the word stands before a verb and its auxiliaries."""
        place = verb - 1
        while place >= 0 and (self.words[place] in _AUX or self.words[place] in _LINK or self.words[place].endswith("ly")):
            place -= 1
        if place > 0 and self.words[place] in ("who", "that", ","):
            place -= 1
        return place if place >= 0 else None

    def clause(self, at: int) -> list[str]:
        """The words before `at` in its clause, last first."""
        found = []
        for word in reversed(self.words[:at]):
            if word in _BREAKS:
                break
            found.append(word)
        return found


def _in_sentence(tokens: list[str]) -> Iterator[Named]:
    s = _Sentence(tokens)
    for start, end, phrase in s.spans:
        before, after = s.words[start - 1] if start else "", s.words[end] if end < len(s.words) else ""
        link = s.link(start)
        if phrase in PREDICATIVE and link is None and after not in _VOICE_NOUNS:
            continue
        if phrase in _PITCHES and (link is None or not s.words[link].startswith("fe")):
            continue
        if s.shown[start][0].isupper() and start and phrase[0] in _NAMES:
            continue
        if _of_something_else(s, start, end, phrase, link) or _negated(s, start) or _reported(s, start, phrase) or _wished(s, start, link):
            continue
        heard = after in _VOICE_NOUNS or (link is not None and (s.words[link] in _SOUND or s.words[link] == "across")) or _from_voice(s, start, link)
        touch = (
            before == "of"
            and bool(_TOUCH & set(s.words[max(0, start - 3) : start]))
            or before in ("with", "by")
            and bool({"tinged", "laced", "mixed"} & set(s.words[:start]))
        )
        side = touch or (not heard and _given_as_reason(s, start))
        yield Named(OUTRIGHT.get(phrase) or PREDICATIVE[phrase], SIDE if side else VOICE, heard and not touch)


def _from_voice(s: _Sentence, start: int, link: int | None) -> bool:
    """Her voice is sad; the tone has turned angry."""
    subject = s.subject(link) if link is not None else None
    return subject is not None and s.words[subject] in _VOICE_NOUNS


def _of_something_else(s: _Sentence, start: int, end: int, phrase: tuple[str, ...], link: int | None) -> bool:
    """Happy birthday; her mother's anger; the boss is furious; because Maria was sad; the words are cheerful."""
    before, after = s.words[start - 1] if start else "", s.words[end] if end < len(s.words) else ""
    noun = phrase[-1] in _NOUNS or bool(_NOUN.search(phrase[-1]))
    if (noun and after in _NOUN_FOLLOWERS) or (after in _WORDS and link is None):  # "despite the cheerful words"
        return True
    plain = after.isalpha() and after not in _FUNCTION and not after.endswith(("ing", "ly")) and after not in _SPEAKER_NOUNS and end not in s.of_feeling
    described = (
        before in ("the", "a", "an", "his", "her", "their", "its", "this", "that", "some", "such")
        and after.isalpha()
        and after not in _FUNCTION | _SPEAKER_NOUNS
    )
    plain = plain or (described and not after.endswith("ly") and end not in s.of_feeling)
    if plain and not noun and link is None and not phrase[-1].endswith("ly") and len(phrase) == 1 and not phrase[0].endswith("s"):
        return True
    if noun and after in _AUX | _LINK and _GONE & set(s.words[end : end + 3]):  # "because the fear is gone"
        return True
    if after == "of" and any(word in _OTHERS for word in s.words[end + 1 : end + 4]) and noun:
        return True
    if before in _OTHERS or before.removesuffix("'s").removesuffix("s'") in _OTHERS:
        return True
    if before == "'s" and start > 1 and s.words[start - 2] in _OTHERS:
        return True
    if link is not None:
        subject = s.subject(link)
        if subject is None:
            return False
        word = s.words[subject]
        # "it sounds sad" speaks of the voice, "it is sad that …" of a matter
        heard = s.words[link] in _SOUND
        name = s.shown[subject][0].isupper() and subject > 0 and word not in ("i",)
        thing = word in _WORDS or (word in _THINGS and not (word in ("it", "this") and (heard or after not in ("that", "to", "how", "when", "for"))))
        return word in _OTHERS or name or thing
    return _others_clause(s, start)


def _others_clause(s: _Sentence, start: int) -> bool:
    """A friend could listen calmly; people might react angrily."""
    clause = s.clause(start)
    return any(word in _OTHERS and {"could", "should", "would", "might", "can", "may", "will"} & set(clause[:place]) for place, word in enumerate(clause))


def _negated(s: _Sentence, start: int) -> bool:
    """Whether a negation reaches a word: from the same clause, up to seven words before, through lists with "or"."""
    words = s.words
    place, steps = start - 1, 0
    while place >= 0 and steps < 8:
        word = words[place]
        before = words[place - 1] if place else ""
        if word == "but":
            return before == "anything"
        if word == ",":
            listed = place - 1 in s.of_feeling and ("or" in words[place : start + 5] or "nor" in words[place : start + 5])
            if not listed:
                return False
        elif word in _BREAKS or word in ("because", "so", "since") or (word in _FINITE and place < start - 1) or (word in _FINITE and before not in _NEGATION):
            # "who was not invited sounds sad": a new verb begins behind the negation
            return False
        elif word == "and" and place + 1 < len(words) and words[place + 1] in _LINK | {"they", "she", "he", "the"}:
            return False
        elif word in _NEGATION or word.endswith("n't"):
            following = set(words[place + 1 : start])
            if word == "never" and words[start].endswith("er"):  # "never sounded happier"
                return False
            return not (following & _HIDE) and not (word == "than" and place + 1 != start and not following <= _FILL)
        elif (word in ("from", "of") and before in ("far", "instead", "lack", "free", "absence", "devoid")) or word in ("lacks", "lacking", "stops", "stopped"):
            return True
        place, steps = place - 1, steps + 1
    return False


def _reported(s: _Sentence, start: int, phrase: tuple[str, ...]) -> bool:
    """Whether somebody only says it: "says she is furious", "talks about her fear of heights". How it is said ("says sadly", "in a sad voice") is no report."""
    if phrase[-1].endswith("ly"):
        return False
    for place in range(start - 1, -1, -1):
        word = s.words[place]
        if word in _BREAKS or word in _SOUND or word in _VOICE_NOUNS or (word in ("in", "with") and place == start - 1):
            return False
        if word in ("in", "with") and _VOICE_NOUNS & set(s.words[start : start + 4]):
            return False
        about = "about" in s.words[place + 1 : start] or "of" in s.words[place + 1 : start]
        if s.words[place - 1] in _LISTENER and place:  # "would you say that they are sad"
            continue
        if word in _REPORT or (word in _REPORT_ABOUT and about):
            return not ({"voice", "tone", "pitch", "delivery", "manner", "intonation"} & set(s.words[max(0, place - 3) : place]))
    return False


def _wished(s: _Sentence, start: int, link: int | None) -> bool:
    """Whether it is not so, but pretended, wished or advised: "pretends to be happy", "would be glad if", "it helps to stay calm"."""
    clause = s.clause(start)
    if (
        "if" in clause and clause[clause.index("if") + 1 : clause.index("if") + 2] != ["as"] and {"were", "had"} & set(clause)
    ):  # "if it were said in a calm voice"
        return True
    if _PRETEND & set(clause) or {"would", "should", "wishes", "wish", "hoped", "hopes", "hope"} & set(clause[:4]):
        return True
    if s.words[start - 1 : start] in (["keep"], ["stay"], ["remain"]) and {"should", "could", "might", "would", "help", "helps", "best"} & set(clause):
        return True
    if link is not None and link > 0 and s.words[link - 1] == "to":
        return not (link > 1 and s.words[link - 2] in _set("seems appears seem appear seemed appeared likely said come comes"))
    made = next((place for place, word in enumerate(clause[:5]) if word in ("make", "makes", "made", "making", "keep", "keeps")), None)
    return made is not None and bool(_OTHERS & set(clause[:made]))


def _given_as_reason(s: _Sentence, start: int) -> bool:
    """Whether it stands behind "because", "as if", "although": to the end of the sentence, or to the comma where the sentence opens with it."""
    for place in range(start - 1, -1, -1):
        word = s.words[place]
        if word == "," and s.words[0] in _MARKERS and not any(w in _MARKERS for w in s.words[1:place]):
            return False
        if word in ("but", "yet", "however"):
            return False
        if word == "as":
            if s.words[place + 1] in _BEGINS:
                return True
            continue
        if word == "so":
            continue
        if word in _MARKERS:
            return True
    return False
