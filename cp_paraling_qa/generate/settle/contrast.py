"""Contrast sets: the same words by the same speaker in several feelings, asked the same question.

Whoever does not listen answers every question of a set alike, so it counts only as a whole.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

from cp_paraling_qa.digests import digest
from cp_paraling_qa.generate.feelings import claims, same
from cp_paraling_qa.generate.filters import content_words
from cp_paraling_qa.generate.records import pick, qa_id
from cp_paraling_qa.generate.settle.likeness import open_to_all, sense_of
from cp_paraling_qa.generate.settle.repeats import Item
from cp_paraling_qa.generate.settle.wordings import CONTRAST, contrast_answer
from cp_paraling_qa.labels import canonical

MERGED = ({"calm", "neutral"}, {"excited", "happy"})
"""Emotions of which a set holds only one, as of those that everyday words do not tell apart (`feelings.same`): published evaluations merge them, calm with neutral in RAVDESS,
excited with happy in IEMOCAP."""

MIN_WORDS = 2


@dataclass(frozen=True)
class Spoken:
    """A clip as contrast sets look at it.

    Args:
        clip: its number, as in `Item`.
        clip_id: its id.
        words: a number for its spoken words.
        emotion: its consensus.
        said: the spoken words.
    """

    clip: int
    clip_id: str
    words: int
    emotion: str
    said: str = ""


@dataclass(frozen=True)
class Member:
    """One question of a set.

    Args:
        set_id: 16 hex digits, from speaker, words and question.
        clip: the clip's number.
        qa_id: of the row; that of a kept row where there is one already.
        question: the set's.
        answer: the clip's own.
        label: the clip's emotion.
        generator: whose text it is; "contrast" alone where it is a template's.
    """

    set_id: str
    clip: int
    qa_id: str
    question: str
    answer: str
    label: str
    generator: str


def contrast_sets(
    speaker: str, spoken: Iterable[Spoken], items: Sequence[Item], writers: Mapping[str, str], *, taken: Container[int] = (), seed: int = 0
) -> list[list[Member]]:
    """The sets of one speaker.

    The question is one that an LLM wrote about one of the clips, that asks for the feeling, takes nothing for granted, and speaks of what was said (the words being the
    same, it then is about the matter of all of them): the one that most clips were asked, then the smallest hash; without any, one of our wordings. Of several clips in one emotion that with an answer of
    its own is taken, then the smallest hash.

    Args:
        speaker: unique over corpora.
        spoken: the speaker's clips with at least `MIN_WORDS` words and an emotion.
        items: the kept LLM-written questions of these clips.
        writers: qa_id → generator of these.
        taken: the first 64 bits of qa_ids that other rows have, dropped ones or templates.
        seed: of the wording.

    Returns:
        sets of at least two members with different emotions.
    """
    groups: dict[int, list[Spoken]] = defaultdict(list)
    for clip in spoken:
        groups[clip.words].append(clip)
    asked: dict[int, list[Item]] = defaultdict(list)
    for item in items:
        if item.type == "CE" and item.label is not None and open_to_all(item.question):
            asked[item.clip].append(item)
    sets = []
    for words, clips in sorted(groups.items()):
        if len({canonical(clip.emotion) for clip in clips}) > 1:
            members = _members(speaker, words, clips, asked, items, writers, taken, seed)
            if len(members) > 1:
                sets.append(members)
    return sets


def alike(first: str, second: str) -> bool:
    """Whether two emotions are too near for one set.

    Example:
        >>> alike("anger", "angry"), alike("calm", "neutral"), alike("angry", "disgust")
        (True, True, False)
    """
    return same(first, second) or any({canonical(first), canonical(second)} <= pair for pair in MERGED)


def _members(
    speaker: str,
    words: int,
    clips: Sequence[Spoken],
    asked: Mapping[int, Sequence[Item]],
    items: Sequence[Item],
    writers: Mapping[str, str],
    taken: Container[int],
    seed: int,
) -> list[Member]:
    spoken = content_words(clips[0].said)
    wordings = Counter(item.question for clip in clips for item in asked.get(clip.clip, ()) if about(item.question, spoken))
    question = min(wordings, key=lambda text: (-wordings[text], _hash(text)), default=None) or pick(CONTRAST, seed, speaker, words)
    written = min((writers[item.qa_id] for clip in clips for item in asked.get(clip.clip, ()) if item.question == question), default=None)
    set_id = digest("contrast", speaker, words, question)
    own = {clip.clip: _own_answer(question, clip, asked.get(clip.clip, ())) for clip in clips}
    kept = {item.qa_id for item in items}
    found: list[Member] = []
    for clip in sorted(clips, key=lambda clip: (own[clip.clip] is None, _hash(clip.clip_id))):
        if any(alike(clip.emotion, member.label) for member in found):
            continue
        mine = own[clip.clip]
        answers = [(mine.answer, writers[mine.qa_id])] if mine is not None else []
        for answer, generator in [*answers, (contrast_answer(clip.emotion), written)]:
            name = qa_id(clip.clip_id, question, answer)
            if name in kept or int(name, 16) not in taken:
                generator = f"contrast + {generator}" if generator else "contrast"
                found.append(Member(set_id, clip.clip, name, question, answer, clip.emotion, generator))
                break
    return found


def about(question: str, spoken: Container[str]) -> bool:
    """Whether most of the things that a question speaks of were spoken of; models make matters up, and a set would spread them.

    Example:
        >>> spoken = content_words("My son wants to study in another country.")
        >>> about("How does the speaker feel about the son of a wealthy family?", spoken), about("How do they feel about their son's study abroad?", spoken)
        (False, True)
        >>> about("How does the speaker feel about being ignored by their son?", spoken)
        False
    """
    matter = sense_of(question).matter or frozenset()
    return not matter or 2 * sum(word in spoken for word in matter) > len(matter)


def _own_answer(question: str, clip: Spoken, asked: Iterable[Item]) -> Item | None:
    """The clip's own answer to the set's question: to the same question, else to one about the same thing; it names the clip's emotion and no other."""
    matter = content_words(question)
    fitting = [
        item
        for item in asked
        if item.label is not None
        and canonical(item.label) == canonical(clip.emotion)
        and claims(item.answer, clip.emotion)
        and (item.question == question or matter & content_words(item.question))
    ]
    return min(fitting, key=lambda item: (item.question != question, item.qa_id), default=None)


def _hash(text: str) -> str:
    return sha256(text.encode()).hexdigest()
