"""What is in `deploy/`: the Dockerfile by its text, the chart as Helm renders it.

Rendering needs Helm and the schemas of Kubernetes: `scripts/chart --install` puts both into `build/tools`.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from tropism.config import Settings, load_settings
from tropism.entrypoints.cli.main import cli

ROOT = Path(__file__).parents[2]
CHART = ROOT / "deploy" / "helm" / "tropism"
DOCKERFILE = ROOT / "deploy" / "docker" / "Dockerfile"
TOOLS = ROOT / "build" / "tools" / "bin"
PATH = f"{TOOLS}{os.pathsep}{os.environ.get('PATH', '')}"
CASES = sorted(path.stem for path in (CHART / "ci").glob("*.yaml"))
NEEDED = ("helm", "kubernetes-validate", "hadolint")

yaml: Any = pytest.importorskip("yaml", reason="PyYAML is not installed")
tools = pytest.mark.skipif(
    any(shutil.which(tool, path=PATH) is None for tool in NEEDED),
    reason=f"{', '.join(NEEDED)} are not all there: scripts/chart --install",
)


def run(*command: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(part) for part in command], cwd=ROOT, capture_output=True, text=True, timeout=300, check=False
    )


class Rendered:
    """The manifests of one set of values."""

    def __init__(self, text: str) -> None:
        self.manifests: list[dict[str, Any]] = [one for one in yaml.safe_load_all(text) if one]

    def all(self, kind: str) -> list[dict[str, Any]]:
        return [one for one in self.manifests if one["kind"] == kind]

    def pods(self) -> dict[str, dict[str, Any]]:
        """Templates of the pods, by component."""
        found = {}
        for one in self.all("Deployment"):
            template = one["spec"]["template"]
            found[template["metadata"]["labels"]["app.kubernetes.io/component"]] = template
        return found

    def containers(self) -> Iterator[dict[str, Any]]:
        for pod in self.pods().values():
            yield from pod["spec"].get("initContainers", [])
            yield from pod["spec"]["containers"]

    def one(self, kind: str, component: str = "data-plane") -> dict[str, Any]:
        label = "app.kubernetes.io/component"
        (found,) = [one for one in self.all(kind) if one["metadata"]["labels"].get(label, component) == component]
        return found


def render(values: Path) -> Rendered:
    done = run("scripts/chart", "--render", values)
    assert done.returncode == 0, done.stderr
    return Rendered(done.stdout)


@pytest.fixture(scope="module")
def rendered() -> Callable[[str], Rendered]:
    made: dict[str, Rendered] = {}

    def of(case: str) -> Rendered:
        if case not in made:
            made[case] = render(CHART / "ci" / f"{case}.yaml")
        return made[case]

    return of


@tools
def test_the_chart_renders_and_fits_the_schemas_of_kubernetes_and_the_dockerfile_is_sound() -> None:
    done = run("scripts/chart")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("ok:") == 2 * len(CASES) + 1


@tools
def test_the_check_notices_a_field_that_kubernetes_does_not_know(tmp_path: Path) -> None:
    values = tmp_path / "values.yaml"
    values.write_text("urls: {existingSecret: urls}\nsecurityContext: {readonlyRootFilesystem: true}\n")
    manifests = tmp_path / "manifests.yaml"
    manifests.write_text(run("scripts/chart", "--render", values).stdout)
    validate = shutil.which("kubernetes-validate", path=PATH)
    refused = run(validate, "--strict", "--quiet", manifests)
    assert refused.returncode != 0
    assert "readonlyRootFilesystem" in refused.stdout + refused.stderr


@tools
@pytest.mark.parametrize(
    ("values", "said"),
    [
        ("{}", "set urls.existingSecret"),
        ("urls: {values: {TROPISM_TABLES_URL: 'sqlite:///tables.sqlite'}}", "must be of PostgreSQL"),
        ("urls: {existingSecret: urls}\nautoscaling: {minReplicas: 11}", "above autoscaling.maxReplicas"),
        ("urls: {existingSecret: urls}\nservice: {port: 0}", "service/port"),
        ("urls: {existingSecret: urls}\nworkers: 3", "workers"),
    ],
)
def test_values_that_cannot_work_are_refused_with_the_reason(tmp_path: Path, values: str, said: str) -> None:
    file = tmp_path / "values.yaml"
    file.write_text(values)
    refused = run("scripts/chart", "--render", file)
    assert refused.returncode != 0
    assert said in refused.stderr


@tools
def test_by_default_three_data_planes_scale_to_ten_by_processor_and_memory(
    rendered: Callable[[str], Rendered],
) -> None:
    manifests = rendered("minimal")
    scaler = manifests.one("HorizontalPodAutoscaler")["spec"]
    assert (scaler["minReplicas"], scaler["maxReplicas"]) == (3, 10)
    assert {one["resource"]["name"]: one["resource"]["target"]["averageUtilization"] for one in scaler["metrics"]} == {
        "cpu": 70,
        "memory": 80,
    }
    plane = manifests.one("Deployment")
    assert scaler["scaleTargetRef"]["name"] == plane["metadata"]["name"]
    assert "replicas" not in plane["spec"], "an upgrade must not undo what the autoscaler chose"
    assert plane["spec"]["template"]["spec"]["containers"][0]["resources"] == {
        "requests": {"cpu": "1000m", "memory": "2Gi"},
        "limits": {"cpu": "2000m", "memory": "4Gi"},
    }
    assert rendered("nothing-optional").one("Deployment")["spec"]["replicas"] == 3


@tools
def test_the_autoscaler_can_follow_the_requests_in_flight(rendered: Callable[[str], Rendered]) -> None:
    metrics = rendered("everything").one("HorizontalPodAutoscaler")["spec"]["metrics"]
    (queue,) = [one["pods"] for one in metrics if one["type"] == "Pods"]
    assert queue["metric"]["name"] == "tropism_requests_in_flight"
    exposed = (ROOT / "src/tropism/entrypoints/api/metrics.py").read_text()
    assert f'"{queue["metric"]["name"]}"' in exposed, "no data plane exposes it"


@tools
@pytest.mark.parametrize("case", CASES)
def test_services_reach_the_pods_they_are_for(case: str, rendered: Callable[[str], Rendered]) -> None:
    manifests = rendered(case)
    pods = manifests.pods()
    for service in manifests.all("Service"):
        chosen = service["spec"]["selector"].items()
        reached = [name for name, pod in pods.items() if chosen <= pod["metadata"]["labels"].items()]
        assert reached == [service["metadata"]["labels"]["app.kubernetes.io/component"]]
        ports = {port["name"] for port in pods[reached[0]]["spec"]["containers"][0]["ports"]}
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports
    public = manifests.one("Service")["spec"]["ports"][0]
    assert (public["port"], public["targetPort"]) == (80, "http")
    assert pods["data-plane"]["spec"]["containers"][0]["ports"][0]["containerPort"] == 8700


@tools
@pytest.mark.parametrize("case", CASES)
def test_containers_may_do_nothing_that_they_need_not(case: str, rendered: Callable[[str], Rendered]) -> None:
    for pod in rendered(case).pods().values():
        spec = pod["spec"]
        assert spec["automountServiceAccountToken"] is False
        assert spec["enableServiceLinks"] is False, "variables of services would be taken for settings"
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in rendered(case).containers():
        allowed = container["securityContext"]
        assert allowed["readOnlyRootFilesystem"] is True
        assert allowed["allowPrivilegeEscalation"] is False
        assert allowed["capabilities"] == {"drop": ["ALL"]}
        assert set(container["resources"]) == {"requests", "limits"}


@tools
def test_only_data_planes_may_call_the_control_plane(rendered: Callable[[str], Rendered]) -> None:
    manifests = rendered("minimal")
    assert {one["metadata"]["name"].removeprefix("shop-tropism-") for one in manifests.all("NetworkPolicy")} == set(
        manifests.pods()
    )
    (rule,) = manifests.one("NetworkPolicy", "control-plane")["spec"]["ingress"]
    (source,) = rule["from"]
    labels = source["podSelector"]["matchLabels"]
    reached = [name for name, pod in manifests.pods().items() if labels.items() <= pod["metadata"]["labels"].items()]
    assert reached == ["data-plane"]
    assert manifests.one("NetworkPolicy", "worker")["spec"]["ingress"] == []


@tools
def test_data_planes_are_probed_drained_and_not_all_taken_away(rendered: Callable[[str], Rendered]) -> None:
    manifests = rendered("minimal")
    spec = manifests.pods()["data-plane"]["spec"]
    (container,) = spec["containers"]
    assert container["livenessProbe"]["httpGet"]["path"] == "/healthz"
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert "startupProbe" in container
    drain = int(container["lifecycle"]["preStop"]["exec"]["command"][1])
    assert drain + 10 < spec["terminationGracePeriodSeconds"], "requests in progress get ten seconds after that"
    keys = {one["topologyKey"] for one in spec["topologySpreadConstraints"]}
    assert keys == {"kubernetes.io/hostname", "topology.kubernetes.io/zone"}
    budget = manifests.one("PodDisruptionBudget")["spec"]
    assert budget["minAvailable"] == 2
    assert budget["selector"]["matchLabels"].items() <= manifests.pods()["data-plane"]["metadata"]["labels"].items()


@tools
@pytest.mark.parametrize("case", CASES)
def test_all_share_the_journal_but_not_what_belongs_to_one_machine(
    case: str, rendered: Callable[[str], Rendered]
) -> None:
    claims = set()
    for name, pod in rendered(case).pods().items():
        volumes = {one["name"]: one for one in pod["spec"]["volumes"]}
        claims.add(volumes["state"]["persistentVolumeClaim"]["claimName"])
        (container,) = pod["spec"]["containers"]
        mounts = {one["mountPath"]: volumes[one["name"]] for one in container["volumeMounts"]}
        assert "persistentVolumeClaim" in mounts["/var/lib/tropism"]
        assert "emptyDir" in mounts["/tmp"]
        assert ("emptyDir" in mounts.get("/var/lib/tropism/run", {})) == (name == "data-plane")
    assert len(claims) == 1


@tools
def test_there_is_one_worker_at_a_time_and_the_project_is_applied_before_anything_answers(
    rendered: Callable[[str], Rendered],
) -> None:
    manifests = rendered("minimal")
    worker = manifests.one("Deployment", "worker")["spec"]
    assert (worker["replicas"], worker["strategy"]["type"]) == (1, "Recreate")
    (first,) = manifests.pods()["control-plane"]["spec"]["initContainers"]
    assert first["args"] == ["apply"]


@tools
@pytest.mark.parametrize("case", CASES)
def test_every_container_runs_a_command_that_there_is(case: str, rendered: Callable[[str], Rendered]) -> None:
    for container in rendered(case).containers():
        if "command" in container:
            continue
        context = click.Context(cli)
        name, command, rest = cli.resolve_command(context, list(container["args"]))
        assert command is not None, name
        command.make_context(name, list(rest), parent=context)  # raises for an argument that it does not take


@tools
def test_every_container_has_settings_that_there_are(rendered: Callable[[str], Rendered], tmp_path: Path) -> None:
    """What the file and the environment of each container say is taken, and fits together."""
    manifests = rendered("everything")
    for name, text in manifests.one("ConfigMap")["data"].items():
        (tmp_path / name).write_text(text)
    secret = manifests.one("Secret")["stringData"]
    found: dict[str, Settings] = {}
    for container in manifests.containers():
        environment = dict(secret)
        for variable in container.get("env", []):
            source = variable.get("valueFrom")
            name = variable["name"]
            environment[name] = secret[source["secretKeyRef"]["key"]] if source else variable["value"]
        if "command" not in container:
            found[container["name"]] = load_settings(tmp_path, environment=environment)
    mounts = {mount["name"]: mount["mountPath"] for mount in next(manifests.containers())["volumeMounts"]}
    assert {str(one.folder) for one in found.values()} == {mounts["state"]}
    assert {one.tables_url for one in found.values()} == {"postgresql://tropism:secret@postgres/tropism"}
    plane: Any = found["data-plane"].http
    control: Any = found["control-plane"].http
    service = manifests.one("Service", "control-plane")
    assert (plane.host, plane.port) == ("0.0.0.0", 8700)
    assert plane.control_host == service["metadata"]["name"]
    assert plane.control_port == service["spec"]["ports"][0]["port"] == control.control_port
    assert control.control_host == "0.0.0.0"
    assert plane.poll == "1s", "what the values say wins over nothing of the chart's"


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions and their arguments, in order."""
    lines = [line for line in DOCKERFILE.read_text().splitlines() if line.strip() and not line.startswith("#")]
    whole = re.sub(r"\\\n\s*", " ", "\n".join(lines)).splitlines()
    return [(name, rest) for name, _, rest in (line.strip().partition(" ") for line in whole)]


