"""The report analytics' rows prove their counts and books before they have a figure."""

from __future__ import annotations

import pytest

from engine.bench import suite_reports


@pytest.mark.timeout(20)
def test_the_rows_of_the_report_suite_are_there() -> None:
    rows = list(suite_reports.run(0.0, scale=0.02))
    assert {row.goal for row in rows} == {"G11", "SLO-07", "SLO-08"}
    (rate,) = [row for row in rows if row.relation == "at_least"]
    assert (rate.limit, rate.unit) == (300_000, "1/s")
