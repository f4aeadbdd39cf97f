"""Card payments: what a card and a terminal did lately, and which frauds at the terminal are known by now."""

from tropism import Feature, Policy, Task
from tropism.features import Decimal, Entity, FeatureView, StreamSource, agg, on_demand

customer = Entity("customer", key="customer_id")
terminal = Entity("terminal", key="terminal_id")

payments = StreamSource(
    "payments", timestamp="paid_at", schema={"customer_id": str, "terminal_id": str, "amount": Decimal(2)}
)
# A label for each payment, seven days after it: 1 for a fraud.
labels = StreamSource("labels", timestamp="known_at", schema={"terminal_id": str, "fraud": int})

spending = FeatureView(
    "customer",
    entity=customer,
    source=payments,
    fields=(
        *(agg.count(window) for window in ("1d", "7d", "30d")),
        *(agg.mean("amount", window) for window in ("1d", "7d", "30d")),
    ),
)
traffic = FeatureView(
    "terminal", entity=terminal, source=payments, fields=tuple(agg.count(window) for window in ("1d", "7d", "30d"))
)
reported = FeatureView(
    "reported",
    entity=terminal,
    source=labels,
    fields=(
        *(agg.count(window) for window in ("1d", "7d", "30d")),
        *(agg.sum("fraud", window) for window in ("1d", "7d", "30d")),
    ),
)

amount_ratio_1d = on_demand(lambda f, r: r["amount"] / f["customer.mean_amount_1d"], name="amount_ratio_1d")
amount_ratio_7d = on_demand(lambda f, r: r["amount"] / f["customer.mean_amount_7d"], name="amount_ratio_7d")
amount_ratio_30d = on_demand(lambda f, r: r["amount"] / f["customer.mean_amount_30d"], name="amount_ratio_30d")
risk_1d = on_demand(lambda f, _: f["reported.sum_fraud_1d"] / f["reported.count_1d"], name="risk_1d")
risk_7d = on_demand(lambda f, _: f["reported.sum_fraud_7d"] / f["reported.count_7d"], name="risk_7d")
risk_30d = on_demand(lambda f, _: f["reported.sum_fraud_30d"] / f["reported.count_30d"], name="risk_30d")

fraud = Task(
    name="fraud",
    kind="binary",
    target="is_fraud",
    features=(Feature("amount"), Feature("weekend", type="boolean"), Feature("night", type="boolean")),
    views=(
        "customer",
        "terminal",
        "reported",
        *(f"amount_ratio_{window}" for window in ("1d", "7d", "30d")),
        *(f"risk_{window}" for window in ("1d", "7d", "30d")),
    ),
    outcome_window="8d",
    # Chosen on six weeks that end before 2018-08-01. 255 bins are too few: the last one has more rows than there are
    # very large amounts.
    parameters={
        "lightgbm": {
            "num_trees": 150,
            "num_leaves": 15,
            "learning_rate": 0.03,
            "feature_fraction": 0.7,
            "bagging_fraction": 0.7,
            "bagging_freq": 1,
            "max_bin": 1_023,
        }
    },
    policy=Policy(windows=("recent",)),
)
