"""The text-shortcut audit: which questions a model answers right that reads the words and never hears the voice.

CP-Bench (arXiv 2509.16589): a cascade that sees the transcript alone reaches 51–56 on contextual questions; VoxParadox (2605.27772): where words and voice conflict, audio LLMs
follow the words. So a question that is marked here asks little of a listener. The control, the same questions with another clip's words, says how much of it is guessing.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from itertools import islice
from typing import Any, NamedTuple

from cp_paraling_qa.errors import RecipeError
from cp_paraling_qa.generate.audit.contracts import OPEN, SAME, closed
from cp_paraling_qa.generate.audit.control import NO_OTHER_WORDS, NO_WORDS, Row, Spill, order, said
from cp_paraling_qa.generate.audit.intervals import difference, ranked, share
from cp_paraling_qa.generate.contract import Contract
from cp_paraling_qa.labels import canonical
from cp_paraling_qa.llm import ChatClient, ChatReply, ChatRequest, LLMConfig

MAX_TOKENS = 256
"""Of a reply. Fixed here, since it is part of a cached reply's key: an audit repeated under other defaults would ask everything again."""
DRAWN = 0.7
"""Temperature of answers where several are drawn; a single one is asked for at 0."""
MOST_OPTIONS = 50
"""A longer list of labels is no closed set: such questions are graded as open ones."""
CHUNK = 1000
"""Questions worked on at a time: what bounds memory. The marks do not depend on it."""
DISAGREES = "grader: another verdict in the other order"

EndpointFactory = Callable[[], AbstractContextManager[LLMConfig]]
"""Opened with the first question that is asked, closed at the end: an embedded server starts only where it is needed."""


class _Try(NamedTuple):
    """One answer to be asked for."""

    at: int  # the row's place in its chunk
    control: bool
    sample: int


class _Judged(NamedTuple):
    """What became of one answer: right, wrong, or None with the reason."""

    right: bool | None
    reason: str = ""
    transient: bool = False
    label: str = ""  # the option chosen


class _Tally:
    """Counts of one slice of the questions."""

    def __init__(self) -> None:
        self.seen: Counter[tuple[bool | None, bool | None]] = Counter()

    def report(self) -> dict[str, Any]:
        """Share right with the true words and with others, and the lift over the questions that were judged with both."""
        true = {mark: sum(n for (own, _), n in self.seen.items() if own is mark) for mark in (True, False)}
        other = {mark: sum(n for (_, control), n in self.seen.items() if control is mark) for mark in (True, False)}
        both = sum(n for pair, n in self.seen.items() if None not in pair)
        return {
            "right": share(true[True], true[True] + true[False]),
            "control": share(other[True], other[True] + other[False]),
            "lift": difference(self.seen[True, False], self.seen[False, True], both),
        }


