from __future__ import annotations

import shutil
import subprocess

import pytest

from tropism.core.exposition import family
from tropism.entrypoints.api.metrics import exposition
from tropism.serving import SnapshotHolder
from tropism.serving.meters import Meters
from tropism.serving.resources import Gpu, Resources


def test_buckets_are_cumulative_and_labels_escaped() -> None:
    meters = Meters()
    for seconds in (0.0001, 0.004, 9.0):
        meters.latency.observe(seconds, 'a"b\\c\nd')
    lines = exposition(meters, SnapshotHolder(), "w1").splitlines()
    label = 'model="a\\"b\\\\c\\nd"'
    buckets = [line.rsplit(" ", 1)[1] for line in lines if line.startswith("ml_prediction_latency_seconds_bucket")]
    assert buckets == ["1", "1", "1", "2", "2", "2", "2", "2", "2", "2", "2", "2", "2", "3", "3"]
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


def busy() -> Meters:
    """Every metric has samples."""
    meters = Meters()
    for counter in meters.counters:
        counter.add(*(f'a "{label}"' for label in counter.labels))
    for histogram in meters.histograms:
        histogram.observe(0.002, *("price" for _ in histogram.labels))
    meters.used(Resources(cpu_seconds=1.5, memory_bytes=2_000_000, gpus=(Gpu(0, 0.25, 1_000), Gpu(1, 0.5, 3_000))))
    return meters


DRIFT = "\n".join(family("ml_drift_score", "gauge", "Drift.", [([("model", "price")], 0.5)]))


def test_what_the_processes_use_is_told_by_the_usual_names() -> None:
    lines = exposition(busy(), SnapshotHolder(), "w0", [busy()]).splitlines()
    assert "process_cpu_seconds_total 3.0" in lines
    assert "process_resident_memory_bytes 4000000" in lines
    assert 'tropism_gpu_utilization_ratio{gpu="1"} 0.5' in lines
    assert 'tropism_gpu_memory_used_bytes{gpu="1"} 3000' in lines


def test_further_metrics_are_told_and_each_once() -> None:
    again = "\n".join(family("tropism_connections", "gauge", "Again.", [((), 9)]))
    text = exposition(busy(), SnapshotHolder(), "w0", more=[DRIFT, DRIFT, again])
    assert text.count('ml_drift_score{model="price"} 0.5') == text.count("# TYPE ml_drift_score gauge") == 1
    assert text.count("# TYPE tropism_connections gauge") == 1
    assert "tropism_connections 9" not in text
    assert text.endswith("0.5\n")


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool comes with Prometheus")
@pytest.mark.parametrize("meters", [Meters(), busy()])
def test_prometheus_finds_no_fault_with_it(meters: Meters) -> None:
    text = exposition(meters, SnapshotHolder(), "w0", more=[DRIFT])
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
