"""The dataset card: `dataset_card.md` filled with what the build counted. No number in it is written by hand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

from cp_paraling_qa import __version__, ledger
from cp_paraling_qa.audio import MAX_SECONDS
from cp_paraling_qa.corpora import CORPORA
from cp_paraling_qa.dataset.metadata import TEMPLATE, MetadataOptions
from cp_paraling_qa.dataset.splits import Division, in_order, is_test
from cp_paraling_qa.schema import ACTED, Seconds
from cp_paraling_qa.stage import clips_folder, read_record, read_rows

SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"), (10_000_000, "1M<n<10M"))


@dataclass
class Side:
    """What one split holds."""

    clips: int = 0
    seconds: Seconds = 0.0
    speakers: set[str] = field(default_factory=set)
    emotions: Counter[str] = field(default_factory=Counter)
    genders: Counter[str] = field(default_factory=Counter)


@dataclass
class CardFacts:
    """Everything that the card says, counted from the run."""

    sides: dict[str, Side]
    corpora: dict[str, int]
    licenses: list[str]
    languages: list[str]
    kinds: dict[str, Counter[str]]
    types: dict[str, Counter[str]]
    dropped: Counter[str]
    failed: dict[str, int]
    generators: list[str]
    by_llm: Counter[str]
    parsed: int
    lost: dict[str, int]
    sources: Counter[str]
    division: Division
    metadata: MetadataOptions
    synthetic: bool
    unsplit_speakers: int
    unlicensed: int
    restricted: dict[str, str]
    too_long: int
    condensed: dict[str, Any] | None
    contrast: dict[str, int]
    broken_sets: int
    conflict: int
    text_audit: dict[str, Any] | None
    text_answerable: tuple[int, int]
    templates: bool
    reference_only: bool = False
    configs: dict[str, dict[str, int]] = field(default_factory=dict)
    data: str = ""
    version: str = __version__
    template: str = TEMPLATE

    @property
    def written(self) -> int:
        """Questions of implicit and combined: those of an LLM that were kept, and those that rules added to them."""
        return sum(sum(self.kinds[kind].values()) for kind in ("pqa", "cpqa") if kind in self.kinds)

    @property
    def by_rule(self) -> int:
        """Those of them that rules added: contrast sets made whole, and questions about conflict."""
        return self.written - self.by_llm.total()

    @property
    def asked(self) -> int:
        """Template questions."""
        return sum(sum(counts.values()) for kind, counts in self.kinds.items() if kind not in ("pqa", "cpqa"))

    @property
    def written_test(self) -> int:
        """Kept questions of an LLM in a test split."""
        return sum(rows for split, rows in self.by_llm.items() if is_test(split))

    @property
    def size_category(self) -> str:
        """The Hub's word for the number of rows."""
        rows = sum(sum(splits.values()) for splits in self.configs.values())
        return next((name for limit, name in SIZES if rows < limit), "n>10M")

    @property
    def splits(self) -> list[str]:
        """The splits that exist, in order."""
        return in_order(self.sides)

    def warnings(self) -> list[str]:
        """What the user should be told at once."""
        told = []
        if self.division.shared_speakers:
            shared = self.division.shared_speakers
            names, stand = ", ".join(shared[:5]) + (", …" if len(shared) > 5 else ""), "speaker stands" if len(shared) == 1 else "speakers stand"
            told.append(f"{len(shared)} {stand} in more than one official split ({names}): --split speaker builds disjoint ones")
        if self.restricted and not self.reference_only:
            named = ", ".join(f"{corpus} ({license})" for corpus, license in self.restricted.items())
            told.append(
                f"audio of {named} may not be redistributed, as far as is known: keep this dataset to yourself, or build it with --reference-only, which leaves the audio out"
            )
        if self.too_long:
            told.append(
                f"{self.too_long} clips are longer than the {MAX_SECONDS:g} s that Whisper-style encoders hear: training and prediction refuse them by name"
            )
        if not any(map(is_test, self.sides)):
            told.append("there is no test split")
        if not self.asked:
            why = (
                "no clip has an emotion or a gender, so there is no template question" if self.templates else "template questions were not asked for (--kinds)"
            )
            told.append(f"{why}: neither baseline nor explicit was built")
        for name, counts in self.configs.items():
            if empty := [split for split, rows in counts.items() if not rows]:
                told.append(f"{name} has no rows in {' and '.join(empty)}")
        if self.unsplit_speakers:
            told.append(f"{self.unsplit_speakers} clips have no speaker_id: that no voice is in both train and test cannot be promised for them")
        return told