class TextShortcut:
    """Asks a text model every question with the clip's words alone, and marks those that it gets right.

    A question with a label is closed: the model chooses one of the labels that occur for its type, and right is exact. An open answer is right if a grader (the same model, at
    temperature 0) finds that it claims the same as the reference, asked in both orders with one verdict; embedding similarity proves nothing here. A question whose control is
    right as well is still marked: the mark says what happened, `lift` says how much of it the words explain.

    Args:
        llm: the endpoint, or what opens one; temperature, max_tokens and seed are the audit's own.
        name: what to call the model in the result; None for the endpoint's name.
        samples: answers drawn for each question and each control; right if more than half of them are.
        seed: of the draws, of the order of the options and of the control.
        limit: how many questions to ask, chosen by their id; None for all.
        told: called after every reply with how it stands.

    Attributes:
        result: of the last call; see `__call__`.
        transient: of the last call: questions without a mark, or without a control, that may get one when asked again.
    """

    def __init__(
        self,
        llm: LLMConfig | EndpointFactory,
        *,
        name: str | None = None,
        samples: int = 1,
        seed: int = 0,
        limit: int | None = None,
        told: Callable[[str], None] | None = None,
        chunk: int = CHUNK,
    ) -> None:
        if samples < 1 or chunk < 1 or (limit is not None and limit < 1):
            raise RecipeError("the text-shortcut audit needs samples, chunk and limit of at least 1")
        self.llm, self.name, self.samples, self.seed, self.limit, self.told, self.chunk = llm, name, samples, seed, limit, told, chunk
        self.result: dict[str, Any] = {}
        self.transient = 0
        self._replies: Counter[str] = Counter()
        self._again: set[str] = set()  # questions without a mark that may get one when asked again

    @property
    def config(self) -> dict[str, Any]:
        """All that shapes the marks but the model and the labels of the data, for a stage's fingerprint."""
        contracts = {contract.name: contract.hash for contract in (OPEN, closed(("a", "b")), SAME)}
        return {"samples": self.samples, "seed": self.seed, "limit": self.limit, "max_tokens": MAX_TOKENS, "contracts": contracts}

    def __call__(self, rows: Iterable[Mapping[str, Any]]) -> dict[str, bool | None]:
        """Marks for all rows.

        Args:
            rows: with qa_id, question, answer, and label, type, transcript, clip_id, language as far as known; read once. Rows of one qa_id share one mark.

        Returns:
            qa_id → whether the words alone suffice; None where nobody can tell: no transcript, not chosen (`limit`), or a failed request. `result` then holds model, samples,
            seed, contracts (hashes), rows, without_words, asked, judged, right / control (shares of the judged), lift (right − control on questions judged with both),
            by_type, chosen (what it chose by type, with one sample: a reader that always says the same is no reader), failures and control_failures (questions by reason), transient.

        Raises:
            LLMError: the endpoint cannot be used; replies that came are in the cache.
        """
        marks: dict[str, bool | None] = {}
        slices: dict[str, _Tally] = defaultdict(_Tally)
        failures: Counter[str] = Counter()
        control_failures: Counter[str] = Counter()
        counts: Counter[str] = Counter()
        chosen: dict[str, Counter[str]] = defaultdict(Counter)
        self.result, self.transient, self._replies, self._again = {}, 0, Counter(), set()
        with Spill(rows, seed=self.seed, limit=self.limit) as spill, contextlib.ExitStack() as stack:
            asking = _Asking(self, stack)
            wanted = (row for row in spill if self._wanted(row, spill, marks, counts))
            while chunk := list(islice(wanted, self.chunk)):
                for row, own, other in asking.judge(chunk, spill):
                    marks[row["qa_id"]] = own.right
                    if own.label:
                        chosen[row["type"] or "no type"][own.label] += 1
                    for name in ("", row["type"] or "no type"):
                        slices[name].seen[own.right, other.right] += 1
                    if own.right is None:
                        failures[own.reason] += 1
                    if other.right is None:
                        control_failures[other.reason] += 1
                    self.transient += own.transient or other.transient
                    if own.transient:
                        self._again.add(row["qa_id"])
            total = spill.rows
        model = self.name or asking.model
        everything = slices.pop("", _Tally())
        self.result = {
            "model": model,
            **{key: value for key, value in self.config.items() if key in ("samples", "seed", "contracts")},
            "rows": total,
            "without_words": counts[NO_WORDS],
            "asked": counts["asked"],
            "judged": sum(n for (own, _), n in everything.seen.items() if own is not None),
            **everything.report(),
            "by_type": {name: tally.report() for name, tally in sorted(slices.items())},
            "chosen": {name: ranked(labels) for name, labels in sorted(chosen.items())},
            "failures": ranked(failures),
            "control_failures": ranked(control_failures),
            "transient": self.transient,
        }
        return marks

    def tried(self, rows: Iterable[Mapping[str, Any]]) -> dict[str, bool | None]:
        """Marks without those that a passing failure kept away: a row that is missing is to be asked again, one that is None is not."""
        return {qa: mark for qa, mark in self(rows).items() if qa not in self._again}

    def _wanted(self, row: Row, spill: Spill, marks: dict[str, bool | None], counts: Counter[str]) -> bool:
        """Whether to ask a row; those that are not asked are marked None here."""
        if row["qa_id"] in marks:
            return False  # the same question again: one mark, one count
        marks[row["qa_id"]] = None
        counts[NO_WORDS] += not said(row)
        if not said(row) or not spill.asked(row):
            return False
        counts["asked"] += 1
        return True

    def _tell(self, reply: ChatReply) -> None:
        self._replies["failed" if reply.text is None else "answered"] += 1
        if self.told is not None:
            self.told("text alone: " + ", ".join(f"{count} {name}" for name, count in sorted(self._replies.items())))


