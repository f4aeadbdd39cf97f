"""What a user of MLflow does, with an unmodified client: python mlflow_calls.py http://127.0.0.1:8700

Prints one line a call, and how many there were. Ends with 1 at the first that does not do what MLflow's own server
does. Runs in an environment of its own that has `mlflow` or `mlflow-skinny`, release 3.
"""

from __future__ import annotations

import math
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.update(MLFLOW_DISABLE_TELEMETRY="true", DO_NOT_TRACK="true", MLFLOW_HTTP_REQUEST_MAX_RETRIES="0")

import mlflow  # type: ignore[import-not-found,unused-ignore]
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag, ViewType  # type: ignore
from mlflow.exceptions import MlflowException  # type: ignore
from mlflow.tracking import MlflowClient  # type: ignore

_count = 0


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def call(name: str, passed: Any, seen: Any = "") -> None:
    """One call went as it should, or the script ends."""
    global _count
    _count += 1
    _say(f"{_count:3} {'ok ' if passed else 'NOT'} {name} {seen if not passed else ''}".rstrip())
    if not passed:
        sys.exit(1)


def refused(name: str, code: str, do: Any) -> str:
    """One call is refused with a code of MLflow's; its message."""
    try:
        found = do()
    except MlflowException as error:
        call(f"{name}: refused as {code}", error.error_code == code, f"{error.error_code}: {error}")
        return str(error)
    call(f"{name}: refused as {code}", False, found)
    return ""


def experiments(client: Any) -> str:
    made = client.create_experiment("fraud", tags={"team": "risk"})
    call("create_experiment", made, made)
    found = client.get_experiment(made)
    call("get_experiment", found.name == "fraud" and found.tags == {"team": "risk"}, found)
    call("get_experiment_by_name", client.get_experiment_by_name("fraud").experiment_id == made)
    call("get_experiment_by_name of none", client.get_experiment_by_name("nix") is None)
    refused("create_experiment again", "RESOURCE_ALREADY_EXISTS", lambda: client.create_experiment("fraud"))
    client.set_experiment_tag(made, "stage", "trial")
    call("set_experiment_tag", client.get_experiment(made).tags["stage"] == "trial")
    client.rename_experiment(made, "fraud-2")
    call("rename_experiment", client.get_experiment(made).name == "fraud-2")
    other = client.create_experiment("gone")
    client.delete_experiment(other)
    call("delete_experiment", client.get_experiment(other).lifecycle_stage == "deleted")
    found = client.search_experiments(view_type=ViewType.DELETED_ONLY)
    call("search_experiments, deleted", [one.name for one in found] == ["gone"], found)
    client.restore_experiment(other)
    call("restore_experiment", client.get_experiment(other).lifecycle_stage == "active")
    found = client.search_experiments(filter_string="tags.team = 'risk'", order_by=["name ASC"])
    call("search_experiments", [one.name for one in found] == ["fraud-2"], found)
    first = client.search_experiments(max_results=2)
    rest = client.search_experiments(max_results=2, page_token=first.token)
    call("search_experiments, pages", len(first) == 2 and len(rest) == 1 and not rest.token, (first, rest))
    call("set_experiment", mlflow.set_experiment("fraud-2").experiment_id == made)
    return str(made)


def logging(client: Any, experiment: str) -> str:
    with mlflow.start_run(run_name="first", tags={"kind": "tree"}) as run:
        run_id: str = run.info.run_id
        mlflow.log_param("depth", 3)
        mlflow.log_params({"rate": 0.1, "loss": "log"})
        for step in range(5):
            mlflow.log_metric("auc", 0.5 + step / 10, step=step)
        mlflow.log_metrics({"loss": 0.25, "rows": 1_000})
        mlflow.log_metric("broken", math.nan)
        mlflow.log_metric("endless", math.inf)
        mlflow.set_tag("note", "a first look")
        mlflow.set_tags({"a": 1, "b": "two words"})
    found = client.get_run(run_id)
    call("start_run, end_run", found.info.status == "FINISHED" and found.info.end_time >= found.info.start_time)
    call("log_param, log_params", found.data.params == {"depth": "3", "rate": "0.1", "loss": "log"}, found.data.params)
    call("log_metric, log_metrics", found.data.metrics["auc"] == 0.9 and found.data.metrics["rows"] == 1_000)
    metrics = found.data.metrics
    call("log_metric of NaN and infinity", math.isnan(metrics["broken"]) and metrics["endless"] == math.inf, metrics)
    call("set_tag, set_tags", found.data.tags["b"] == "two words" and found.data.tags["kind"] == "tree")
    call("run_name", found.info.run_name == "first" and found.data.tags["mlflow.runName"] == "first")
    history = client.get_metric_history(run_id, "auc")
    call("get_metric_history", [one.step for one in history] == [0, 1, 2, 3, 4], history)
    refused("log_param, changed", "INVALID_PARAMETER_VALUE", lambda: client.log_param(run_id, "depth", 4))
    client.log_param(run_id, "depth", 3)
    call("log_param, the same again", client.get_run(run_id).data.params["depth"] == "3")
    refused("log_metric, a bad name", "INVALID_PARAMETER_VALUE", lambda: client.log_metric(run_id, "a\nb", 1))
    client.delete_tag(run_id, "a")
    call("delete_tag", "a" not in client.get_run(run_id).data.tags)
    refused("delete_tag again", "RESOURCE_DOES_NOT_EXIST", lambda: client.delete_tag(run_id, "a"))
    batch(client, experiment)
    inputs(client, run_id)
    return run_id