def test_the_image_is_built_in_stages_from_a_base_of_one_version() -> None:
    found = instructions()
    bases = [rest.split()[0] for name, rest in found if name == "FROM"]
    assert bases == ["${PYTHON_IMAGE}"] * 2
    (image,) = [rest.partition("=")[2] for name, rest in found if name == "ARG" and rest.startswith("PYTHON_IMAGE=")]
    assert re.fullmatch(r"python:3\.\d+\.\d+-slim-\w+(@sha256:[0-9a-f]{64})?", image)
    last = [name for name, _ in found][::-1].index("FROM")
    copied = [rest for name, rest in found[-last:] if name == "COPY"]
    assert copied == ["--from=build /opt/tropism /opt/tropism"], "nothing but what was installed"
    assert not [rest for name, rest in found if name == "ADD"]


def test_the_image_runs_as_the_user_that_the_chart_asks_for() -> None:
    user = [rest for name, rest in instructions() if name == "USER"][-1]
    asked = yaml.safe_load((CHART / "values.yaml").read_text())["podSecurityContext"]
    assert user == f"{asked['runAsUser']}:{asked['runAsGroup']}"
    assert asked["runAsUser"] != 0


def test_packages_are_installed_as_locked_and_what_is_copied_is_there() -> None:
    installs = [rest for name, rest in instructions() if name == "RUN" and "pip install" in rest]
    assert "--require-hashes" in installs[0]
    assert "--no-deps" in installs[1]
    (lock,) = [rest.partition("=")[2] for name, rest in instructions() if name == "ARG" and rest.startswith("LOCK=")]
    assert "--hash=sha256:" in (ROOT / lock).read_text()
    ignored = (DOCKERFILE.parent / "Dockerfile.dockerignore").read_text().splitlines()
    let_in = [line[1:] for line in ignored if line.startswith("!")]
    for name, rest in instructions():
        if name == "COPY" and not rest.startswith("--from"):
            for source in rest.replace("${LOCK}", lock).split()[:-1]:
                path = source.removeprefix("./")
                assert (ROOT / path).exists()
                assert any(Path(path).match(pattern) for pattern in let_in), f"{path} is kept out of the build"


def test_the_image_looks_after_its_health_and_starts_a_data_plane() -> None:
    found = dict(instructions())
    assert "/healthz" in found["HEALTHCHECK"]
    assert found["ENTRYPOINT"] == '["tropism", "-C", "/project"]'
    assert found["CMD"] == '["run", "data-plane"]'
