"""A page for the metric: upload predictions, see scores with intervals, slices, confusion and what was lost, take the files home.

    python metrics/llm_judge/app.py

`evaluate`'s own widget breaks with gradio 4 and later, drops rows with an empty cell and shows a dict in a text box; so the page is built here.

Who may be asked: the judge's key comes from OPENAI_API_KEY and is sent to OPENAI_BASE_URL alone (OpenAI's own address if that is not set). An address that a visitor
types gets no key, and on a hosted page (where SPACE_ID is set) none is asked at all: a page that fetches what strangers type would open its network to them.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from html import escape
from pathlib import Path

import gradio as gr

from cp_paraling_qa.errors import CPQAError, JudgeError
from cp_paraling_qa.judge.judging import JudgeConfig
from cp_paraling_qa.judge.labels.vocabulary import same_meaning
from cp_paraling_qa.judge.predictions import read_predictions
from cp_paraling_qa.judge.rubric import RUBRICS
from cp_paraling_qa.judge.score import rubric_of
from cp_paraling_qa.judge.scorefile import score_answers
from cp_paraling_qa.report import plots, tables
from cp_paraling_qa.report.card import judge_card
from cp_paraling_qa.report.files import places, write_results
from cp_paraling_qa.report.wording import bounds, percent

EXAMPLE = Path(__file__).with_name("example.jsonl")
OPENAI = "https://api.openai.com/v1"
AS_GIVEN = "the labels that occur in the file"
OWN = "my own list (type it below)"
SPACES = {
    "IEMOCAP, 4 emotions": "angry, happy, neutral, sad",
    "MELD, 7 emotions": "angry, disgusted, fearful, happy, neutral, sad, surprised",
    "RAVDESS, 8 emotions": "angry, calm, disgusted, fearful, happy, neutral, sad, surprised",
    "CREMA-D, 6 emotions": "angry, disgusted, fearful, happy, neutral, sad",
    "MSP-Podcast, 8 emotions": "angry, contemptuous, disgusted, fearful, happy, neutral, sad, surprised",
    "sentiment": "negative, neutral, positive",
    "gender": "female, male",
}
MOST_ROWS = 20_000
CSS = """
.cpqa { --accent: #1d5fb4; --second: #b4530f; --muted: #5f6875; --line: #d9dee5; --shade: 29, 95, 180; }
.dark .cpqa { --accent: #74b3ff; --second: #f2a56c; --muted: #9aa5b1; --line: #3a414b; --shade: 116, 179, 255; }
.cpqa-cards { display: flex; flex-wrap: wrap; gap: 1rem; margin-bottom: .8rem; }
.cpqa-card { flex: 1 1 13rem; padding: .9rem 1.1rem; border: 1px solid var(--line); border-radius: 10px; }
.cpqa-card b { display: block; font-size: 1.9rem; line-height: 1.25; }
.cpqa-card span, .cpqa-note { color: var(--muted) !important; font-size: .875rem; }
.cpqa-plots, .cpqa-tables { display: flex; flex-wrap: wrap; gap: 1.5rem; color: inherit; }
.cpqa-plots figure { flex: 1 1 18rem; max-width: 29rem; margin: 0; }
.cpqa-plots svg { width: 100%; height: auto; overflow: visible; }
.cpqa-tables > div { overflow-x: auto; max-width: 100%; }
.cpqa-tables table { border-collapse: separate; border-spacing: 1px; border: 0 !important; }
.cpqa-tables caption { text-align: left; padding-bottom: .3rem; white-space: nowrap; }
.cpqa-tables th, .cpqa-tables td { padding: .3rem .6rem !important; border: 0 !important; text-align: right; font-weight: 400; }
.cpqa-tables .right { font-weight: 700; }
"""


def label_spaces(rows, chosen, typed):
    """Question type → labels, for the types whose true labels all mean one of the chosen ones; and what to say of it.

    Raises:
        JudgeError: no label typed, or the labels fit no question type.
    """
    if chosen == AS_GIVEN:
        return None, ""
    space = [label.strip() for label in (typed if chosen == OWN else SPACES[chosen]).split(",") if label.strip()]
    if not space:
        raise JudgeError("The label space is empty: type the labels, with commas between them, or choose another label space.")
    found, strange = {}, {}
    for row in rows:
        if row.get("label"):
            kind = row.get("type") or ""
            found.setdefault(kind, space)
            if not any(same_meaning(row["label"], label) or row["label"].strip().lower() == label.lower() for label in space):
                strange.setdefault(kind, row["label"])
    fitting = {kind: space for kind in found if kind not in strange}
    if strange and not fitting:
        absent = " and no ".join(f"“{label}”" for label in strange.values())
        raise JudgeError(f"The label space fits no question type: {', '.join(space)} has no {absent}. Choose another, or “{AS_GIVEN}”.")
    left = ", ".join(kind or "questions without a type" for kind in strange)
    return fitting, f"The label space does not fit {left}: there, the labels that occur in the file are used." if left else ""


def judge_of(address, model):
    """The judge that was asked for, or None. See the module on who may be asked.

    Raises:
        JudgeError: an address without a model or the other way round, or one that may not be asked.
    """
    address, model = (address or "").strip().rstrip("/"), (model or "").strip()
    if not address and not model:
        return None
    if not address or not model:
        raise JudgeError("A judge needs both its address and its model; leave both empty to score labels alone.")
    ours = os.environ.get("OPENAI_BASE_URL", OPENAI if os.environ.get("OPENAI_API_KEY") else "").rstrip("/")
    if address != ours and (os.environ.get("OPENAI_API_KEY") or os.environ.get("SPACE_ID")):
        raise JudgeError(
            f"This page asks no judge but {ours or 'none: it has no OPENAI_BASE_URL'}. Run it yourself to ask another: python metrics/llm_judge/app.py"
        )
    return JudgeConfig(address, model)


def score(upload, chosen, typed, address, model, rubric, repeats, progress=None):
    """The whole work: files on disk → what the page shows, in the order of its outputs.

    Raises:
        CPQAError: whatever is wrong with what was given, in words for the page.
    """
    if not upload:
        raise JudgeError("Upload a predictions file first, or press “Try the example”.")
    path = Path(upload)
    rows = read_predictions(path)
    if len(rows) > MOST_ROWS:
        raise JudgeError(f"The file has {len(rows):,} rows; this page takes {MOST_ROWS:,}. Use `cpqa score` for more.")
    spaces, note = label_spaces(rows, chosen, typed)
    judge, contract = judge_of(address, model), rubric_of(rubric)
    done = [0, int(repeats) * len(rows)]

    def tick(more, _=""):
        done[0] += more
        if progress:
            progress((done[0], done[1]), desc="judging", unit="verdicts")

    scored = score_answers(rows, judge=judge, rubric=contract, repeats=int(repeats), label_spaces=spaces, progress=tick)
    scores = {"file": path.name, **scored.scores}
    place = places(_folder() / "predictions.jsonl", None)
    write_results(place, scores, scored.rows)
    return (
        headline(scores, note),
        figures(scores),
        slices(scores),
        forests(scores),
        confusion(scores),
        *lost(scores, scored.rows),
        [str(file) for file in place],
    )


def _folder():
    """A folder for one scoring's files, which goes when this process ends."""
    folder = tempfile.mkdtemp(prefix="llm-judge-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


def headline(scores, note):
    """The figures over all answers, and what is to be said of the judge, as HTML."""
    cards = []
    for title, key, factor, covered in (
        ("LLM judge, 0–100", "llm_judge", 1, "coverage"),
        ("Accuracy, %", "accuracy", 100, "label_coverage"),
        ("UAR, %", "balanced_accuracy", 100, "label_coverage"),
    ):
        if scores[key] is not None:
            value, _, interval = bounds(scores, key, 1, factor).partition(" ")
            n = scores["n_scored"] if key == "llm_judge" else scores["n_labelled"]
            cards.append(
                f"<div class='cpqa-card'><span>{title}</span><b>{value}</b><span>95 % interval {interval}<br>coverage {percent(scores[covered])}, n = {n:,}</span></div>"
            )
    card = judge_card(scores)
    told = [f"<strong>The judge.</strong> {escape(card.sentence)}" if card else "No judge was asked: these are figures of labels alone."]
    told += [escape(note)] if note else []
    nothing = "" if cards else "<p>Nothing to score: no row has a label, and no judge was asked.</p>"
    return f"<div class='cpqa'><div class='cpqa-cards'>{''.join(cards)}</div>{nothing}{''.join(f'<p>{line}</p>' for line in told)}</div>"


def figures(scores):
    """All figures by config and question type, one row each."""
    rows = []
    for config, part in scores["configs"].items():
        kinds = list(part["types"].items())
        for kind, of in ([("all", part)] if len(kinds) != 1 else []) + kinds:
            shown = [tables.cell(of, key, digits, factor) for key, _, digits, factor, _ in tables.FIGURES]
            rows.append(
                [
                    config or "–",
                    kind or "–",
                    of["n"],
                    *(f"{one.value} {one.interval}".strip() for one in shown),
                    percent(of["coverage"]),
                    percent(of["label_coverage"]),
                ]
            )
    return rows


def slices(scores):
    """Every slice, one row each; marked where it has fewer than 20 answers."""
    rows = []
    for dimension, lines in tables.slice_rows(scores).items():
        for name, n, judged, labelled in lines:
            rows.append(
                [
                    dimension,
                    name,
                    n,
                    f"{judged.value} {judged.interval}".strip(),
                    f"{labelled.value} {labelled.interval}".strip(),
                    "fewer than 20" if n < 20 else "",
                ]
            )
    return rows


def forests(scores):
    """Forest plots of the slices, as HTML."""
    drawn = []
    for key, title, factor in (("llm_judge", "judge, 0–100", 1), ("accuracy", "accuracy, %", 100)):
        if lines := tables.forest_lines(scores, key, factor):
            whole = None if scores[key] is None else factor * scores[key]
            svg = plots.forest(
                lines, limits=(0, 100), whole=whole, unit=title, alt=f"Forest plot of {title} per slice; the table has every figure.", salt=f"app-{key}"
            )
            drawn.append(f"<figure>{svg}</figure>")
    return f"<div class='cpqa cpqa-plots'>{''.join(drawn)}</div>" if drawn else "<p>Nothing to slice by.</p>"


def confusion(scores):
    """The confusion matrices as HTML tables, shaded by row."""
    parts = []
    for matrix in tables.matrices(scores):
        head = "".join(f"<th scope='col'>{escape(label)}</th>" for label in ("true", *matrix.columns, "n"))
        body = []
        for place, (label, total, cells) in enumerate(matrix.rows):
            shown = "".join(
                f"<td class='{'right' if column == matrix.right[place] else ''}' style='background:rgba(var(--shade),{share * 0.55:.3f})'>{count}</td>"
                for column, (count, share) in enumerate(cells)
            )
            body.append(f"<tr><th scope='row'>{escape(label)}</th>{shown}<td class='cpqa-note'>{total}</td></tr>")
        parts.append(f"<div><table><caption>{escape(matrix.title)}</caption><thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table></div>")
    return f"<div class='cpqa cpqa-tables'>{''.join(parts)}</div>" if parts else "<p>No row has a label.</p>"


def lost(scores, rows):
    """Reasons with their counts; and the answers that have no score or map to no label, one row each."""
    reasons = [[title, reason, count, share] for title, lines in tables.losses(scores) for reason, count, share in lines]
    judged = scores["judge"] is not None
    answers = []
    for row in rows:
        why = [f"no label: {row['reason']}"] if row["label"] is not None and row["mapped"] is None else []
        why += [f"no score: {row['unscored']}"] if judged and row["score"] is None else []
        if why:
            answers.append([row["id"], (row["prediction"] or "")[:500], row["label"] or "", "; ".join(why)])
    return reasons, answers[:500]


def build() -> gr.Blocks:
    """The page."""
    with gr.Blocks(title="LLM judge", analytics_enabled=False, delete_cache=(3600, 3600)) as page:
        gr.Markdown(
            "# LLM judge\nScores of free-text answers to questions about speech: an LLM judge beside accuracy and F1, each with its interval and its coverage. "
            "No failure becomes a score.\n\nA file is JSON Lines or CSV with the columns `prediction` and `reference`; `label`, `type`, `question`, `config`, `clip_id`, "
            "`emotion`, `gender`, `duration` where you have them."
        )
        with gr.Row():
            with gr.Column():
                upload = gr.File(label="Predictions (.jsonl or .csv)", file_types=[".jsonl", ".json", ".csv"], elem_id="upload", height=130)
            with gr.Column():
                chosen = gr.Dropdown([AS_GIVEN, *SPACES, OWN], value=AS_GIVEN, label="Label space", elem_id="space")
                typed = gr.Textbox(label="Labels, with commas between them", placeholder="calm, excited, bored", visible=False, elem_id="labels")
        with gr.Accordion("Ask an LLM judge (optional)", open=False):
            gr.Markdown("Any OpenAI-compatible endpoint. The key is read from `OPENAI_API_KEY` where this page runs, and is never asked for here.")
            with gr.Row():
                address = gr.Textbox(label="Address, ending in /v1", value=os.environ.get("OPENAI_BASE_URL", ""), elem_id="address")
                model = gr.Textbox(label="Model", elem_id="model")
            with gr.Row():
                rubric = gr.Dropdown(sorted(RUBRICS), value="open", label="Rubric")
                repeats = gr.Slider(1, 5, value=1, step=1, label="Ask so often about each answer")
        with gr.Row():
            run = gr.Button("Score", variant="primary", elem_id="score")
            example = gr.Button("Try the example", elem_id="example")
        shown = gr.HTML(elem_id="headline")
        with gr.Tabs(visible=False) as tabs:
            with gr.Tab("Scores"):
                headings = ["config", "questions", "n", *(heading for _, heading, _, _, _ in tables.FIGURES), "scored", "mapped"]
                all_figures = gr.Dataframe(headers=headings, datatype="str", interactive=False, show_label=False, elem_id="figures")
            with gr.Tab("Slices"):
                plotted = gr.HTML()
                sliced = gr.Dataframe(
                    headers=["by", "slice", "n", "judge, 0–100", "accuracy, %", "note"], datatype="str", interactive=False, show_label=False, elem_id="slices"
                )
            with gr.Tab("Confusion"):
                confused = gr.HTML(elem_id="confusion")
            with gr.Tab("What was lost"):
                reasons = gr.Dataframe(headers=["what", "reason", "answers", "share"], datatype="str", interactive=False, show_label=False, elem_id="reasons")
                answers = gr.Dataframe(
                    headers=["id", "answer", "true label", "why"],
                    datatype="str",
                    interactive=False,
                    wrap=True,
                    label="Answers without a label or a score (at most 500)",
                    column_widths=["16%", "48%", "12%", "24%"],
                    elem_id="lost",
                )
            with gr.Tab("Files"):
                files = gr.File(label="scores.json, judgements.jsonl, report.html", file_count="multiple", interactive=False, elem_id="files")

        def show(upload, chosen, typed, address, model, rubric, repeats, progress=gr.Progress()):  # noqa: B008  (how gradio hands progress in)
            try:
                return [*score(upload, chosen, typed, address, model, rubric, repeats, progress), gr.Tabs(visible=True)]
            except CPQAError as error:
                message = str(error).replace(str(upload), Path(upload).name) if upload else str(error)
                raise gr.Error(escape(message), duration=None, print_exception=False) from None

        outputs = [shown, all_figures, sliced, plotted, confused, reasons, answers, files, tabs]
        inputs = [upload, chosen, typed, address, model, rubric, repeats]
        chosen.change(lambda name: gr.Textbox(visible=name == OWN), chosen, typed, api_visibility="private")
        run.click(show, inputs, outputs, api_name="score")
        example.click(lambda: str(EXAMPLE), None, upload, api_visibility="private").then(show, inputs, outputs, api_visibility="private")
    return page


if __name__ == "__main__":
    build().launch(
        theme=gr.themes.Default(primary_hue="blue"), css=CSS, max_file_size="50mb", allowed_paths=[str(EXAMPLE)], footer_links=["gradio"], show_error=True
    )