def batch(client: Any, experiment: str) -> None:
    run_id = client.create_run(experiment, run_name="second").info.run_id
    now = int(time.time() * 1_000)
    metrics = [Metric(f"m{i % 10}", float(i), now + i, i) for i in range(1_000)]
    client.log_batch(run_id, metrics=metrics)
    call("log_batch of 1,000 metrics", client.get_run(run_id).data.metrics["m9"] == 999.0)
    client.log_batch(run_id, params=[Param("depth", "7")], tags=[RunTag("kind", "linear")])
    call("log_batch of params and tags", client.get_run(run_id).data.params["depth"] == "7")
    call("get_metric_history of a batch", len(client.get_metric_history(run_id, "m3")) == 100)
    client.set_terminated(run_id, "FAILED")
    call("set_terminated", client.get_run(run_id).info.status == "FAILED")
    client.update_run(run_id, status="FINISHED", name="renamed")
    call("update_run", client.get_run(run_id).info.run_name == "renamed")
    client.delete_run(run_id)
    call("delete_run", client.get_run(run_id).info.lifecycle_stage == "deleted")
    refused("log_metric to a deleted run", "INVALID_PARAMETER_VALUE", lambda: client.log_metric(run_id, "x", 1))
    client.restore_run(run_id)
    call("restore_run", client.get_run(run_id).info.lifecycle_stage == "active")
    refused("get_run of none", "RESOURCE_DOES_NOT_EXIST", lambda: client.get_run("0" * 32))


def inputs(client: Any, run_id: str) -> None:
    dataset = Dataset("payments", "abc123", "local", "{}", schema="{}", profile='{"rows": 5}')
    client.log_inputs(run_id, [DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])])
    found = client.get_run(run_id).inputs.dataset_inputs
    call("log_inputs", found[0].dataset.name == "payments" and found[0].tags[0].value == "training", found)


def searching(client: Any, experiment: str) -> None:
    def names(text: str, **more: Any) -> list[str]:
        return [run.info.run_name for run in client.search_runs([experiment], text, **more)]

    for text, expected in (
        ("metrics.auc > 0.8 and params.depth = '3'", ["first"]),
        ("tags.kind LIKE 'lin%'", ["renamed"]),
        ("tags.kind ILIKE 'TREE'", ["first"]),
        ("params.depth != '3'", ["renamed"]),
        ("attributes.status = 'FINISHED' AND tags.`kind` = 'linear'", ["renamed"]),
        ("run_name = 'first'", ["first"]),
        ("start_time > 0", ["renamed", "first"]),
        ("dataset.name = 'payments' and dataset.context = 'training'", ["first"]),
        ("tags.note IS NULL", ["renamed"]),
        ("metrics.nix < 1", []),
    ):
        call(f"search_runs, {text}", names(text) == expected, names(text))
    call("search_runs, by a metric", names("", order_by=["metrics.auc DESC"]) == ["first", "renamed"])
    page = client.search_runs([experiment], max_results=1)
    more = client.search_runs([experiment], max_results=1, page_token=page.token)
    call(
        "search_runs, pages", {page[0].info.run_name, more[0].info.run_name} == {"first", "renamed"} and not more.token
    )
    found = mlflow.search_runs([experiment], filter_string="params.depth = '7'", output_format="list")
    call("mlflow.search_runs", len(found) == 1, found)
    for text in ("metrics.auc >", "nix.a = 'b'", "status > 'A'", "metrics.auc = 'x'", "a = 'b' or c = 'd'"):
        refused(f"search_runs, {text}", "INVALID_PARAMETER_VALUE", lambda text=text: names(text))