class _Asking:
    """The requests of one audit: answers, then grades, chunk by chunk, through clients that are opened when they are needed."""

    def __init__(self, audit: TextShortcut, stack: contextlib.ExitStack) -> None:
        self.audit, self.stack = audit, stack
        self._config: LLMConfig | None = None if callable(audit.llm) else audit.llm
        self._clients: dict[float, ChatClient] = {}

    @property
    def model(self) -> str | None:
        """The endpoint's name of the model; None where nothing was asked."""
        return self._config.model if self._config else None

    def judge(self, rows: Sequence[Row], spill: Spill) -> Iterator[tuple[Row, _Judged, _Judged]]:
        """Every row with what became of it, and of its control."""
        words: dict[bool, list[str | None]] = {False: [said(row) for row in rows], True: [spill.other_words(row) for row in rows]}
        tries = [
            _Try(at, control, sample) for at in range(len(rows)) for control in (False, True) if words[control][at] for sample in range(self.audit.samples)
        ]
        verdicts = self._verdicts(rows, words, tries, spill.inventories)
        for at, row in enumerate(rows):
            own, other = ([verdicts[_Try(at, control, sample)] for sample in range(self.audit.samples) if words[control][at]] for control in (False, True))
            yield row, _majority(own), _majority(other) if other else _Judged(None, NO_OTHER_WORDS)

    def _verdicts(
        self, rows: Sequence[Row], words: Mapping[bool, Sequence[str | None]], tries: Iterable[_Try], inventories: Mapping[str, tuple[str, ...]]
    ) -> dict[_Try, _Judged]:
        by_contract: dict[Contract[Any], list[_Try]] = defaultdict(list)
        for one in tries:
            by_contract[self._contract(rows[one.at], inventories)].append(one)
        verdicts: dict[_Try, _Judged] = {}
        answers: list[tuple[_Try, str]] = []
        for contract, asked in by_contract.items():
            requests = [self._request(contract, rows[one.at], words[one.control][one.at] or "", one, inventories) for one in asked]
            for reply in self._run(requests, contract, 0.0 if self.audit.samples == 1 else DRAWN):
                one = reply.request.key
                if reply.text is None:
                    verdicts[one] = _Judged(None, f"answer: {reply.error}", reply.transient)
                elif contract is OPEN:
                    answers.append((one, OPEN.parse(reply.text).answer))
                else:
                    label = contract.parse(reply.text).label
                    verdicts[one] = _Judged(canonical(label) == canonical(rows[one.at]["label"]), label=label)
        return verdicts | self._grades(rows, answers)

    def _contract(self, row: Row, inventories: Mapping[str, tuple[str, ...]]) -> Contract[Any]:
        options = inventories.get(row["type"] or "", ())
        return closed(options) if (row["label"] or "").strip() and 2 <= len(options) <= MOST_OPTIONS else OPEN

    def _request(self, contract: Contract[Any], row: Row, words: str, one: _Try, inventories: Mapping[str, tuple[str, ...]]) -> ChatRequest:
        # Each question has its options in an order of its own, so that a liking for the first one does not favour one label.
        options = sorted(inventories.get(row["type"] or "", ()), key=lambda label: order(self.audit.seed, row["qa_id"], label))
        messages = contract.messages({"words": words, "question": row["question"], "options": options})
        return ChatRequest(messages, contract.schema, contract.name, sample=one.sample, key=one)

    def _grades(self, rows: Sequence[Row], answers: Sequence[tuple[_Try, str]]) -> dict[_Try, _Judged]:
        """Whether open answers claim what the references claim: one verdict in both orders, or none."""
        verdicts = {one: _Judged(True) for one, answer in answers if _plain(answer) == _plain(rows[one.at]["answer"])}
        requests = []
        for one, answer in answers:
            if one not in verdicts:
                for first, second in ((rows[one.at]["answer"], answer), (answer, rows[one.at]["answer"])):
                    messages = SAME.messages({"question": rows[one.at]["question"], "first": first, "second": second})
                    requests.append(ChatRequest(messages, SAME.schema, SAME.name, key=one))
        found: dict[_Try, list[_Judged]] = defaultdict(list)
        for reply in self._run(requests, SAME, 0.0):
            verdict = _Judged(None, f"grader: {reply.error}", reply.transient) if reply.text is None else _Judged(SAME.parse(reply.text).same)
            found[reply.request.key].append(verdict)
        for one, (first, second) in found.items():
            failed = next((verdict for verdict in (first, second) if verdict.right is None), None)
            verdicts[one] = failed or (first if first.right == second.right else _Judged(None, DISAGREES))
        return verdicts

    def _run(self, requests: Sequence[ChatRequest], contract: Contract[Any], temperature: float) -> Iterator[ChatReply]:
        if not requests:
            return
        for reply in self._client(temperature).run(requests, validate=contract.parse):
            self.audit._tell(reply)
            yield reply

    def _client(self, temperature: float) -> ChatClient:
        if self._config is None:
            assert callable(self.audit.llm)
            self._config = self.stack.enter_context(self.audit.llm())
        if temperature not in self._clients:
            config = dataclasses.replace(self._config, temperature=temperature, top_p=None, max_tokens=MAX_TOKENS, seed=self.audit.seed)
            self._clients[temperature] = self.stack.enter_context(ChatClient(config))
        return self._clients[temperature]


def _majority(draws: Sequence[_Judged]) -> _Judged:
    """Right if more than half of the draws are; None as soon as one of them is: a failure is never counted as an answer."""
    if failed := next((draw for draw in draws if draw.right is None), None):
        return failed
    return draws[0] if len(draws) == 1 else _Judged(2 * sum(bool(draw.right) for draw in draws) > len(draws))


def _plain(text: str) -> str:
    return " ".join("".join(c if c.isalnum() else " " for c in text.casefold()).split())
