"""Who is trained on and who is tested on: disjoint by speaker and by dialogue, the same every time.

A corpus's official partition wins, with all its test sets; speakers that it has on both sides are counted and told, since a model may then recognise the voice
instead of the feeling.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cp_paraling_qa.errors import DatasetError, RecipeError
from cp_paraling_qa.labels import canonical


def in_order(names: Iterable[str]) -> list[str]:
    """Splits as they are listed: train, validation, test, test1, test2, …

    Example:
        >>> in_order({"test2", "train", "test", "test1"})
        ['train', 'test', 'test1', 'test2']
    """
    return sorted(set(names), key=lambda name: (name.startswith("test"), name != "train", name))


def is_test(name: str | None) -> bool:
    """Whether a split is one to test on."""
    return name is not None and name.startswith("test")


@dataclass(frozen=True)
class SplitOptions:
    """How clips are divided.

    Args:
        by: official (where a corpus has a partition; by speaker elsewhere) or speaker (always).
        test_share, validation_share: of the clips, 0–1; 0 for no such split.
        test_speakers: exactly these speakers are tested on; overrides everything else.
        seed: another division.
    """

    by: str = "official"
    test_share: float = 0.25
    validation_share: float = 0.0
    test_speakers: tuple[str, ...] = ()
    seed: int = 0

    def __post_init__(self) -> None:
        if self.by not in ("official", "speaker"):
            raise RecipeError(f"split {self.by!r}: choose official or speaker")
        if not (0 < self.test_share < 1 and 0 <= self.validation_share < 1 and self.test_share + self.validation_share < 1):
            raise RecipeError("test_share and validation_share are shares of the clips: between 0 and 1, together below 1")


@dataclass
class Division:
    """Each clip's split, and what the card must say about it."""

    split: dict[str, str]
    shared_speakers: list[str] = field(default_factory=list)
    official: list[str] = field(default_factory=list)


def divide(clips: Sequence[Mapping[str, Any]], options: SplitOptions) -> Division:
    """Assigns every clip to train, validation or test.

    Args:
        clips: rows with clip_id, corpus, speaker_id, dialogue_id, gender, split.
        options: how to divide.

    Returns:
        the division; corpora whose own partition was used are listed, and speakers who stand in several of its splits.

    Raises:
        DatasetError: no division is possible: one speaker only, or unknown test speakers.
    """
    wanted = set(options.test_speakers)
    if missing := wanted - {clip["speaker_id"] for clip in clips}:
        raise DatasetError(
            f"test speaker {', '.join(sorted(missing))} is not in the clips: speakers are {', '.join(sorted({str(c['speaker_id']) for c in clips})[:20])}"
        )
    division = Division({})
    free: list[Mapping[str, Any]] = []
    by_corpus: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for clip in clips:
        by_corpus[clip["corpus"]].append(clip)
    partitioned = {corpus: {clip["split"] for clip in members} - {None} for corpus, members in by_corpus.items()}
    # a corpus that knows train alone keeps it where something is held out elsewhere; alone, it is divided
    held_out = any(names != {"train"} for names in partitioned.values())
    for corpus, members in by_corpus.items():
        if options.by == "official" and not wanted and partitioned[corpus] and held_out:
            division.official.append(corpus)
            for clip in members:
                if clip["split"] is None:
                    free.append(clip)
                else:
                    division.split[clip["clip_id"]] = clip["split"]
        else:
            free += members
    free = _follow(clips, free, division)
    if free:
        _by_group(free, options, wanted, division)
    sides = defaultdict(set)
    for clip in clips:
        if clip["speaker_id"] is not None:
            sides[f"{clip['corpus']}/{clip['speaker_id']}"].add(division.split[clip["clip_id"]])
    division.shared_speakers = sorted(speaker for speaker, where in sides.items() if len(where) > 1)
    return division


def _follow(clips: Sequence[Mapping[str, Any]], free: Sequence[Mapping[str, Any]], division: Division) -> list[Mapping[str, Any]]:
    """Clips without a partition go where the official ones of their speaker or dialogue are (test before train, if on both sides); the others are left."""
    if not division.split or not free:
        return list(free)
    left = []
    for group in _groups(clips):
        sides = {division.split[clip["clip_id"]] for clip in group if clip["clip_id"] in division.split}
        mine = [clip for clip in group if clip["clip_id"] not in division.split]
        if sides:
            side = in_order(sides)[-1]
            division.split.update({clip["clip_id"]: side for clip in mine})
        else:
            left += mine
    return left


