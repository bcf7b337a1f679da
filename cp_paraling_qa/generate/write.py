"""Questions for clips: the stage that turns clip rows into question rows, kept and dropped ones side by side.

Template questions come straight from the ledger. Contextual ones are asked of an LLM, one at a time, in rounds: where a filter drops one, the next round asks for another
draw, up to `Options.rounds`. A reply that never parsed is no row; it is counted in `drops`.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cp_paraling_qa.digests import digest
from cp_paraling_qa.errors import RecipeError
from cp_paraling_qa.generate.cpqa import PROMPT_WORDS, TASKS, ContextualQA, Task
from cp_paraling_qa.generate.feelings import claims
from cp_paraling_qa.generate.filters import FILTERS, Candidate, judge
from cp_paraling_qa.generate.records import pick, question_row
from cp_paraling_qa.generate.templates import TEMPLATES_HASH, template_questions
from cp_paraling_qa.ledger import consensus, emotion_track, gender
from cp_paraling_qa.llm import ChatClient, ChatRequest, LLMConfig
from cp_paraling_qa.schema import QUESTION_SCHEMA
from cp_paraling_qa.stage import Drop, Row


@dataclass(frozen=True)
class Options:
    """What to write.

    Args:
        templates: whether to write template questions.
        per_clip: contextual questions wanted for each clip; 0 for none.
        mix: task → weight: which contextual questions, on average.
        rounds: draws for each question wanted, until one passes the filters.
        seed: of every choice that is made here.
        temperature: of the LLM.
        max_tokens: of a reply.
        use_vad: whether the LLM is told arousal, valence and dominance.
        skip_filters: names of filters that are switched off.

    Raises:
        RecipeError: an unknown task or filter, or numbers that make no sense.
    """

    templates: bool = True
    per_clip: int = 2
    mix: Mapping[str, float] = field(default_factory=lambda: {"feeling": 5, "reason": 5, "response": 1, "who": 1})
    rounds: int = 3
    seed: int = 0
    temperature: float = 0.4
    max_tokens: int = 220
    use_vad: bool = True
    skip_filters: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if unknown := sorted(set(self.mix) - set(TASKS)):
            raise RecipeError(f"there is no contextual question kind {', '.join(unknown)}: choose among {', '.join(TASKS)}")
        if unknown := sorted(set(self.skip_filters) - set(FILTERS)):
            raise RecipeError(f"there is no filter {', '.join(unknown)}: choose among {', '.join(FILTERS)}")
        if self.per_clip < 0 or self.rounds < 1 or not any(weight > 0 for weight in self.mix.values()) or any(weight < 0 for weight in self.mix.values()):
            raise RecipeError("per_clip must be at least 0, rounds at least 1, and the weights of mix not negative and not all 0")


@dataclass
class Wish:
    """One contextual question wanted for one clip, through its rounds. `turn`: how often the clip was asked the same before."""

    clip: Row
    task: Task
    turn: int
    done: bool = False


class QuestionWriter:
    """Writes the questions of a batch of clips. A stage: `setup()`, then `writer(clips)` → question rows.

    Args:
        options: what to write.
        llm: the endpoint; None for the embedded LLM, which starts with the first clip that needs it.
        reuse: clip_id → question rows of another dataset: contextual questions of these clips are taken from there and nothing is asked.
        cache: SQLite file of the embedded LLM's replies; an endpoint's stands in `llm`.
        told: called after every reply with how it stands: kept, dropped, failed.

    Attributes:
        drops: of the last call: questions wanted that never became a row, with reasons (a row that a filter dropped is a row, not one of these).
        transient: of the last call: how many of the drops may succeed when asked again.
        live, reused: contextual rows kept since `setup()`, written now and taken over.
    """

    name = "questions"
    version = 1
    schema = QUESTION_SCHEMA

    def __init__(
        self,
        options: Options | None = None,
        llm: LLMConfig | None = None,
        *,
        reuse: Mapping[str, Sequence[Row]] | None = None,
        cache: Path | None = None,
        told: Callable[[str], None] | None = None,
    ) -> None:
        self.options = options or Options()
        self.llm = llm
        self.reuse = dict(reuse or {})
        self.cache = cache
        self.told = told
        self.tally: Counter[str] = Counter()
        self.drops: list[Drop] = []
        self.transient = self.live = self.reused = 0
        self._open: contextlib.ExitStack | None = None
        self._client: ChatClient | None = None
        self._generator = ""

    @property
    def config(self) -> dict[str, Any]:
        """All that shapes the rows, for the stage's fingerprint: not where the LLM is, nor how fast it may be asked."""
        o = self.options
        shape: dict[str, Any] = {"templates": TEMPLATES_HASH if o.templates else None, "seed": o.seed, "per_clip": o.per_clip}
        if o.per_clip:
            shape |= dataclasses.asdict(o) | {
                "model": self._model(),
                "prompts": {name: TASKS[name].contract.hash for name in o.mix},
                "templates": shape["templates"],
            }
            shape["reuse"] = digest(sorted((clip, [row["qa_id"] for row in rows]) for clip, rows in self.reuse.items())) if self.reuse else None
        return shape

    def setup(self) -> None:
        """Starts counting; the LLM is left to the first clip that needs one."""
        self.live = self.reused = 0

    def __call__(self, rows: list[Row]) -> list[Row]:
        """The questions of these clips, clip by clip: template rows, then contextual ones, kept and dropped.

        Raises:
            LLMError: the endpoint cannot be used.
        """
        self.drops, self.transient = [], 0
        written: dict[str, list[Row]] = {clip["clip_id"]: [] for clip in rows}
        if self.options.templates:
            for clip in rows:
                written[clip["clip_id"]] += template_questions(clip, seed=self.options.seed)  # type: ignore[arg-type]
        if self.options.per_clip:
            for clip in rows:
                taken = [row for row in self.reuse.get(clip["clip_id"], ()) if row["kind"] == "cpqa"]
                written[clip["clip_id"]] += taken
                self.reused += sum(row["dropped"] is None for row in taken)
            self._write_contextual([clip for clip in rows if clip["clip_id"] not in self.reuse], written)
        return [row for rows_of_clip in written.values() for row in _unique(rows_of_clip)]

    def close(self) -> None:
        """Closes the connection, and ends the embedded LLM where it runs."""
        if self._open is not None:
            self._open.close()
            self._open = self._client = None

    def __getstate__(self) -> dict[str, Any]:
        """To a worker process goes what to do, not what is open."""
        return self.__dict__ | {"_open": None, "_client": None, "told": None}

    def _write_contextual(self, clips: list[Row], written: dict[str, list[Row]]) -> None:
        wishes = [wish for clip in clips for wish in self._wishes(clip)]
        # Prompts with the same beginning (task, then the feeling that chooses its examples) follow each other: servers keep what they have read.
        wishes.sort(key=lambda wish: (list(TASKS).index(wish.task.name), consensus(wish.clip["opinions"], "emotion") or ""))
        for round_ in range(self.options.rounds):
            self._ask([wish for wish in wishes if not wish.done], round_, written)

    def _wishes(self, clip: Row) -> Iterator[Wish]:
        """What to ask about a clip: different tasks as far as they reach, chosen by the clip's id."""
        if not (clip["transcript"] or "").strip():
            self.drops.append(Drop(clip["clip_id"], "no transcript", "contextual questions need the spoken words: run `cpqa annotate`"))
            return
        known = {"emotion": consensus(clip["opinions"], "emotion"), "gender": gender(clip)}
        able = {name: weight for name, weight in self.options.mix.items() if weight > 0 and known[TASKS[name].needs]}
        if not able:
            self.drops.append(Drop(clip["clip_id"], "no emotion or gender known", "contextual questions need at least one opinion"))
            return
        turn, left = -1, dict[str, float]()
        for number in range(self.options.per_clip):
            turn, left = (turn, left) if left else (turn + 1, dict(able))
            name = pick(
                [name for name, weight in left.items() for _ in range(round(100 * weight / sum(left.values())) or 1)],
                self.options.seed,
                clip["clip_id"],
                number,
            )
            del left[name]
            yield Wish(clip, TASKS[name], turn)

    def _ask(self, wishes: list[Wish], round_: int, written: dict[str, list[Row]]) -> None:
        if not wishes:
            return
        last = round_ + 1 == self.options.rounds
        requests = (self._request(wish, round_) for wish in wishes)
        for reply in self._chat().run(requests, validate=ContextualQA.model_validate_json):
            wish: Wish = reply.request.key
            if reply.text is None:
                self._tell("failed")
                # A reply that cannot be read is drawn again in the next round; a server that could not be reached is not.
                if last or reply.transient:
                    wish.done = True
                    self.transient += reply.transient
                    self.drops.append(Drop(f"{wish.clip['clip_id']} {wish.task.name}", f"LLM: {reply.error}", reply.detail))
                continue
            row = self._row(wish, wish.task.contract.parse(reply.text), written[wish.clip["clip_id"]])
            wish.done = row["dropped"] is None
            self._tell("kept" if wish.done else "dropped")
            self.live += wish.done
            written[wish.clip["clip_id"]].append(row)

    def _tell(self, outcome: str) -> None:
        self.tally[outcome] += 1
        if self.told is not None:
            self.told("LLM: " + ", ".join(f"{count} {name}" for name, count in sorted(self.tally.items())))

    def _tell_fault(self, reason: str) -> None:
        """A fault that is tried again shows as well: an endpoint in trouble must not look like one that hangs."""
        self._tell(f"× {reason}, tried again")

    def _request(self, wish: Wish, round_: int) -> ChatRequest:
        sample = wish.turn * self.options.rounds + round_
        opening = pick(wish.task.openings, self.options.seed, wish.clip["clip_id"], wish.task.name, sample)
        messages = wish.task.messages(wish.clip, opening, draw=round_, use_vad=self.options.use_vad)
        return ChatRequest(messages, wish.task.contract.schema, wish.task.contract.name, sample=sample, key=wish)

    def _row(self, wish: Wish, qa: ContextualQA, before: Sequence[Mapping[str, Any]]) -> Row:
        clip, task = wish.clip, wish.task
        emotion, sex = consensus(clip["opinions"], "emotion"), gender(clip)
        answer = qa.answer if qa.answer[-1:] in ".!?" or len(qa.answer) > 150 else f"{qa.answer}."  # near the limit it was cut, not left open
        candidate = Candidate(
            question=qa.question,
            answer=answer,
            type=task.type,
            emotions=[label for label in dict.fromkeys([emotion, *(label for _, _, label in emotion_track(clip))]) if label],
            gender=sex,
            transcript=clip["transcript"],
            names_feeling=task.needs == "emotion",
            prompt_words=PROMPT_WORDS,
            earlier=[row["question"] for row in before if row["dropped"] is None],
        )
        label = emotion if task.needs == "emotion" and emotion and claims(answer, emotion) else sex if task.needs == "gender" else None
        return dict(
            question_row(
                clip,
                "cpqa",
                task.type,
                qa.question,
                answer,
                difficulty=task.difficulty,
                label=label,
                evidence=self._evidence(clip, task, qa),
                generator=self._generator,
                prompt_hash=task.contract.hash,
                dropped=judge(candidate, skip=self.options.skip_filters),
            )
        )

    def _evidence(self, clip: Row, task: Task, qa: ContextualQA) -> list[str]:
        """The named fields that the ledger has, and the one that the task rests on."""
        there = {opinion["field"] for opinion in clip["opinions"]} | {"text"} | ({"gender"} if gender(clip) else set())
        return [name for name in dict.fromkeys([task.needs, *qa.evidence]) if name in there]

    def _model(self) -> str:
        if self.llm is not None:
            return self.llm.model
        from cp_paraling_qa.embedded import EMBEDDED_MODEL

        return EMBEDDED_MODEL

    def _chat(self) -> ChatClient:
        """The client, and with it the embedded LLM where no other is named; started once."""
        if self._client is None:
            with contextlib.ExitStack() as stack:
                llm = self.llm
                if llm is None:
                    from cp_paraling_qa.embedded import embedded_llm

                    server = stack.enter_context(embedded_llm())
                    llm = LLMConfig(server.base_url, server.model, concurrency=1, timeout=300.0, cache=self.cache)
                llm = dataclasses.replace(llm, temperature=self.options.temperature, max_tokens=self.options.max_tokens, seed=self.options.seed)
                self._client = stack.enter_context(ChatClient(llm, on_fault=self._tell_fault))
                self._open = stack.pop_all()
            self._generator = self._model()
        return self._client


def _unique(rows: Sequence[Row]) -> list[Row]:
    """Rows without repetitions: the same question with the same answer is one row, kept rather than dropped."""
    best: dict[str, Row] = {}
    for row in rows:
        if row["qa_id"] not in best or (best[row["qa_id"]]["dropped"] and not row["dropped"]):
            best[row["qa_id"]] = row
    return list(best.values())


def kept_share(rows: Sequence[Mapping[str, Any]]) -> Counter[str]:
    """Contextual rows by what became of them: "kept", or the reason for the drop."""
    return Counter(row["dropped"] or "kept" for row in rows if row["kind"] == "cpqa")
