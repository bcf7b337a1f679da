"""The report: scores and judgements → one HTML page that fetches nothing, runs nothing and fits under 5 MB.

All that is read from elsewhere is text to the page: the template escapes it, and each piece stands in an element of its own direction, so that neither markup nor
right-to-left marks reach beyond it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from cp_paraling_qa import __version__
from cp_paraling_qa.report import plots, tables
from cp_paraling_qa.report.card import BARS, judge_card
from cp_paraling_qa.report.disagreements import MOST, Disagreement, worst
from cp_paraling_qa.report.sound import data_uri
from cp_paraling_qa.report.wording import FEW, NOT_SHOWN, bounds, clean, decimal, percent, shortened
from cp_paraling_qa.stage import whole_file

Audio = Callable[[str], bytes | None]
"""Clip id → the bytes of its audio file; None where there are none."""

MOST_BYTES = 5_000_000
TEXT_LIMIT = 1200
"""Characters of a question, an answer or an explanation that the page shows."""


def write_report(scores: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], out: Path, *, audio: Audio | Mapping[str, bytes] | None = None) -> Path:
    """Writes the report of a predictions file, whole or not at all.

    Args:
        scores: what `score_file` returned, or scores.json.
        rows: the judgements that belong to them, or the rows of judgements.jsonl.
        out: the HTML file.
        audio: gives a clip's audio by its id, for the answers that are shown one by one; None for a page without sound.

    Returns:
        out.

    Raises:
        StorageError: it cannot be written.
    """
    page = render_report(scores, rows, audio=audio)
    with whole_file(out) as beside:
        beside.write_bytes(page)
    return out


def render_report(scores: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], *, audio: Audio | Mapping[str, bytes] | None = None) -> bytes:
    """The page itself, in UTF-8 and under `MOST_BYTES`."""
    heard = audio.get if isinstance(audio, Mapping) else audio
    context = _context(scores, rows)
    mute = [_shown(one, None) for one in context["worst"]]
    silent = _render(context | {"worst": mute, "dropped": 0, "sounds": heard is not None})
    sounds, dropped = _sounds(context["worst"], heard, MOST_BYTES - len(silent) - 2000)
    shown = [_shown(one, sound) for one, sound in zip(context["worst"], sounds, strict=True)]
    return _render(context | {"worst": shown, "dropped": dropped, "sounds": heard is not None})


def _sounds(chosen: Sequence[Disagreement], heard: Audio | None, room: int) -> tuple[list[str | None], int]:
    """A data URI for each answer while there is room, from the first on; and for how many there was none."""
    found: list[str | None] = []
    dropped = 0
    for one in chosen:
        clip = one.row.get("clip_id")
        sound = heard(clip) if heard and clip else None
        uri = data_uri(sound) if sound and len(sound) < room else None
        if sound and (uri is None or len(uri) > room):
            uri, dropped = None, dropped + 1
        room -= len(uri or "")
        found.append(uri)
    return found, dropped


def _render(context: Mapping[str, Any]) -> bytes:
    return str(_template().render(context)).encode("utf-8")


@functools.lru_cache(maxsize=1)
def _template() -> Any:
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"percent": percent, "clean": clean}
    environment.globals |= {
        "marks": tables.MARKS,
        "named": tables.named,
        "style": Markup(_file("style.css")),
        "bounds": bounds,
        "decimal": decimal,
        "few": FEW,
        "not_shown": NOT_SHOWN,
    }
    return environment.from_string(_file("page.html.j2"))


def _file(name: str) -> str:
    return (files("cp_paraling_qa.report") / name).read_text(encoding="utf-8")


def _context(scores: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    card = judge_card(scores)
    groups = tables.score_groups(rows)
    scale = tuple((scores.get("judge") or {}).get("scale") or (0, 5))
    return {
        "title": clean(Path(str(scores.get("file") or "predictions")).name),
        "version": __version__,
        "scores": scores,
        "configs": [(clean(name), part) for name, part in scores["configs"].items()],
        "clips": len({row["clip_id"] for row in rows if row.get("clip_id") is not None}),
        "figures": tables.FIGURES,
        "cell": tables.cell,
        "card": card,
        "bars": BARS,
        "panel": scores.get("panel"),
        "slices": tables.slice_rows(scores),
        "forests": _forests(scores),
        "matrices": tables.matrices(scores),
        "distribution": _distribution(groups),
        "ratios": tables.ratios(groups),
        "losses": list(tables.losses(scores)),
        "leak": _leaks(scores),
        "worst": worst(rows, scale) if card else [],
        "most": MOST,
        "scale": scale,
    }


def _leaks(scores: Mapping[str, Any]) -> bool:
    from cp_paraling_qa.judge.score_table import leaks

    return leaks(scores)


def _forests(scores: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Title and SVG of the scores per slice, by judge and by label."""
    from markupsafe import Markup

    found = []
    for key, title, factor, unit in (("llm_judge", "By the judge", 1, "judge, 0–100"), ("accuracy", "By the label", 100, "accuracy, %")):
        lines = tables.forest_lines(scores, key, factor)
        if not lines:
            continue
        whole = scores.get(key)
        alt = f"Forest plot of {unit}, per slice, with 95 % intervals; every figure in it is in the table below."
        drawn = plots.forest(
            lines, limits=(0, 100), whole=None if whole is None else factor * whole, unit=unit, alt=alt, salt=f"forest-{key.replace('_', '-')}"
        )
        found.append((title, Markup(drawn)))
    return found


def _distribution(groups: Mapping[str, Mapping[int, int]]) -> Any:
    from markupsafe import Markup

    if not groups:
        return None
    told = "; ".join(f"{name}: " + ", ".join(f"score {score} {count}" for score, count in sorted(counts.items())) for name, counts in groups.items())
    return Markup(plots.distribution(groups, alt=f"How often each score was given. {told}.", salt="distribution"))


def _shown(one: Disagreement, sound: str | None) -> dict[str, Any]:
    """What the page says of one answer."""
    row = one.row
    told = [("Question", row.get("question")), ("Answer", row["prediction"]), ("Reference", row["reference"]), *_explained(row)]
    texts = [(name, *shortened(clean(text), TEXT_LIMIT)) for name, text in told if text is not None]
    scores = ", ".join("–" if value is None else f"{value:g}" for value in row["scores"])
    about = [row.get("config"), row.get("type"), row.get("emotion") and f"emotion {row['emotion']}", row.get("speaker_id") and f"speaker {row['speaker_id']}"]
    return {
        "kind": one.kind,
        "id": clean(row["id"]),
        "about": " · ".join(clean(text) for text in about if text),
        "score": f"{row['score']:.3g}",
        "scores": scores if len(row["scores"]) > 1 else "",
        "human": None if row.get("human") is None else f"{row['human']:.3g}",
        "label": None if row["label"] is None else clean(row["label"]),
        "mapped": None if row["label"] is None else clean(row["mapped"]) if row["mapped"] is not None else f"none ({row['reason']})",
        "texts": texts,
        "sound": sound,
        "clip": clean(row["clip_id"]) if row.get("clip_id") else None,
    }


def _explained(row: Mapping[str, Any]) -> list[tuple[str, str | None]]:
    """What the judge said for its score; of several verdicts on which they differ, the lowest and the highest."""
    several = [(score, text) for score, text in zip(row["scores"], row.get("explanations") or (), strict=False) if score is not None and text]
    if several:
        low, high = min(several), max(several)
        return [(f"Explained for {score:g}", text) for score, text in ([low, high] if low[0] < high[0] else [low])]
    return [("Explained", row.get("explanation"))]