def artifacts(client: Any, run_id: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "model" / "data").mkdir(parents=True)
        (root / "model" / "MLmodel").write_text("flavors: {}\n")
        (root / "model" / "data" / "weights.bin").write_bytes(bytes(range(256)) * 4_000)
        (root / "a note.txt").write_text("hello\n")
        client.log_artifact(run_id, str(root / "a note.txt"))
        call("log_artifact", [one.path for one in client.list_artifacts(run_id)] == ["a note.txt"])
        client.log_artifacts(run_id, str(root / "model"), "model")
        call("log_artifacts", [one.path for one in client.list_artifacts(run_id)] == ["a note.txt", "model"])
        client.log_text(run_id, "some text", "notes/deep/a.txt")
        client.log_dict(run_id, {"a": 1}, "notes/b.json")
        found = [(one.path, one.is_dir) for one in client.list_artifacts(run_id, "notes")]
        call("log_text, log_dict", found == [("notes/b.json", False), ("notes/deep", True)], found)
        local = Path(client.download_artifacts(run_id, "model", folder))
        same = (local / "data" / "weights.bin").read_bytes() == bytes(range(256)) * 4_000
        call("download_artifacts, a folder", same, local)
        local = Path(mlflow.artifacts.download_artifacts(f"runs:/{run_id}/notes/b.json", dst_path=folder))
        call("mlflow.artifacts.download_artifacts of runs:/", '"a": 1' in local.read_text(), local)
        (root / "large.bin").write_bytes(bytes(range(256)) * (12 << 12))
        client.log_artifact(run_id, str(root / "large.bin"), "large")
        (root / "back").mkdir()
        local = Path(client.download_artifacts(run_id, "large/large.bin", str(root / "back")))
        call("log_artifact, 12 MiB", local.read_bytes() == bytes(range(256)) * (12 << 12), local)
        text = mlflow.artifacts.load_text(f"runs:/{run_id}/notes/deep/a.txt")
        call("mlflow.artifacts.load_text", text == "some text", text)


def logged(client: Any, experiment: str, run_id: str) -> None:
    """What `mlflow.<flavour>.log_model` does, without a flavour's package."""
    from mlflow.models import Model  # type: ignore

    made = client.create_logged_model(experiment, name="net", source_run_id=run_id, tags={"a": "1"}, params={"d": "3"})
    call("create_logged_model", made.model_id and str(made.status) == "PENDING" and made.params == {"d": "3"}, made)
    with tempfile.TemporaryDirectory() as folder:
        Model(flavors={"onnx": {"data": "model.onnx"}}).save(str(Path(folder) / "MLmodel"))
        client.log_model_artifacts(made.model_id, folder)
    done = client.finalize_logged_model(made.model_id, "READY")
    call("log_model_artifacts, finalize_logged_model", str(done.status) == "READY", done)
    mlflow.log_metric("auc", 0.8, run_id=run_id, model_id=made.model_id)
    found = client.get_logged_model(made.model_id)
    call("log_metric of a logged model", [one.value for one in found.metrics or []] == [0.8], found.metrics)
    client.set_logged_model_tags(made.model_id, {"b": "2"})
    client.delete_logged_model_tag(made.model_id, "a")
    call("tags of a logged model", client.get_logged_model(made.model_id).tags.get("b") == "2")
    found = client.search_logged_models([experiment], "metrics.auc > 0.7 and name = 'net'")
    call("search_logged_models", [one.model_id for one in found] == [made.model_id], found)
    one = mlflow.register_model(f"models:/{made.model_id}", "nets")
    call("register_model of models:/", one.run_id == run_id, one)
    with tempfile.TemporaryDirectory() as folder:
        local = Path(mlflow.artifacts.download_artifacts("models:/nets/1", dst_path=folder))
        call("download_artifacts of a logged model", (local / "MLmodel").exists(), local)
    client.delete_registered_model("nets")
    client.delete_logged_model(made.model_id)
    refused("get a deleted logged model", "RESOURCE_DOES_NOT_EXIST", lambda: client.get_logged_model(made.model_id))


