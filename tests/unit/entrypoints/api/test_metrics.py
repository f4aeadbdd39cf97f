from __future__ import annotations

from tropism.entrypoints.api.metrics import exposition
from tropism.serving import SnapshotHolder
from tropism.serving.meters import Meters


def test_buckets_are_cumulative_and_labels_escaped() -> None:
    meters = Meters()
    for seconds in (0.0001, 0.004, 9.0):
        meters.latency.observe(seconds, 'a"b\\c\nd')
    lines = exposition(meters, SnapshotHolder(), "w1").splitlines()
    label = 'model="a\\"b\\\\c\\nd"'
    buckets = [line.rsplit(" ", 1)[1] for line in lines if line.startswith("ml_prediction_latency_seconds_bucket")]
    assert buckets == ["1", "1", "1", "2", "2", "2", "2", "2", "2", "2", "2", "2", "3"]
    assert f'ml_prediction_latency_seconds_bucket{{{label},le="+Inf"}} 3' in lines
    assert "tropism_snapshot_generation -1" in lines


def test_every_sample_has_a_type() -> None:
    lines = exposition(Meters(), SnapshotHolder(), "w0").splitlines()
    typed = {line.split()[2] for line in lines if line.startswith("# TYPE")}
    assert {line.split("{")[0].split()[0] for line in lines if not line.startswith("#")} <= typed


def test_what_other_processes_count_is_in_the_sum() -> None:
    mine, theirs, supervisor = Meters(), Meters(), Meters()
    mine.errors.add("too-large")
    theirs.errors.add("too-large", by=2)
    theirs.journal, theirs.journaled, theirs.journal_problem = "w2", 9, "full"
    supervisor.restarts.add("data-plane-2")
    lines = exposition(mine, SnapshotHolder(), "w1", [theirs, supervisor]).splitlines()
    assert 'tropism_errors_total{code="too-large"} 3' in lines
    assert 'tropism_worker_restarts_total{process="data-plane-2"} 1' in lines
    assert [line for line in lines if line.startswith("tropism_journal_sequence{")] == [
        'tropism_journal_sequence{writer="w1"} 0',
        'tropism_journal_sequence{writer="w2"} 9',
    ]
    assert "tropism_journal_failing 1" in lines
    assert mine.errors.values == {("too-large",): 1}, "to ask changes nothing"