def _by_group(clips: Sequence[Mapping[str, Any]], options: SplitOptions, wanted: set[str], division: Division) -> None:
    """Divides clips by groups that share a speaker or a dialogue."""
    groups = _groups(clips)
    if wanted:
        for group in groups:
            side = "test" if any(clip["speaker_id"] in wanted for clip in group) else "train"
            division.split.update({clip["clip_id"]: side for clip in group})
    elif len(groups) < 2:
        if division.official and any(map(is_test, division.split.values())):
            division.split.update({clip["clip_id"]: "train" for clip in clips})
            return
        who = clips[0]["speaker_id"] if clips else None
        raise DatasetError(
            f"all {len(clips)} clips belong to one group (speaker {who!r}): no split can be disjoint by speaker. Add a second speaker, or give a column `split` with train and test."
        )
    else:
        for side, share in (("test", options.test_share), ("validation", options.validation_share)):
            groups = _take(groups, side, share * len(clips), options.seed, division)
        division.split.update({clip["clip_id"]: "train" for group in groups for clip in group})
    sides = set(division.split.values())
    if "train" not in sides or not any(map(is_test, sides)):
        raise DatasetError("the division leaves train or test empty: name other test speakers, or change test_share")


def _groups(clips: Sequence[Mapping[str, Any]]) -> list[list[Mapping[str, Any]]]:
    """Clips joined by a common speaker or dialogue (of one corpus), transitively. A clip without either is a group of its own."""
    parent: dict[Any, Any] = {}

    def find(node: Any) -> Any:
        parent.setdefault(node, node)
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    for clip in clips:
        here = ("clip", clip["clip_id"])
        for kind in ("speaker_id", "dialogue_id"):
            if clip[kind] is not None:
                parent[find(here)] = find((kind, clip["corpus"], clip[kind]))
    groups: dict[Any, list[Mapping[str, Any]]] = defaultdict(list)
    for clip in clips:
        groups[find(("clip", clip["clip_id"]))].append(clip)
    return list(groups.values())


def _take(groups: list[list[Mapping[str, Any]]], side: str, clips: float, seed: int, division: Division) -> list[list[Mapping[str, Any]]]:
    """Moves groups to a side until it has its share, women and men in turn; at least one goes, and at least one stays.

    A group that would make it more than twice its share is passed over: in MELD the six friends share dialogues, and are nine tenths of the corpus.
    """
    if clips <= 0:
        return groups
    queues: dict[str | None, list[list[Mapping[str, Any]]]] = defaultdict(list)
    for group in sorted(groups, key=lambda g: _order(g, seed)):
        queues[Counter(clip["gender"] for clip in group).most_common(1)[0][0]].append(group)
    taken: list[list[Mapping[str, Any]]] = []
    left: list[list[Mapping[str, Any]]] = []
    while (have := sum(map(len, taken))) < clips and any(queues.values()) and len(left) + sum(map(len, queues.values())) > 1:
        fewest = min((g for g in queues if queues[g]), key=lambda g: (sum(len(t) for t in taken if t[0]["gender"] == g), str(g)))
        group = queues[fewest].pop(0)
        (taken if have + len(group) <= 2 * clips else left).append(group)
    left += [group for queue in queues.values() for group in queue]
    if not taken and len(left) > 1:
        taken.append(left.pop(min(range(len(left)), key=lambda place: len(left[place]))))
    division.split.update({clip["clip_id"]: side for group in taken for clip in group})
    return left


def _order(group: Iterable[Mapping[str, Any]], seed: int) -> str:
    """A random-looking order that depends on who is in the group, not on where it stood."""
    names = sorted(
        {
            f"{clip['corpus']}/{clip['speaker_id']}/{clip['dialogue_id'] or ''}" if clip["speaker_id"] or clip["dialogue_id"] else clip["clip_id"]
            for clip in group
        }
    )
    return hashlib.sha256(f"{seed} {names}".encode()).hexdigest()


def whole_sets(rows: Iterable[tuple[str | None, str, str | None]]) -> set[str]:
    """The contrast sets that are whole within one split: those of which at least two rows with different labels are left, all of them in the same split.

    Args:
        rows: contrast set (None for a row of none), split, and label of each row that is kept.

    Returns:
        the sets' ids; the mark of every other set has to go.

    Example:
        >>> sorted(whole_sets([("a", "train", "sad"), ("a", "train", "happy"), ("b", "train", "sad"), ("b", "test", "happy"), ("c", "train", "sad")]))
        ['a']
    """
    splits: dict[str, set[str]] = defaultdict(set)
    labels: dict[str, set[str]] = defaultdict(set)
    for name, split, label in rows:
        if name is not None:
            splits[name].add(split)
            labels[name].add(canonical(label or ""))
    return {name for name, found in splits.items() if len(found) == 1 and len(labels[name] - {""}) > 1}