def gather(run_folder: Path, division: Division, metadata: MetadataOptions, sets: Collection[str]) -> CardFacts:
    """Counts a run's clips and questions.

    Args:
        run_folder: RUN.
        division: which clip is in which split.
        metadata: what prompts show.
        sets: contrast sets that are whole within one split.
    """
    sides: dict[str, Side] = {}
    corpora: Counter[str] = Counter()
    licenses: set[str] = set()
    languages: set[str] = set()
    sources: Counter[str] = Counter()
    unknown = unlicensed = too_long = 0
    for clip in read_rows(clips_folder(run_folder)):
        side = sides.setdefault(division.split[clip["clip_id"]], Side())
        side.clips += 1
        side.seconds += clip["duration"]
        side.speakers.add(f"{clip['corpus']}/{clip['speaker_id']}" if clip["speaker_id"] is not None else clip["clip_id"])
        side.emotions[ledger.consensus(clip["opinions"], "emotion") or "none"] += 1
        side.genders[ledger.gender(clip) or "unknown"] += 1
        corpora[clip["corpus"]] += 1
        unknown += clip["speaker_id"] is None
        too_long += clip["duration"] > MAX_SECONDS
        unlicensed += clip["license"] is None
        licenses |= {clip["license"]} if clip["license"] else set()
        languages |= {clip["language"]} if clip["language"] else set()
        sources.update({"actor (what was to be played)" if o["rater"] == ACTED else o["source"] for o in clip["opinions"] if o["field"] == "emotion"})
    kinds: dict[str, Counter[str]] = {}
    types: dict[str, Counter[str]] = {}
    dropped: Counter[str] = Counter()
    generators: set[str] = set()
    whole: dict[str, str] = {}
    broken: set[str] = set()
    by_llm: Counter[str] = Counter()
    conflict = parsed = 0
    answerable: Counter[bool] = Counter()
    columns = ["clip_id", "kind", "type", "generator", "dropped", "text_answerable", "contrast_set", "conflict"]
    for question in read_rows(run_folder / "questions", columns):
        by_rule = question["generator"] == "template" or question["generator"].startswith("contrast")
        parsed += question["kind"] in ("pqa", "cpqa") and not by_rule
        if question["dropped"] is not None:
            dropped[question["dropped"]] += 1
            continue
        split = division.split[question["clip_id"]]
        kinds.setdefault(question["kind"], Counter())[split] += 1
        types.setdefault(question["type"], Counter())[split] += 1
        if question["kind"] in ("pqa", "cpqa"):
            if not by_rule:
                generators.add(question["generator"])
                by_llm[split] += 1
            conflict += question["conflict"] is True
            if question["text_answerable"] is not None:
                answerable[question["text_answerable"]] += 1
        if (name := question["contrast_set"]) in sets:
            whole[name] = split
        elif name is not None:
            broken.add(name)
    manifest, questions = read_record(run_folder / "manifest") or {}, read_record(run_folder / "questions") or {}
    return CardFacts(
        sides=sides,
        corpora=dict(sorted(corpora.items())),
        licenses=sorted(licenses),
        languages=sorted(languages),
        kinds=dict(sorted(kinds.items())),
        types=dict(sorted(types.items())),
        dropped=dropped,
        failed=questions.get("dropped", {}),
        generators=sorted(generators),
        by_llm=by_llm,
        parsed=parsed,
        lost=manifest.get("dropped", {}),
        sources=sources,
        division=division,
        metadata=metadata,
        synthetic=bool(sources) and set(sources) <= {"maker", "model"} and "maker" in sources,
        unsplit_speakers=unknown,
        unlicensed=unlicensed,
        restricted={
            name: CORPORA[reader].license or "licence not stated"
            for name, reader in manifest.get("config", {}).get("readers", {}).items()
            if name in corpora and not CORPORA[reader].redistributable
        },
        too_long=too_long,
        condensed=read_record(run_folder / "condensed"),
        contrast=dict(Counter(whole.values())),
        broken_sets=len(broken),
        conflict=conflict,
        text_audit=questions.get("text_audit"),
        text_answerable=(answerable[True], answerable.total()),
        templates="pqa_template" in questions.get("config", {}).get("kinds", ()),
    )


def render_card(facts: CardFacts) -> str:
    """The card's text: YAML that `load_dataset` reads, then what a person should know."""
    import jinja2

    template = files("cp_paraling_qa.dataset").joinpath("dataset_card.md").read_text(encoding="utf-8")
    environment = jinja2.Environment(trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True, undefined=jinja2.StrictUndefined)

    def cell(text: object) -> str:
        """Text from a corpus as one line that cannot break a table or the YAML."""
        return " ".join(str(text).split()).replace("|", "/")

    def share(found: Mapping[str, Any]) -> str:
        """A share with its interval and how many it is of."""
        if not found["n"]:
            return "none"
        return f"{found['share']:.2f} ({found['low']:.2f}–{found['high']:.2f}, n = {found['n']})"

    environment.filters["cell"] = cell
    environment.filters["share"] = share
    values: dict[str, Any] = {
        name: getattr(facts, name) for name in (*facts.__dataclass_fields__, "written", "by_rule", "asked", "written_test", "size_category", "splits")
    }
    return environment.from_string(template).render(values, warnings=facts.warnings())
