"""Condensation: of all clips the informative and reliable ones, after arXiv 2505.13338. Every clip is kept, or dropped with its reason.

options.py   what can be chosen, with the paper's thresholds as defaults
windows.py   a clip's opinions → what is heard in each of its windows
rules.py     the rules, pure: keep, or drop with a reason
select.py    balance under a budget
survey.py    all clips of a run under the rules, nothing written: the funnel, and what other thresholds would keep
stage.py     RUN/clips → RUN/condensed
report.py    the funnel as a table, and the distributions before and after as a plot
"""

from __future__ import annotations

from cp_paraling_qa.condense.options import CondenseOptions
from cp_paraling_qa.condense.report import CONDENSE_PLOT, plot_distributions, render_funnel, render_sweep
from cp_paraling_qa.condense.stage import CONDENSE_JSON, make_condensed
from cp_paraling_qa.condense.survey import Funnel, Step, SweepRow, dry_run, sweep

__all__ = [
    "CONDENSE_JSON",
    "CONDENSE_PLOT",
    "CondenseOptions",
    "Funnel",
    "Step",
    "SweepRow",
    "dry_run",
    "make_condensed",
    "plot_distributions",
    "render_funnel",
    "render_sweep",
    "sweep",
]
