"""The only place that builds objects: from settings to the parts of a running platform.

Everything is made when it is first asked for, so a process loads only what it uses.
"""

from tropism.wiring.platform import Platform
from tropism.wiring.running import apply_project, open_platform, run_worker

__all__ = ["Platform", "apply_project", "open_platform", "run_worker"]
