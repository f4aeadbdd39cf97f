"""Tasks, versions, aliases, promotion, quarantine, decisions, approvals, challenges, audit, features,
jobs, leases, progress."""

from tropism.registry.aliases import Aliases, Live
from tropism.registry.approvals import Approval, Approvals
from tropism.registry.audit import Audit, Entry, Finding, Head
from tropism.registry.challenges import Challenge, Challenges, NewChallenge
from tropism.registry.comparison import Comparison, Difference
from tropism.registry.decisions import Decision, Decisions, NewDecision
from tropism.registry.feature_plan import Change, Plan, Registered
from tropism.registry.features import Features, Link, ViewVersion
from tropism.registry.jobs import Job, Jobs, NewJob
from tropism.registry.leases import Lease, Leases
from tropism.registry.progress import Progress
from tropism.registry.promotion import Promoted, Promotion
from tropism.registry.quarantine import Quarantine
from tropism.registry.registry import Registry
from tropism.registry.tasks import AppliedTask, Tasks
from tropism.registry.versions import Artifacts, ModelVersion, NewVersion, Versions

__all__ = [
    "Aliases",
    "AppliedTask",
    "Approval",
    "Approvals",
    "Artifacts",
    "Audit",
    "Challenge",
    "Challenges",
    "Change",
    "Comparison",
    "Decision",
    "Decisions",
    "Difference",
    "Entry",
    "Features",
    "Finding",
    "Head",
    "Job",
    "Jobs",
    "Lease",
    "Leases",
    "Link",
    "Live",
    "ModelVersion",
    "NewChallenge",
    "NewDecision",
    "NewJob",
    "NewVersion",
    "Plan",
    "Progress",
    "Promoted",
    "Promotion",
    "Quarantine",
    "Registered",
    "Registry",
    "Tasks",
    "Versions",
    "ViewVersion",
]
