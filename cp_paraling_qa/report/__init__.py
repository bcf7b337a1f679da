"""The report that `cpqa score` writes: one HTML page that stands by itself."""

from __future__ import annotations

from cp_paraling_qa.report.page import write_report

__all__ = ["write_report"]
