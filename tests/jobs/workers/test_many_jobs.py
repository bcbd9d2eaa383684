"""Looking for work when very many jobs and chunks are over: none of those are read."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from inference.models import Endpoint
from jobs.batch import work as batch
from jobs.watch import BATCHES, Subject, _news
from jobs.workers import sweeper

_JOBS = """
INSERT INTO jobs_batchjob (id, endpoint_id, version_id, slot, attempts, token, holder, created_by, schedule, code,
    detail, kind, format, state, file, file_name, file_sha256, columns, carried, selection, report, rows, finished_at)
SELECT gen_random_uuid(), %s, %s, number, 1, 1, 'a worker', 'schedule:minutely', 'minutely', '', '',
    'query', 'ndjson', 'done', '', '', '', '[]', '[]', '{}', '{}', 1, now() - interval '1 day'
  FROM generate_series(1, 20000) AS number
"""
_CHUNKS = """
INSERT INTO jobs_chunk (job_id, number, first_row, rows, file, state, ok, errors, attempts, token, holder)
SELECT id, 0, 1, 1, '', 'done', 1, '{}', 1, 1, 'a worker' FROM jobs_batchjob
"""


@pytest.mark.usefixtures("redis_url")
def test_what_is_over_is_not_read_in_search_of_what_is_not(flow: Endpoint) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_JOBS, [flow.pk, flow.versions.get().pk])
        cursor.execute(_CHUNKS)
        cursor.execute("ANALYZE jobs_batchjob, jobs_chunk")
    with CaptureQueriesContext(connection) as asked:
        sweeper.sweep()
        batch.work()
        _news([(Subject(BATCHES), 0)])

    assert [sql for query in asked for sql in _read_whole(query["sql"])] == []


def _read_whole(sql: str) -> list[Any]:
    """The plan of a statement that reads one of the tables from end to end."""
    if "jobs_batchjob" not in sql and "jobs_chunk" not in sql:
        return []
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {sql}")
        plan = [line for (line,) in cursor.fetchall()]
    return [(sql, plan)] if any("Seq Scan on jobs_" in line for line in plan) else []
