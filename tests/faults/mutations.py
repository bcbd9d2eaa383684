"""`python -m tests.faults.mutations [name …]`: each fault test fails when what it tests is taken away.

A test that can't fail proves nothing. Every mutation here switches one protection off in a copy of the source tree;
the fault test named beside it must then fail, in the words expected. The tree itself is never touched.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.faults.stack import ROOT

LEFT_OUT = shutil.ignore_patterns(".venv", ".git", "var", "__pycache__", ".*_cache")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutation:
    """One protection switched off.

    Args:
        name: what Foretell does wrong then.
        file: where, below the root.
        before: the text that is replaced; it must be there exactly once.
        after: what replaces it.
        test: the test that must notice.
        words: what its output must say: it fails for the right reason.
    """

    name: str
    file: str
    before: str
    after: str
    test: str
    words: str


MUTATIONS = (
    Mutation(
        name="answers-before-the-commit",
        file="inference/predictor.py",
        before="            self.recorder.submit(call)\n",
        after="            self.recorder.submit(call)\n            call.committed()\n",
        test="test_web_killed.py::test_every_answer_seen_before_a_kill_is_stored_once[1]",
        words="as stored, and it is not",
    ),
    Mutation(
        name="never-connects-again",
        file="inference/recorder/recorder.py",
        before="self._recovery = self._loop.create_task(self._reconnect(lost, group, xid))",
        after="self._availability.set(False)",
        test="test_postgres_killed.py::test_streams_pause_and_resume_over_a_short_outage",
        words='await crowd.everyone_is_told("resumed")',
    ),
    Mutation(
        name="takes-a-lost-connection-for-a-lost-commit",
        file="inference/recorder/recorder.py",
        before="        if xid is None:\n            self._keep(group)",
        after="        if True:\n            self._keep(group)",
        test="test_commit_unknown.py::test_a_commit_of_unknown_outcome_is_neither_lost_nor_doubled[answered]",
        words="code='internal'",
    ),
    Mutation(
        name="fails-the-whole-group",
        file="inference/recorder/recorder.py",
        before="        elif len(group.entries) > 1:\n            self._queue.put_back_halves(group)",
        after="        elif False:\n            self._queue.put_back_halves(group)",
        test="test_poison_row.py::test_only_the_refused_row_gets_an_error",
        words="code='internal'",
    ),
    Mutation(
        name="opens-files-unchecked",
        file="inference/engine/store.py",
        before="    if len(data) == file.bytes and manifests.sha256(data) == file.sha256:\n",
        after="    if True:\n",
        test="test_corrupted_artifacts.py::test_a_tampered_version_is_refused_by_name_and_not_opened",
        words="[flipped-ArtifactCorrupted]",
    ),
    Mutation(
        name="drops-the-old-version-before-the-new-one-is-loaded",
        file="inference/catalog.py",
        before="        last_good = {endpoint.id: endpoint.champion for endpoint in self.endpoints.values()}\n",
        after="        last_good = {}\n"
        "        gone = {slug: LiveEndpoint(i, slug, n, d, a, None, 'loading') for i, slug, n, d, a, _ in deployed}\n"
        "        self._replace(_Picture(gone, versions, {}))\n",
        test="test_hot_swap.py::test_versions_go_live_under_load_without_a_failed_request[4]",
        words="code='model_unavailable'",
    ),
    Mutation(
        name="lets-a-late-worker-write",
        file="jobs/leases.py",
        before="filter(pk=self.id, token=self.token, leased_until__isnull=False)",
        after="filter(pk=self.id)",
        test="test_workers_killed.py::test_a_late_writer_is_turned_away",
        words="a worker wrote although its work was another's by then",
    ),
    Mutation(
        name="takes-work-that-is-held",
        file="jobs/leases.py",
        before="    return Q(leased_until=None) | Q(leased_until__lt=Now())\n",
        after="    return Q()\n",
        test="test_delivered_again.py::test_wake_ups_that_come_again_and_again_change_nothing",
        words="batch.most_attempts()",
    ),
    Mutation(
        name="leases-by-the-worker-s-own-clock",
        file="jobs/leases.py",
        before="    return Now() + datetime.timedelta(seconds=LEASE_S)\n",
        after="    return datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=LEASE_S)\n",
        test="test_clock_moved.py::test_a_batch_is_done_once_when_the_clock_of_a_worker_is_set[hour-back]",
        words="batch.most_attempts()",
    ),
    Mutation(
        name="tries-what-kills-for-ever",
        file="jobs/leases.py",
        before="MOST_ATTEMPTS = 3\n",
        after="MOST_ATTEMPTS = 300\n",
        test="test_workers_killed.py::test_a_chunk_that_ends_its_worker_three_times_is_set_aside",
        words='batch.chunks("poison")',
    ),
    Mutation(
        name="leaves-locked-what-a-stopped-worker-locked",
        file="jobs/workers/sweeper.py",
        before="        end_stopped(model)\n",
        after="        pass\n",
        test="test_workers_killed.py::test_a_worker_stopped_within_its_transaction_holds_nobody_up",
        words="is not done within",
    ),
    Mutation(
        name="sends-no-wake-up-again",
        file="jobs/workers/sweeper.py",
        before='    _wake(BATCH, "batch", _takeable_batch())\n',
        after="",
        test="test_redis_away.py::test_a_job_whose_wake_up_was_lost_is_done_all_the_same",
        words="not over within",
    ),
    Mutation(
        name="asks-redis-within-the-request",
        file="jobs/wakeups.py",
        before="transaction.on_commit(partial(_send_soon, task, times, arguments))",
        after="_send(task, times, arguments)",
        test="test_redis_away.py::test_a_hung_redis_delays_no_answer_and_no_new_job",
        words="ReadTimeout",
    ),
    Mutation(
        name="stays-deaf",
        file="jobs/workers/watchdog.py",
        before="        if self._missed >= MISSES:\n",
        after="        if False:\n",
        test="test_redis_away.py::test_a_worker_that_hears_nothing_any_more_ends_and_is_started_again",
        words="not over within",
    ),
    Mutation(
        name="stores-a-chunk-in-two-steps",
        file="jobs/batch/chunks.py",
        before="    with transaction.atomic():\n        lease.release(state=Chunk.State.DONE",
        after="    if True:\n        lease.release(state=Chunk.State.DONE",
        test="test_workers_killed.py::test_a_worker_killed_while_it_stores_leaves_all_of_a_chunk_or_nothing",
        words="stands where row",
    ),
    Mutation(
        name="leaves-half-an-upload",
        file="jobs/storage.py",
        before="                os.unlink(made)\n",
        after="                pass\n",
        test="test_disk_full.py::test_an_upload_that_finds_no_room_leaves_no_job_and_no_file",
        words="assert left == there",
    ),
    Mutation(
        name="leaves-half-a-version",
        file="inference/engine/store.py",
        before="            shutil.rmtree(made, ignore_errors=True)\n",
        after="            pass\n",
        test="test_disk_full.py::test_a_version_that_finds_no_room_is_not_published_and_the_old_one_answers",
        words="assert left == before",
    ),
    Mutation(
        name="blames-the-work-for-a-full-disk",
        file="jobs/batch/work.py",
        before='_AWAY = ("08", "40", "53", "57")\n',
        after='_AWAY = ("08", "40", "57")\n',
        test="test_disk_full.py::test_a_full_disk_under_postgres_loses_nothing_that_was_acknowledged",
        words="is poison and begins with row",
    ),
    Mutation(
        name="starts-a-slot-for-each-message",
        file="jobs/schedules/slots.py",
        before='        return f"{self.local:%Y-%m-%dT%H:%M} {self.zone}"\n',
        after="        return f\"{self.local:%Y-%m-%dT%H:%M} {__import__('uuid').uuid4()}\"\n",
        test="test_two_beats.py::test_each_slot_is_started_once_by_two_beats_of_which_one_is_killed",
        words="{MINUTES}",
    ),
    Mutation(
        name="leaves-a-training-behind",
        file="jobs/training/limits.py",
        before="    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)\n",
        after="",
        test="test_training_killed.py::test_a_killed_training_changes_nothing_and_is_done_by_another[fit]",
        words="nothing of the killed worker runs any more",
    ),
)


def main() -> int:
    """Run the chosen mutations, or all; 1 when one of them was not noticed."""
    chosen = [mutation for mutation in MUTATIONS if not sys.argv[1:] or mutation.name in sys.argv[1:]]
    if unknown := set(sys.argv[1:]) - {mutation.name for mutation in MUTATIONS}:
        sys.exit(f"There is no mutation {', '.join(unknown)}; there are {', '.join(m.name for m in MUTATIONS)}.")
    folder = Path(tempfile.mkdtemp(prefix="ft-"))
    folder.chmod(0o711)
    try:
        tree = shutil.copytree(ROOT, folder / "tree", ignore=LEFT_OUT)
        unnoticed = [mutation.name for mutation in chosen if not _noticed(mutation, tree)]
    finally:
        shutil.rmtree(folder)
    return 1 if unnoticed else 0


def _noticed(mutation: Mutation, tree: Path) -> bool:
    """Run the mutation's test on the mutated tree, and tell."""
    path = tree / mutation.file
    source = path.read_text()
    if source.count(mutation.before) != 1:
        _say(f"{mutation.name}: {mutation.file} no longer has the text to replace")
        return False
    path.write_text(source.replace(mutation.before, mutation.after))
    try:
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "pytest",
                "-q",
                "--tb=short",
                "-p",
                "no:logging",
                "--timeout",
                "900",
                f"tests/faults/{mutation.test}",
            ],
            cwd=tree,
            # pytest-django would load the settings of that module before the tests' own servers run.
            env={name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"},
            capture_output=True,
            text=True,
        )
    finally:
        path.write_text(source)
    noticed = done.returncode == 1 and mutation.words in done.stdout
    _say(f"{mutation.name}: {'noticed' if noticed else 'NOT NOTICED'} by {mutation.test}")
    if not noticed:
        _say(done.stdout[-4000:] + done.stderr[-4000:])
    return noticed


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
