"""Questions for clips: the stage that turns clip rows into question rows, kept and dropped ones side by side.

Template questions come straight from the ledger. The others are asked of an LLM, in rounds: where a filter drops one, or a reply leaves one out, the next round asks for
another draw, up to `QuestionOptions.rounds`. What is asked is a list of `Wish`es; a request carries one of them (stepwise) or all that a clip still wants of a kind (whole).
A reply that never parsed is no row; it is counted in `drops`.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from cp_paraling_qa.digests import digest
from cp_paraling_qa.generate import stepwise, whole
from cp_paraling_qa.generate.asr_items import ASR_HASH, asr_question
from cp_paraling_qa.generate.feelings import claims, feelings
from cp_paraling_qa.generate.filters import SMALL_MODEL_FILTERS, Candidate, judge
from cp_paraling_qa.generate.options import LLM_KINDS, MAX_TOKENS, TEMPERATURE, QuestionOptions
from cp_paraling_qa.generate.plan import Wanted, choose, per_clip, possible
from cp_paraling_qa.generate.records import pick, question_row
from cp_paraling_qa.generate.tally import Tally
from cp_paraling_qa.generate.templates import template_questions, templates_hash
from cp_paraling_qa.generate.told import feeling, known_fields, speakers, tell
from cp_paraling_qa.ledger import axis_mean, consensus, emotion_track, gender, shares
from cp_paraling_qa.llm import ChatClient, ChatReply, ChatRequest, ClientStats, LLMConfig
from cp_paraling_qa.llm_batch import PENDING
from cp_paraling_qa.schema import AXES, QUESTION_SCHEMA
from cp_paraling_qa.stage import Drop, Row


class Client(Protocol):
    """What answers requests: the live client, or replies that are there already."""

    stats: ClientStats

    def run(self, requests: Iterable[ChatRequest], *, validate: Callable[[str], object] | None = None) -> Iterator[ChatReply]:
        """Replies in the order of the requests."""

    def close(self) -> None:
        """Ends it."""


TOGETHER = 10
"""Questions asked for in one request at the most: a reply with many more would be cut at max_tokens, and the last ones of it repeat the first."""


@dataclass
class Wish:
    """One LLM-written question wanted for one clip, through its rounds.

    Args:
        clip: the clip row.
        kind: pqa or cpqa.
        wanted: type and difficulty.
        task: what to ask, where one thing is asked at a time.
        turn: how often the clip was asked the same before.
        part: which request of the clip's it goes into, where there are more than `TOGETHER`.
        sample: which of `QuestionOptions.samples` it belongs to.
    """

    clip: Row
    kind: str
    wanted: Wanted
    task: stepwise.Task | None
    turn: int
    part: int
    sample: int
    done: bool = False

    @property
    def name(self) -> str:
        """The clip and what is asked, for the record."""
        return f"{self.clip['clip_id']} {self.task.name if self.task else f'{self.kind} {self.wanted.type}'}"


class Answer(Protocol):
    """A question as a reply gives it."""

    question: str
    answer: str
    evidence: list[Any]


class QuestionWriter:
    """Writes the questions of a batch of clips. A stage: `setup()`, then `writer(clips)` → question rows.

    Args:
        options: what to write.
        llm: the endpoint; None for the embedded LLM, which starts with the first clip that needs it.
        reuse: clip_id → question rows of another dataset: LLM-written questions of these clips are taken from there and nothing is asked.
        cache: SQLite file of the embedded LLM's replies; an endpoint's stands in `llm`.
        client: makes what answers; the live client if nothing else is named.
        told: called after every reply with how it stands.
        total: clips of the whole run, for what it will cost.

    Attributes:
        drops: of the last call: questions wanted that never became a row, with reasons (a row that a filter dropped is a row, not one of these).
        transient: of the last call: how many of the drops may succeed when asked again.
        tally: kept, dropped, failed and paid since the beginning.
    """

    name = "written"
    version = 5
    schema = QUESTION_SCHEMA

    def __init__(
        self,
        options: QuestionOptions | None = None,
        llm: LLMConfig | None = None,
        *,
        reuse: Mapping[str, Sequence[Row]] | None = None,
        cache: Path | None = None,
        client: Callable[[LLMConfig], Client] | None = None,
        told: Callable[[str], None] | None = None,
        total: int = 0,
    ) -> None:
        self.options = options or QuestionOptions()
        self.style = self.options.style or ("stepwise" if llm is None else "whole")
        self.llm = llm
        self.reuse = dict(reuse or {})
        self.cache = cache
        self.client = client
        self.told = told
        self.tally = Tally(total)
        self.drops: list[Drop] = []
        self.transient = 0
        self._open: contextlib.ExitStack | None = None
        self._client: Client | None = None
        self._generator = ""
        self._away = False
        strict = self.options.strict if self.options.strict is not None else self.style == "stepwise"
        self._skipped = (*self.options.skip_filters, *(() if strict else SMALL_MODEL_FILTERS))

    @property
    def config(self) -> dict[str, Any]:
        """All that shapes the rows, for the stage's fingerprint: not where the LLM is, nor how fast it may be asked."""
        o = self.options
        shape: dict[str, Any] = {"kinds": list(o.kinds), "seed": o.seed}
        if "asr" in o.kinds:
            shape["asr"] = ASR_HASH
        if "pqa_template" in o.kinds:
            shape["templates"] = templates_hash(o.forms)
        if o.llm_kinds:
            shape |= o.model_dump(mode="json", include=set(_SHAPING)) | {
                "model": self._model(),
                "style": self.style,
                "skipped": sorted(self._skipped),
                "sampling": list(self._sampling()),
                "prompts": self._prompts(),
                "reuse": digest(sorted((clip, [row["qa_id"] for row in rows]) for clip, rows in self.reuse.items())) if self.reuse else None,
            }
        return shape

    def setup(self) -> None:
        """Nothing is loaded: the LLM is left to the first clip that needs one."""

    def __call__(self, rows: list[Row]) -> list[Row]:
        """The questions of these clips, clip by clip: those from the ledger, then LLM-written ones, kept and dropped.

        Raises:
            LLMError: the endpoint cannot be used.
        """
        self.drops, self.transient = [], 0
        o = self.options
        written: dict[str, list[Row]] = {clip["clip_id"]: [] for clip in rows}
        for clip in rows:
            mine = written[clip["clip_id"]]
            if "asr" in o.kinds and (item := asr_question(clip, seed=o.seed)) is not None:
                mine.append(dict(item))
            if "pqa_template" in o.kinds:
                mine += map(dict, template_questions(clip, seed=o.seed, forms=o.forms))
            mine += (taken := [row for row in self.reuse.get(clip["clip_id"], ()) if row["kind"] in o.kinds])
            self.tally.reused += sum(row["dropped"] is None for row in taken)
        if o.llm_kinds:
            self._write([clip for clip in rows if clip["clip_id"] not in self.reuse], written)
            if self._away:
                self.close()
        self.tally.clips += len(rows)
        return [row for rows_of_clip in written.values() for row in _unique(rows_of_clip)]

    @property
    def stats(self) -> ClientStats | None:
        """Of the client, while it is open; None where nothing was asked in this process."""
        return self._client.stats if self._client is not None else None

    def close(self) -> None:
        """Closes the connection, and ends the embedded LLM where it runs."""
        if self._open is not None:
            self._open.close()
            self._open = self._client = None

    def requests(self, clips: Iterable[Row]) -> Iterator[ChatRequest]:
        """The requests of the first round: what an estimate counts."""
        for clip in clips:
            if clip["clip_id"] not in self.reuse:
                for asked in self._asked(list(self._wishes(clip))):
                    yield self._request(asked, 0, [])
        self.drops = []

    def __getstate__(self) -> dict[str, Any]:
        """To a worker process goes what to do, not what is open. It may be ended after any part, without a word: there the client is closed, its replies kept, with each."""
        return self.__dict__ | {"_open": None, "_client": None, "told": None, "_away": True}

    # -- what to ask --------------------------------------------------------------------------------------------------------------------

    def _write(self, clips: list[Row], written: dict[str, list[Row]]) -> None:
        wishes = [wish for clip in clips for wish in self._wishes(clip)]
        if self.style == "stepwise":
            # Prompts with the same beginning (task, then the feeling that chooses its examples) follow each other: servers keep what they have read.
            order = {name: number for number, name in enumerate(stepwise.TASKS)}
            wishes.sort(key=lambda wish: (order[wish.task.name] if wish.task else 0, feeling(wish.clip, self.options.told) or ""))
        waiting: set[str] = set()
        for round_ in range(self.options.rounds):
            asked = list(self._asked([wish for wish in wishes if not wish.done and wish.clip["clip_id"] not in waiting]))
            self.tally.expect(len(clips), len(asked) if round_ == 0 else 0)
            waiting |= self._ask(asked, round_, written)
        for wish in wishes:
            if not wish.done and wish.clip["clip_id"] in waiting:
                self.transient += 1
                self.drops.append(Drop(wish.name, f"LLM: {PENDING}", "another reply for the clip is to come first"))
            elif not wish.done and self.style == "whole":
                self.drops.append(Drop(wish.name, "LLM: no question of this type passed", f"{self.options.rounds} rounds"))

    def _wishes(self, clip: Row) -> Iterator[Wish]:
        """What to ask about a clip: different questions as far as they reach."""
        o = self.options
        known = known_fields(clip, o.told)
        for kind in o.llm_kinds:
            if kind == "cpqa" and "text" not in known:
                self.drops.append(Drop(clip["clip_id"], "no transcript", "contextual questions need the spoken words: run `cpqa annotate`"))
                continue
            able = {type: o.mix.get(type, 0.0) if kind == "cpqa" else 1.0 for type in possible(kind, known, speakers(clip))}
            tasks = {type: [task for task in stepwise.TASKS.values() if (task.kind, task.type) == (kind, type)] for type in able}
            if self.style == "stepwise":
                able = {type: weight for type, weight in able.items() if tasks[type]}
            if not any(able.values()):
                self.drops.append(Drop(clip["clip_id"], "no emotion or gender known", f"questions of kind {kind} need at least one opinion"))
                continue
            count = o.per_clip or per_clip(kind, clip["duration"])
            for sample in range(o.samples):
                turns: dict[str, int] = {}
                for number, wanted in enumerate(choose(able, count, o.seed, clip["clip_id"], kind, sample)):
                    task = self._task(tasks[wanted.type], turns, o.seed, clip["clip_id"], kind, sample, number) if self.style == "stepwise" else None
                    if task is not None:
                        turns[task.name] = turns.get(task.name, -1) + 1
                        wanted = Wanted(task.type, task.difficulty)
                    yield Wish(clip, kind, wanted, task, turns[task.name] if task else 0, number // TOGETHER, sample)

    def _task(self, tasks: Sequence[stepwise.Task], turns: Mapping[str, int], *seed: object) -> stepwise.Task:
        """One of the tasks of a type, those that the clip has had least often first."""
        least = min(turns.get(task.name, -1) for task in tasks)
        fresh = [task for task in tasks if turns.get(task.name, -1) == least]
        return pick([task for task in fresh for _ in range(round(10 * task.weight))], *seed, "task")

    def _asked(self, wishes: list[Wish]) -> Iterator[list[Wish]]:
        """The wishes that go into one request."""
        if self.style == "stepwise":
            yield from ([wish] for wish in wishes)
            return
        together: dict[tuple[str, str, int, int], list[Wish]] = {}
        for wish in wishes:
            together.setdefault((wish.clip["clip_id"], wish.kind, wish.sample, wish.part), []).append(wish)
        yield from together.values()

    def _request(self, asked: list[Wish], round_: int, before: Sequence[str]) -> ChatRequest:
        first, o = asked[0], self.options
        if first.task is None:
            contract = whole.CONTRACTS[first.kind]
            wanted = [wish.wanted for wish in asked]
            draw = first.sample + o.samples * first.part
            context = whole.context(tell(first.clip, o.told), first.kind, wanted, before, o.language, o.seed, first.clip["clip_id"], draw, round_)
            return ChatRequest(contract.messages(context), contract.schema, contract.name, sample=draw * o.rounds + round_, key=asked)
        task = first.task
        sample = (first.sample * 100 + first.turn) * o.rounds + round_
        opening = pick(task.openings, o.seed, first.clip["clip_id"], task.name, sample)
        return ChatRequest(task.messages(first.clip, opening, o.told, draw=round_), task.contract.schema, task.contract.name, sample=sample, key=asked)

    # -- what comes back ----------------------------------------------------------------------------------------------------------------

    def _ask(self, asked: list[list[Wish]], round_: int, written: dict[str, list[Row]]) -> set[str]:
        """One round; the clips of which a reply is yet to come by another way, so that what is asked of them next is not known yet."""
        waiting: set[str] = set()
        if not asked:
            return waiting
        client = self._chat()
        last = round_ + 1 == self.options.rounds
        # as it stands now: what a prompt shows must not hang on which reply of the same round came first
        before = {clip: [row["question"] for row in rows if row["dropped"] is None and row["kind"] in LLM_KINDS] for clip, rows in written.items()}
        requests = (self._request(wishes, round_, before[wishes[0].clip["clip_id"]]) for wishes in asked)
        for reply in client.run(requests, validate=whole.read if self.style == "whole" else stepwise.OneQA.model_validate_json):
            wishes: list[Wish] = reply.request.key
            if reply.text is not None:
                self._read(reply.text, wishes, written[wishes[0].clip["clip_id"]])
            elif reply.error == PENDING:
                waiting.add(wishes[0].clip["clip_id"])
            else:
                self._failed(reply, wishes, last)
            self.tally.answered()
            self._tell()
        return waiting

    def _failed(self, reply: ChatReply, wishes: list[Wish], last: bool) -> None:
        """A reply that cannot be read is drawn again in the next round; a server that could not be reached is not."""
        self.tally.failed[reply.error or "no reply"] += 1
        if last or reply.transient:
            for wish in wishes:
                wish.done = True
                self.transient += reply.transient
                self.drops.append(Drop(wish.name, f"LLM: {reply.error}", reply.detail))

    def _read(self, text: str, wishes: list[Wish], rows: list[Row]) -> None:
        """The rows of a reply; a wish that one of them grants is done."""
        first = wishes[0]
        if first.task is not None:
            row = self._row(first, first.wanted, first.task.contract.parse(text), rows)
            first.done = row["dropped"] is None
            rows.append(row)
            self.tally.add(row)
            return
        fitting, wrong = whole.read(text)
        self.drops += [Drop(f"{first.clip['clip_id']} {first.kind}", "LLM: question does not fit the schema", why) for why in wrong]
        for qa in fitting:
            # it grants a wish of its own type alone: a model that writes one type only would else undo the mix
            granted = min(
                (wish for wish in wishes if not wish.done and wish.wanted.type == qa.type),
                key=lambda wish: wish.wanted.difficulty != qa.difficulty,
                default=None,
            )
            wanted = Wanted(qa.type, qa.difficulty)
            row = self._row(first, wanted, qa, rows)
            if row["dropped"] is None and granted is not None:
                granted.done = True
            elif row["dropped"] is None:
                row["dropped"] = "more than was asked for" if qa.type in {wish.wanted.type for wish in wishes} else "type not asked for"
            rows.append(row)
            self.tally.add(row)

    def _row(self, wish: Wish, wanted: Wanted, qa: Answer, before: Sequence[Mapping[str, Any]]) -> Row:
        clip, type, told = wish.clip, wanted.type, self.options.told
        emotion, sex, count = consensus(clip["opinions"], "emotion", sources=told.sources), gender(clip), speakers(clip)
        cut = wish.task is not None and len(qa.answer) > 150  # near the schema's limit it was cut, not left open
        answer = qa.answer if cut or qa.answer.rstrip(_CLOSING)[-1:] in _ENDS else f"{qa.answer}."
        candidate = Candidate(
            question=qa.question,
            answer=answer,
            type=type,
            emotions=[label for label in dict.fromkeys([emotion, *(label for _, _, label in emotion_track(clip, sources=told.sources))]) if label],
            gender=sex,
            transcript=clip["transcript"] or "",
            names_feeling=wish.task is not None and wish.task.needs == "emotion" and emotion is not None,
            prompt_words=stepwise.PROMPT_WORDS if wish.task else whole.PROMPT_WORDS,
            earlier=[row["question"] for row in before if row["dropped"] is None],
            language=self.options.language,
            speakers=count,
            affect={axis: axis_mean(clip["opinions"], axis, sources=told.sources) for axis in AXES},
            shares=shares(clip["opinions"], "emotion", sources=told.sources),
        )
        if type in ("DE", "CE"):
            # a question that names the feeling itself asks for something else: its answer is no answer about the feeling
            label = emotion if emotion and claims(answer, emotion) and not feelings(qa.question) else None
        else:
            label = {"DG": sex, "CG": sex, "DS": str(count) if count else None}.get(type)
        return dict(
            question_row(
                clip,
                wish.kind,
                type,
                qa.question,
                answer,
                difficulty=wanted.difficulty,
                label=label,
                evidence=self._evidence(wish, type, qa),
                generator=self._generator,
                prompt_hash=(wish.task.contract if wish.task else whole.CONTRACTS[wish.kind]).hash,
                dropped=judge(candidate, skip=self._skipped),
            )
        )

    def _evidence(self, wish: Wish, type: str, qa: Answer) -> list[str]:
        """The named fields that the ledger has and the prompt told of, after the one that the type rests on."""
        rests_on = {"C": "text", "CE": "emotion", "DE": "emotion", "CG": "gender", "DG": "gender", "CS": "speakers", "DS": "speakers"}[type]
        there = known_fields(wish.clip, self.options.told) - ({"text"} if wish.kind == "pqa" else set())
        return [name for name in dict.fromkeys([rests_on, *qa.evidence]) if name in there]

    # -- who answers --------------------------------------------------------------------------------------------------------------------

    def _tell(self) -> None:
        if self.told is not None:
            self.told(self.tally.line(self.stats))

    def _tell_fault(self, reason: str) -> None:
        """A fault that is tried again shows as well: an endpoint in trouble must not look like one that hangs."""
        self.tally.faults[reason] += 1
        self._tell()

    def _model(self) -> str:
        if self.llm is not None:
            return self.llm.model
        from cp_paraling_qa.embedded import EMBEDDED_MODEL

        return EMBEDDED_MODEL

    def _sampling(self) -> tuple[float, int]:
        if self.llm is not None:
            return self.llm.temperature, self.llm.max_tokens
        return TEMPERATURE, MAX_TOKENS[self.style]

    def _prompts(self) -> dict[str, str]:
        if self.style == "whole":
            return {kind: whole.CONTRACTS[kind].hash for kind in self.options.llm_kinds}
        return {task.name: task.contract.hash for task in stepwise.TASKS.values() if task.kind in self.options.llm_kinds}

    def _chat(self) -> Client:
        """The client, and with it the embedded LLM where no other is named; started once."""
        if self._client is None:
            with contextlib.ExitStack() as stack:
                llm = self.llm
                if llm is None:
                    from cp_paraling_qa.embedded import embedded_config

                    temperature, max_tokens = self._sampling()
                    llm = stack.enter_context(embedded_config(self.cache, temperature=temperature, max_tokens=max_tokens))
                llm = dataclasses.replace(llm, seed=self.options.seed)
                self._client = self.client(llm) if self.client is not None else ChatClient(llm, on_fault=self._tell_fault)
                stack.callback(self._client.close)
                self._open = stack.pop_all()
            self._generator = self._model()
        return self._client


_ENDS = (*".!?…。！？।؟۔", "")
"""Of a sentence, in any script; "" where nothing but closing marks is there."""
_CLOSING = "\"'”’»)』」"
_SHAPING = ("per_clip", "samples", "rounds", "mix", "language", "vad", "emotions", "opinions", "soft_labels")


def _unique(rows: Sequence[Row]) -> list[Row]:
    """Rows without repetitions: the same question with the same answer is one row, kept rather than dropped."""
    best: dict[str, Row] = {}
    for row in rows:
        if row["qa_id"] not in best or (best[row["qa_id"]]["dropped"] and not row["dropped"]):
            best[row["qa_id"]] = row
    return list(best.values())
