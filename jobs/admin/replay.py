"""The report of a query job: how a version's answers differ from what was answered then."""

import uuid
from typing import Any

import msgspec
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse

from inference.engine import card
from inference.permissions import SEE_BATCHES
from jobs.admin.batches import Shown
from jobs.admin.pages import JobsPage, job_get
from jobs.admin.plots import Plot, histogram
from jobs.replay.report import Report, Slice
from jobs.selectors import batch_progress


class ReplayView(JobsPage):
    """A replay report, or its JSON with `?format=json`."""

    needs = {"GET": SEE_BATCHES}

    def get(self, request: HttpRequest, id: uuid.UUID) -> HttpResponse:
        """Show it.

        Raises:
            Http404: the job has none.
        """
        job = job_get(id)
        if job.report is None:
            raise Http404(f"Batch job {id} has no report.")
        if request.GET.get("format") == "json":
            return HttpResponse(
                msgspec.json.format(msgspec.json.encode(job.report)),
                content_type="application/json",
                headers={"Content-Disposition": f'attachment; filename="replay-{job.pk}.json"'},
            )
        report = msgspec.convert(job.report, Report)
        return self.show(
            "replay.html",
            title="Then and now",
            one=Shown(job, batch_progress(job=job)),
            report=report,
            address=reverse("jobs:job", args=[job.pk]),
            agreement=_share(report.agreement.rate),
            tolerance="" if report.tolerance is None else card.number(report.tolerance),
            between=_between(report),
            facts=_facts(report),
            differences=_differences(report),
            plots=_plots(report),
            confusion=_confusion(report),
            slices=[_sliced(one) for one in report.slices],
            quality=_quality(report),
        )


def _between(report: Report) -> str:
    """The interval of the agreement, in words."""
    if report.agreement.low is None or report.agreement.high is None:
        return ""
    return f"{_share(report.agreement.low)} and {_share(report.agreement.high)}"


def _facts(report: Report) -> list[tuple[str, str]]:
    """How many rows could be compared, and what became of the others."""
    facts = [("Rows", report.rows), ("Compared", report.compared), ("Differ", report.compared - report.agreement.count)]
    others = (("Answered then only", report.only_then), ("Now only", report.only_now), ("Neither", report.neither))
    return [(name, f"{count:,}") for name, count in (*facts, *(one for one in others if one[1]))]


def _differences(report: Report) -> list[tuple[str, str]]:
    """How far the answers lie apart."""
    said = report.differences
    if said is None:
        return []
    unit = f" {report.unit}" if report.unit else ""
    named = (
        ("Mean", said.mean),
        ("Mean, absolute", said.mean_absolute),
        ("Median, absolute", said.median_absolute),
        ("95 % are within", said.p95_absolute),
        ("Largest", said.largest_absolute),
    )
    return [(name, f"{card.number(value)}{unit}") for name, value in named]


def _plots(report: Report) -> list[Plot]:
    plots = []
    if report.differences is not None:
        drawn = report.differences.histogram
        what = f"Now minus then{f' in {report.unit}' if report.unit else ''}"
        title = "How far the values lie apart" if report.kind == "regression" else "How far the scores lie apart"
        plots.append(histogram("differences", title, what, "rows", drawn.edges, drawn.counts))
    if report.hours:
        rates = [100 * one.rate for one in report.hours]
        labels = [f"{one.value}:00" for one in report.hours]
        plots.append(
            Plot(
                "hours",
                "Answers that differ, by hour",
                "hour of the day (UTC)",
                "%",
                labels=labels,
                bars=[("%", rates)],
            )
        )
    return plots


def _confusion(report: Report) -> dict[str, Any] | None:
    """Labels then by row, labels now by column."""
    if report.confusion is None:
        return None
    labels = report.confusion.labels
    rows = [
        [label, *(f"{count:,}" for count in counts)]
        for label, counts in zip(labels, report.confusion.counts, strict=True)
    ]
    return {"columns": ["Then \\ now", *labels], "rows": rows}


def _sliced(one: Slice) -> dict[str, Any]:
    """A slice in words: `s4 from 12 to 30`."""
    name = {"device": "device", "hour": "hour (UTC)", "version": "answered then by"}.get(one.by, one.name)
    if one.low is not None or one.high is not None:
        low = "" if one.low is None else f" from {card.number(one.low)}"
        high = "" if one.high is None else f" below {card.number(one.high)}"
        name += low + high
    elif one.value is None:
        name += ": nothing came" if one.by == "input" else ": none"
    else:
        name += f" {one.value}"
    return {
        "name": name,
        "rows": f"{one.rows:,}",
        "differ": f"{one.differ:,}",
        "rate": _share(one.rate),
        "mean": card.number(one.mean_absolute),
        "stands_out": one.stands_out,
    }


def _quality(report: Report) -> dict[str, Any] | None:
    """Metrics of both on the rows whose truth is known."""
    said = report.quality
    if said is None:
        return None
    names = [name for name, value in said.now.items() if isinstance(value, int | float)]
    rows = [(name, _figure(said.then.get(name)), _figure(said.now.get(name))) for name in names]
    return {"rows": f"{said.rows:,}", "metrics": rows, "better": f"{said.better:,}", "worse": f"{said.worse:,}"}


def _figure(value: Any) -> str:
    return card.number(value) if isinstance(value, int | float) else "-"


def _share(rate: float | None) -> str:
    """A share as per cent, without claiming a whole that is none: `99.97 %`."""
    if rate is None:
        return "-"
    if rate in (0.0, 1.0):
        return f"{rate:.0%}".replace("%", " %")
    return f"{min(max(100 * rate, 0.01), 99.99):.2f} %"