def registry(client: Any, run_id: str) -> None:
    made = client.create_registered_model("payments", tags={"team": "risk"}, description="of cards")
    call("create_registered_model", made.name == "payments" and made.tags == {"team": "risk"}, made)
    refused(
        "create_registered_model again", "RESOURCE_ALREADY_EXISTS", lambda: client.create_registered_model("payments")
    )
    one = mlflow.register_model(f"runs:/{run_id}/model", "payments")
    call("register_model", (one.version, one.status, one.run_id) == ("1", "READY", run_id) or one.version == 1, one)
    source = client.get_run(run_id).info.artifact_uri + "/model"
    two = client.create_model_version("payments", source, run_id, tags={"t": "1"}, description="second")
    call("create_model_version", str(two.version) == "2", two)
    found = client.get_model_version("payments", "2")
    call("get_model_version", found.source == source and found.tags == {"t": "1"}, found)
    client.update_model_version("payments", "2", "better")
    client.set_model_version_tag("payments", "2", "checked", "yes")
    client.delete_model_version_tag("payments", "2", "t")
    found = client.get_model_version("payments", "2")
    call("update_model_version, tags", found.description == "better" and found.tags == {"checked": "yes"}, found)
    aliases(client)
    searches(client, run_id)
    ending(client)


def aliases(client: Any) -> None:
    client.set_registered_model_alias("payments", "champion", "1")
    client.set_registered_model_alias("payments", "champion", "2")
    call("set_registered_model_alias", str(client.get_model_version_by_alias("payments", "champion").version) == "2")
    call("aliases of a version", list(client.get_model_version("payments", "2").aliases) == ["champion"])
    with tempfile.TemporaryDirectory() as folder:
        local = Path(mlflow.artifacts.download_artifacts("models:/payments@champion", dst_path=folder))
        call("download_artifacts of models:/", (local / "MLmodel").exists(), list(local.iterdir()))
    refused("set alias to no version", "RESOURCE_DOES_NOT_EXIST", lambda: _alias(client, "champion", "9"))
    refused("set alias 'latest'", "INVALID_PARAMETER_VALUE", lambda: _alias(client, "latest", "1"))


def searches(client: Any, run_id: str) -> None:
    found = client.search_model_versions("name = 'payments'", order_by=["version_number ASC"])
    call("search_model_versions", [str(one.version) for one in found] == ["1", "2"], found)
    found = client.search_model_versions(f"run_id = '{run_id}' and tags.checked = 'yes'")
    call("search_model_versions, by run and tag", [str(one.version) for one in found] == ["2"], found)
    client.set_registered_model_tag("payments", "tier", "1")
    client.delete_registered_model_tag("payments", "team")
    client.update_registered_model("payments", "of cards and banks")
    found = client.get_registered_model("payments")
    call("registered model's tags", found.tags == {"tier": "1"} and found.description == "of cards and banks", found)
    call(
        "registered model's aliases", {k: str(v) for k, v in found.aliases.items()} == {"champion": "2"}, found.aliases
    )
    call("latest_versions", [str(one.version) for one in found.latest_versions] == ["2"], found)
    client.create_registered_model("other")
    found = client.search_registered_models("name LIKE 'pay%'")
    call("search_registered_models", [one.name for one in found] == ["payments"], found)
    found = client.search_registered_models(order_by=["name DESC"])
    call("search_registered_models, all", [one.name for one in found] == ["payments", "other"], found)


def _alias(client: Any, alias: str, version: str) -> None:
    client.set_registered_model_alias("payments", alias, version)


def ending(client: Any) -> None:
    client.rename_registered_model("payments", "cards")
    found = client.get_model_version_by_alias("cards", "champion")
    call("rename_registered_model", str(found.version) == "2", found)
    client.delete_registered_model_alias("cards", "champion")
    call("delete_registered_model_alias", client.get_registered_model("cards").aliases == {})
    client.delete_model_version("cards", "2")
    refused("get a deleted version", "RESOURCE_DOES_NOT_EXIST", lambda: client.get_model_version("cards", "2"))
    client.delete_registered_model("cards")
    refused("get a deleted model", "RESOURCE_DOES_NOT_EXIST", lambda: client.get_registered_model("cards"))
    refused("stages", "FEATURE_DISABLED", lambda: client.transition_model_version_stage("other", "1", "Production"))
    refused("traces", "FEATURE_DISABLED", lambda: client.search_traces(["0"]))


def main() -> None:
    """Makes every call against the server that the first argument names."""
    mlflow.set_tracking_uri(sys.argv[1])
    client = MlflowClient()
    experiment = experiments(client)
    run_id = logging(client, experiment)
    searching(client, experiment)
    artifacts(client, run_id)
    logged(client, experiment, run_id)
    registry(client, run_id)
    _say(f"{_count} calls with mlflow {mlflow.__version__}")


if __name__ == "__main__":
    main()
